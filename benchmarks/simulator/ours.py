"""The product's own planner, asked at every event. Only what Git and the sandbox do is played here."""

from random import Random

from benchmarks.simulator.engine import Engine, Run
from benchmarks.simulator.world import Item
from gatekeeper.model import (
    Actor,
    Ask,
    Job,
    JobName,
    Kind,
    Oid,
    Outcome,
    Request,
    RequestId,
    SiteName,
    Stage,
    Verdict,
)
from gatekeeper.policy.order import order
from gatekeeper.policy.planner import plan
from gatekeeper.policy.scene import Plan, Scene, Suspect

_PRIOR, _PRIOR_RUNS = 20.0, 40.0


class Gatekeeper:
    """Starts, stops, blocks and ships what the plan says."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.setup = engine.world.setup
        self.verdicts: dict[str, Verdict] = {}
        self.running: dict[str, Run] = {}
        self.suspects: tuple[Suspect, ...] = ()
        self.landed: set[Oid] = set()
        self.requests: dict[int, Request] = {}
        self.names = [JobName(Kind.CHECK, "check", SiteName(f"s{n}")) for n in range(self.setup.surfaces)]
        self.bad = self.flaky = 0
        self.base = tuple(Job(name, f"{n}", "d") for n, name in enumerate(self.names))
        self.keys: dict[tuple[int, int], str] = {}
        self.seen: dict[str, tuple[int, tuple[Item, ...], int]] = {}
        """By key: the surface, what was open then, and how many had landed."""
        self.holds: dict[str, int] = {}
        """By key: a digest of every request in it, landed or open."""
        for job in self.base:
            self.holds[job.key] = 0
            self.verdicts[job.key] = _verdict(job.key, passed=True, seconds=self.setup.seconds)

    def step(self) -> None:
        self._collect()
        while True:
            made = self._plan()
            self.suspects = made.suspects
            for key in made.cancel:
                self.engine.stop(self.running.pop(key))
            for run in made.start:
                self._start(run.job)
            if made.guilty is not None:
                self.bad += 1
                self.engine.reject(self._item(made.guilty.request))
            elif made.ready is not None and len(made.ready.stages) > 1:
                self._ship(made.ready.stages)
            else:
                return

    def _plan(self) -> Plan:
        queue = order([self._request(item) for item in self.engine.open.values()])
        window = 4 * self.setup.max_train * self.setup.surfaces
        return plan(
            Scene(
                queue=queue[:window],
                make=self._make,
                verdicts=self.verdicts,
                running={key: run.started or 0.0 for key, run in self.running.items()},
                slots=self.setup.slots,
                max_train=self.setup.max_train,
                odds=(self.bad + 0.05 * _PRIOR) / (self.bad + len(self.engine.landed) + _PRIOR),
                flakes=(self.flaky + 0.005 * _PRIOR_RUNS) / (len(self.verdicts) + _PRIOR_RUNS),
                now=self.engine.now,
                suspects=self.suspects,
                landed=self.landed,
            )
        )

    def _make(self, requests: tuple[Request, ...]) -> tuple[Stage, ...]:
        jobs, stages = self.base, [Stage(None, Oid("r"), Oid("r"), (), self.base)]
        for request in requests:
            item = self._item(request)
            jobs = tuple(self._with(job, n, item) if n in item.surfaces else job for n, job in enumerate(jobs))
            stages.append(Stage(request, Oid(request.tip), Oid(request.tip), (), jobs))
        return tuple(stages)

    def _with(self, job: Job, surface: int, item: Item) -> Job:
        """The same changes make the same key, in whatever order; what of it is open now may break together."""
        before = self.seen[job.key][1] if job != self.base[surface] else ()
        holds = self.holds[job.key] ^ Random(item.number).getrandbits(64)
        known = self.keys.setdefault((surface, holds), f"{surface}.{len(self.keys)}")
        self.seen[known] = (surface, (*before, item), len(self.engine.landed))
        self.holds[known] = holds
        return Job(job.name, known, "d")

    def _start(self, job: Job) -> None:
        self.running[job.key] = self.engine.submit(*self.seen[job.key])

    def _collect(self) -> None:
        for key, run in list(self.running.items()):
            if run.done:
                del self.running[key]
                old = self.verdicts.get(key)
                self.flaky += bool(old and run.passed)
                self.verdicts[key] = _verdict(
                    key, passed=bool(run.passed), seconds=run.seconds, runs=old.runs + 1 if old else 1
                )

    def _ship(self, stages: tuple[Stage, ...]) -> None:
        going = [stage.request for stage in stages if stage.request is not None]
        self.engine.land([self._item(request) for request in going])
        self.landed |= {request.tip for request in going}
        self.base = stages[-1].checks

    def _item(self, request: Request) -> Item:
        return self.engine.world.items[request.sequence]

    def _request(self, item: Item) -> Request:
        if item.number not in self.requests:
            ask = Ask((), "", "")
            tip = Oid(str(item.number))
            self.requests[item.number] = Request(
                RequestId(f"r{item.number}"), tip, 1, item.number, Actor(f"a{item.number}"), ask, ""
            )
        return self.requests[item.number]


def _verdict(key: str, *, passed: bool, seconds: float, runs: int = 1) -> Verdict:
    outcome = Outcome.PASSED if passed else Outcome.FAILED
    return Verdict(key, "check", outcome, "", seconds, "", runs=runs)
