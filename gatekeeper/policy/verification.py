"""What to run next on a train, whom to blame, and when it may ship. Pure: stages and known verdicts in, one answer out.

The last stage is verified first. When a job fails there, the train is bisected over that job's own distinct keys;
stages that share a key share a verdict, so requests that a job cannot see are never asked about it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gatekeeper.model import Job, JobName, Kind, Outcome, Request, Stage, Verdict

Verdicts = Mapping[str, Verdict]


@dataclass(frozen=True, slots=True)
class Run:
    """These jobs of this stage have no verdict yet, and the answer needs them."""

    stage: Stage
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Guilty:
    """The state just before this request passes the job (or is as red, and it leaves it red); with it, it fails."""

    request: Request
    job: Job
    verdict: Verdict
    behind: tuple[Request, ...]
    """Requests ahead of it in the train that changed what the job sees: it may only fail together with them."""


@dataclass(frozen=True, slots=True)
class ReleaseRed:
    """A job fails on `release` itself before any request: the first ship cannot go on."""

    job: Job
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Ready:
    """The last stage may ship; `red` are jobs that fail on `release` too and that no request of the train touched."""

    stage: Stage
    verdicts: tuple[Verdict, ...]
    red: tuple[Verdict, ...] = ()


Answer = Run | Guilty | ReleaseRed | Ready


@dataclass(slots=True)
class _Found:
    passed: list[Verdict] = field(default_factory=list)
    red: list[Verdict] = field(default_factory=list)


def examine(stages: Sequence[Stage], verdicts: Verdicts, *, live: bool) -> Answer:
    """Answer for the train `stages[1:]` on `stages[0]` (`release`; `live` when it went through a ship before).

    Builds come first: what they leave is part of the checks' keys.
    """
    last, found = stages[-1], _Found()
    for jobs in (last.builds, last.checks):
        if jobs is None:
            # A build that `release` has red too, and that nobody touched: its checks cannot be keyed, nor run.
            return Ready(last, tuple(found.passed), tuple(found.red))
        missing = tuple(job for job in jobs if job.key not in verdicts)
        if missing:
            return Run(last, missing)
        for job in jobs:
            answer = _judge(job, stages, verdicts, found, live=live)
            if answer is not None:
                return answer
    return Ready(last, tuple(found.passed), tuple(found.red))


def _judge(job: Job, stages: Sequence[Stage], verdicts: Verdicts, found: _Found, *, live: bool) -> Answer | None:
    verdict = verdicts[job.key]
    if verdict.outcome is Outcome.PASSED:
        found.passed.append(verdict)
        return None
    turns = _turns(job.name, stages)
    if len(turns) > 1:
        return _blame(turns, verdicts)
    if not live:
        return ReleaseRed(job, verdict)
    found.red.append(verdict)
    return None


@dataclass(frozen=True, slots=True)
class _Turn:
    """The first of some neighbouring stages in which a job has one and the same key.

    Without a job: there is none yet, or its key waits for the builds of this stage.
    """

    stage: Stage
    job: Job | None
    key: str


def _turns(name: JobName, stages: Sequence[Stage]) -> list[_Turn]:
    turns: list[_Turn] = []
    for stage in stages:
        job = next((job for job in (*stage.builds, *(stage.checks or ())) if job.name == name), None)
        unknown = job is None and stage.checks is None and name.kind is not Kind.BUILD
        key = job.key if job else f"after the builds of {stage.tree}" if unknown else ""
        if not turns or turns[-1].key != key:
            turns.append(_Turn(stage, job, key))
    return turns


def _blame(turns: list[_Turn], verdicts: Verdicts) -> Answer:
    """Find the first turn that fails right behind one that passes: the last is known to fail."""
    timed_out = verdicts[turns[-1].key].outcome is Outcome.TIMED_OUT
    passing, failing = 0, len(turns) - 1
    while failing - passing > 1:
        # A time-out says nothing about the content: it is never bisected, the first that touches the job goes alone.
        middle = passing + 1 if timed_out else (passing + failing) // 2
        passes = _passes(turns[middle], verdicts)
        if isinstance(passes, Run):
            return passes
        passing, failing = (middle, failing) if passes else (passing, middle)
    culprit = turns[failing].stage.request
    job = turns[failing].job or _red_build(turns[failing].stage, verdicts)
    assert culprit is not None  # noqa: S101 - only the first turn can be `release` itself, and it is never `failing`
    ahead = tuple(turn.stage.request for turn in turns[1:failing] if turn.stage.request is not None)
    return Guilty(culprit, job, verdicts[job.key], ahead)


def _passes(turn: _Turn, verdicts: Verdicts) -> bool | Run:
    """Return whether a turn is green, or what has to run to know it."""
    if turn.job is not None:
        known = verdicts.get(turn.job.key)
        return Run(turn.stage, (turn.job,)) if known is None else known.outcome is Outcome.PASSED
    if not turn.key:
        return True
    missing = tuple(job for job in turn.stage.builds if job.key not in verdicts)
    return Run(turn.stage, missing) if missing else False


def _red_build(stage: Stage, verdicts: Verdicts) -> Job:
    return next(job for job in stage.builds if verdicts[job.key].outcome is not Outcome.PASSED)
