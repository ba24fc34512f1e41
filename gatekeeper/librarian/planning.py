"""Shows the planner the queue as it is: merges, keys, verdicts, what is running. Moves no ref."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from gatekeeper.gate import Gate
from gatekeeper.librarian.recollection import Recollection, ground
from gatekeeper.librarian.train import Yard
from gatekeeper.model import Job, Oid, Outcome, Request, Result, Stage, State, Verdict
from gatekeeper.policy import planner
from gatekeeper.policy.scene import Plan, Scene
from gatekeeper.repo import verdicts
from gatekeeper.verify import jobs
from gatekeeper.verify.jobs import Work

_PRIOR_BAD, _PRIOR = 1.0, 20.0
"""What is thought of requests before any has ended: one in twenty is bad."""
_PRIOR_FLAKY, _PRIOR_RUNS = 0.2, 40.0
"""What is thought of checks before any has run: one run in two hundred fails for no reason."""


def plan(
    gate: Gate, yard: Yard, queue: Sequence[Request], known: Iterable[Result], mind: Recollection, *, closed: bool
) -> Plan:
    """Plan from what is known at this moment; the suspects are remembered for the next."""
    sight = _Sight(gate, yard, mind)
    base = sight.line(())
    red = {job.key for job in (*base[0].builds, *base[0].checks) if _is_red(sight.verdicts.get(job.key))}
    made = planner.plan(
        Scene(
            queue=tuple(queue),
            make=sight.line,
            verdicts=sight.verdicts,
            running=dict(mind.running),
            slots=gate.config.verify.jobs,
            max_train=gate.config.gate.max_train,
            odds=_odds(known),
            flakes=_flakes(gate, mind),
            live=yard.release.version is not None,
            now=gate.clock(),
            suspects=mind.suspects,
            landed=frozenset(result.tip for result in known if result.state is State.SHIPPED),
            closed=closed,
            doubted=frozenset(red - mind.asked),
            barred=frozenset(mind.barred),
        )
    )
    mind.suspects = made.suspects
    mind.red[yard.release.commit] = made.red
    return made


def _odds(known: Iterable[Result]) -> float:
    ended = [r for r in known if r.state is State.SHIPPED or (r.reason is not None and r.reason.code == "GATE-402")]
    bad = sum(result.state is not State.SHIPPED for result in ended)
    return (bad + _PRIOR_BAD) / (len(ended) + _PRIOR)


def _flakes(gate: Gate, mind: Recollection) -> float:
    if mind.flakes is None:
        flaky, runs = verdicts.flaky(gate.git)
        mind.flakes = (flaky + _PRIOR_FLAKY) / (runs + _PRIOR_RUNS)
    return mind.flakes


def _is_red(said: Verdict | None) -> bool:
    return said is not None and said.outcome is not Outcome.PASSED


class _Sight(Struct):
    """Lines of merged requests with the jobs of each stage; `verdicts` holds what is known of all keys seen so far."""

    gate: Gate
    yard: Yard
    mind: Recollection
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    _looked_up: set[str] = field(default_factory=set)

    def line(self, requests: tuple[Request, ...]) -> tuple[Stage, ...]:
        """Merge these on `release`, and key every job of every stage."""
        stages = self.yard.line(requests)
        made = [self._builds_of(stage.tree) for stage in stages]
        self._look_up(work.job for works in made for work in works)
        found = []
        for stage, builds in zip(stages, made, strict=True):
            checks = self._checks_of(stage.tree, builds)
            own = tuple(work.job for work in builds), tuple(work.job for work in checks)
            found.append(Stage(stage.request, stage.commit, stage.tree, *own))
        self._look_up(job for stage in found for job in stage.checks)
        return tuple(found)

    def _builds_of(self, tree: Oid) -> tuple[Work, ...]:
        if tree not in self.mind.builds:
            made = jobs.builds(self.gate.config, ground(self.gate, tree, self.mind))
            self.mind.works |= {work.job.key: (work, tree) for work in made}
            self.mind.builds[tree] = made
        return self.mind.builds[tree]

    def _checks_of(self, tree: Oid, builds: tuple[Work, ...]) -> tuple[Work, ...]:
        built = self._built(builds)
        key = tree, tuple(sorted(built.items()))
        if key not in self.mind.checks:
            made = jobs.checks(self.gate.config, ground(self.gate, tree, self.mind), built, builds)
            self.mind.works |= {work.job.key: (work, tree) for work in made}
            self.mind.checks[key] = made
        return self.mind.checks[key]

    def _built(self, builds: Iterable[Work]) -> Mapping[str, str]:
        known = {work.job.key: self.verdicts.get(work.job.key) for work in builds}
        return {key: said.output for key, said in known.items() if said is not None and said.output}

    def _look_up(self, wanted: Iterable[Job]) -> None:
        """Read verdicts once; that of a build counts only while its output is there, and is not being made anew."""
        keys = {job.key for job in wanted} - self._looked_up
        self._looked_up |= keys
        found = verdicts.lookup(self.gate.git, keys)
        self.verdicts |= {key: said for key, said in found.items() if not said.output or self._there(key)}

    def _there(self, key: str) -> bool:
        return key not in self.mind.running and (self.gate.home.builds / key).is_dir()
