"""A queue whose checks say at once what they will say: the planner's own world, without Git, time or processes."""

from dataclasses import dataclass, field

from gatekeeper.model import Actor, Ask, Job, JobName, Kind, Oid, Outcome, Request, RequestId, Stage, Verdict
from gatekeeper.policy import planner
from gatekeeper.policy.scene import Guilty, Plan, Scene, Suspect

JOBS = ("one", "two", "three")


@dataclass
class Queue:
    """Requests that touch jobs, break some of them alone, or break a job together with another one."""

    touches: dict[int, frozenset[str]]
    breaks: dict[int, frozenset[str]]
    clash: tuple[int, int] | None = None
    late: bool = False
    slots: int = 1
    max_train: int = 3
    seconds: float = 60.0
    flakes: int = 0
    lies: float = 0.005
    tries: set[int] = field(default_factory=set)
    needs: dict[int, int] = field(default_factory=dict)
    filed: list[int] = field(default_factory=list)
    landed: list[int] = field(default_factory=list)
    blocked: dict[int, Guilty] = field(default_factory=dict)
    trains: list[tuple[int, ...]] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    running: dict[str, float] = field(default_factory=dict)
    suspects: tuple[Suspect, ...] = ()
    jobs: tuple[str, ...] = JOBS
    live: bool = True
    doubted: frozenset[str] = frozenset()
    barred: frozenset[str] = frozenset()
    closed: bool = False
    now: float = 0.0
    runs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.verdicts = {f"{job}:": Verdict(f"{job}:", "", Outcome.PASSED, "", self.seconds, "") for job in JOBS}

    def make(self, requests: tuple[Request, ...]) -> tuple[Stage, ...]:
        numbers, stages = list(self.landed), []
        for request in (None, *requests):
            numbers += [request.sequence] if request else []
            name = Oid("+".join(map(str, numbers)))
            stages.append(Stage(request, name, name, (), tuple(self._job(job, numbers) for job in self.jobs)))
        return tuple(stages)

    def _job(self, name: str, numbers: list[int]) -> Job:
        return Job(
            JobName(Kind.CHECK, name), f"{name}:{','.join(str(n) for n in numbers if name in self.touches[n])}", "d"
        )

    def broken(self, key: str) -> bool:
        name, _, listed = key.partition(":")
        numbers = [int(n) for n in listed.split(",") if n]
        alone = any(name in self.breaks[n] for n in numbers)
        return alone or (self.clash is not None and set(self.clash) <= set(numbers))

    def requests(self) -> tuple[Request, ...]:
        """Return those that are open."""
        return tuple(
            Request(RequestId(f"r{n}"), Oid(str(n)), 1, n, Actor("a"), self._ask(n), "")
            for n in self.filed
            if n not in self.landed and n not in self.blocked
        )

    def _ask(self, number: int) -> Ask:
        needed = RequestId(f"r{self.needs[number]}") if number in self.needs else None
        return Ask((), "", "", try_only=number in self.tries, depends_on=needed)

    def plan(self) -> Plan:
        made = planner.plan(
            Scene(
                queue=self.requests(),
                make=self.make,
                verdicts=dict(self.verdicts),
                running=dict(self.running),
                slots=self.slots,
                max_train=self.max_train,
                flakes=self.lies,
                live=self.live,
                now=self.now,
                suspects=self.suspects,
                landed=frozenset(Oid(str(number)) for number in self.landed),
                closed=self.closed,
                doubted=self.doubted,
                barred=self.barred,
            )
        )
        self.suspects = made.suspects
        return made

    def settle(self) -> Plan:
        """Do all that can be done before a check ends."""
        for _ in range(200):
            made = self.plan()
            for key in made.cancel:
                del self.running[key]
            for run in made.start:
                self.runs.append(run.job.key)
                self.running[run.job.key] = self.now
            if made.guilty is not None:
                self.blocked[made.guilty.request.sequence] = made.guilty
            elif made.ready is not None and len(made.ready.stages) > 1 and not self.closed:
                self._ship(made.ready.stages)
            elif not (made.start or made.cancel):
                return made
        raise AssertionError("it never settles")

    def _ship(self, stages: tuple[Stage, ...]) -> None:
        for job in stages[-1].checks:
            assert self.verdicts[job.key].outcome is Outcome.PASSED, "what ships was verified, key by key"
        train = tuple(stage.request.sequence for stage in stages if stage.request is not None)
        assert len(train) <= self.max_train
        self.trains.append(train)
        self.landed += train

    def end(self, key: str) -> None:
        """Have a check say what it has to say."""
        self.now += self.seconds
        del self.running[key]
        before = self.verdicts.get(key)
        assert before is None or before.outcome is not Outcome.PASSED, "a pass is never run twice"
        red = self.broken(key)
        if not red and self.flakes and before is None:
            self.flakes -= 1
            red = True
        bad = Outcome.TIMED_OUT if self.late else Outcome.FAILED
        runs = before.runs + 1 if before and red else 1
        self.verdicts[key] = Verdict(key, "", bad if red else Outcome.PASSED, "", self.seconds, "", runs=runs)

    def finish(self) -> None:
        """Let whatever runs end, until nothing runs any more."""
        self.settle()
        while self.running:
            self.end(next(iter(self.running)))
            self.settle()

    def forget(self) -> None:
        """Kill the Librarian: only what Git holds is left."""
        self.running.clear()
        self.suspects = ()


def simple(count: int, **more: int) -> Queue:
    """Return a queue of so many requests that all touch one job, and break nothing."""
    queue = Queue({n: frozenset({"one"}) for n in range(count)}, {n: frozenset() for n in range(count)}, **more)  # type: ignore[arg-type]
    queue.filed = list(range(count))
    return queue
