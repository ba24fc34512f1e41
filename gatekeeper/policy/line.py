"""A line of merged requests as its jobs see it: who changed what a job rests on, and what is known of each state.

Pure. A verdict is a fact about a key, so it is enough to look at the stages in which a job's key changes.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from gatekeeper.model import Job, JobName, Outcome, Request, RequestId, Stage, Verdict

Verdicts = Mapping[str, Verdict]


class Turn(Struct, frozen=True):
    """The first of some neighbouring stages in which a job has one key; without a job it has nothing to look at."""

    at: int
    stage: Stage
    job: Job | None

    def passes(self, verdicts: Verdicts) -> bool | None:
        """Return what is known of it; None for nothing."""
        if self.job is None:
            return True
        said = verdicts.get(self.job.key)
        return None if said is None else said.outcome is Outcome.PASSED

    def verdict(self, verdicts: Verdicts) -> Verdict | None:
        """Return what the job said, if it ran."""
        return None if self.job is None else verdicts.get(self.job.key)


Track = Sequence[Turn]
"""The turns of one job; the first is that of `release`."""


class Span(Struct, frozen=True):
    """What is in question for one job: turns behind `base`, the last that passes, up to `red`, the first that fails."""

    track: Track
    base: int
    red: int | None

    @property
    def end(self) -> int:
        """The last turn that is worth a run: what holds a known failure is not."""
        return len(self.track) - 1 if self.red is None else self.red - 1

    def turn_at(self, at: int) -> Turn:
        """Return the turn that a stage belongs to."""
        return self.track[bisect_right(self.track, at, key=lambda turn: turn.at) - 1]

    @property
    def pending(self) -> Track:
        """The turns that nothing is known of, as far as they are worth a run."""
        return self.track[self.base + 1 : self.end + 1]


def tracks(stages: Sequence[Stage]) -> dict[JobName, list[Turn]]:
    """Return each job's turns along the stages."""
    found: dict[JobName, list[Turn]] = {}
    for at, stage in enumerate(stages):
        present = {job.name: job for job in (*stage.builds, *stage.checks)}
        for name, job in present.items():
            track = found.setdefault(name, [Turn(0, stages[0], None)] if at else [])
            if not track or track[-1].job is None or track[-1].job.key != job.key:
                track.append(Turn(at, stage, job))
        for name, track in found.items():
            if name not in present and track[-1].job is not None:
                track.append(Turn(at, stage, None))
    return found


def span(track: Track, verdicts: Verdicts, reach: Collection[int]) -> Span:
    """Return what is in question: a state that passes speaks for all ahead of it, whatever they did alone.

    Only the stages in `reach` can ship in one train; what passes beyond them is of use when those have shipped.
    """
    said = [turn.passes(verdicts) for turn in track]
    base = max((at for at, passes in enumerate(said) if passes and track[at].at in reach), default=0)
    red = next((at for at in range(base + 1, len(said)) if said[at] is False), None)
    return Span(track, base, red)


def green(
    stages: Sequence[Stage], by_job: Mapping[JobName, Track], verdicts: Verdicts, reach: Collection[int]
) -> tuple[Request, ...]:
    """Return the most requests that, merged without the others, make a tree whose every key is known to pass.

    A job passes with the first of those that touch it, so a request stays only while, for each job that it
    touches, a passing state holds it and nobody who is left out.
    """
    kept = set(reach) - {0}
    while True:
        out = {at for track in by_job.values() for at in _left_out(track, kept, verdicts)}
        out |= _orphans(stages, kept)
        if not out:
            return tuple(request for at in sorted(kept) if (request := stages[at].request) is not None)
        kept -= out


def _left_out(track: Track, kept: set[int], verdicts: Verdicts) -> Iterator[int]:
    whole = next((n for n, turn in enumerate(track) if n and turn.at not in kept), len(track))
    base = max((n for n in range(1, whole) if track[n].passes(verdicts)), default=0)
    return (turn.at for turn in track[base + 1 :] if turn.at in kept)


def _orphans(stages: Sequence[Stage], kept: set[int]) -> set[int]:
    """Return the kept requests that depend on one of the line that is not kept."""
    here = {stage.request.id: at for at, stage in enumerate(stages) if stage.request is not None}
    needs = ((at, stage.request.ask.depends_on) for at, stage in enumerate(stages) if stage.request is not None)
    return {at for at, need in needs if at in kept and need in here and here[need] not in kept}


def without(requests: Iterable[Request], left_out: set[RequestId]) -> tuple[Request, ...]:
    """Return the requests that stay when these step aside, and with them all that depend on them."""
    gone, kept = set(left_out), []
    for request in requests:
        if request.id in gone or request.ask.depends_on in gone:
            gone.add(request.id)
        else:
            kept.append(request)
    return tuple(kept)


def bundles(stages: Sequence[Stage], by_job: Mapping[JobName, Track]) -> list[int]:
    """Return for each stage the number of its bundle: requests that share a job, or depend on each other."""
    parent = list(range(len(stages)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    here = {stage.request.id: at for at, stage in enumerate(stages) if stage.request is not None}
    needs = ((at, stage.request.ask.depends_on) for at, stage in enumerate(stages) if stage.request is not None)
    shared = ((track[1].at, turn.at) for track in by_job.values() for turn in track[2:])
    for one, other in (*((here[need], at) for at, need in needs if need in here), *shared):
        parent[root(one)] = root(other)
    return [root(at) for at in range(len(stages))]


def first_of_each(bundle: Sequence[int], most: int) -> list[int]:
    """Return the stages that are among the first `most` of their bundle; `release` always is."""
    count: dict[int, int] = {}
    found = [0]
    for at, number in enumerate(bundle):
        if at and count.setdefault(number, 0) < most:
            count[number] += 1
            found.append(at)
    return found
