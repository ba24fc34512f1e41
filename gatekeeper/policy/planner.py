"""What to run, stop, block and ship next. Pure: the queue, its merges and the known verdicts in, one plan out.

The rules, in order:

1. Requests are merged in the queue's order into one line. Those that share a job, or depend on each other, are a
   bundle; of each bundle the first `max_train` are looked at, so that a long bundle holds no other one up.
2. For each job the line falls into turns, the stages in which its key changes. The newest turn is run first: when it
   passes, it speaks for all ahead of it, and what runs for them is stopped.
3. When a turn fails behind one that passes, the requests between them are in question. The turn in the middle is run
   next; what lies behind that steps aside, and the rest of the line goes on without it. So a failure delays nobody
   who does not share its job, and with slots to spare nobody else.
4. When one request alone is left in question it is a suspect. It is blocked when its failure came a second time, the
   state just before is known, and those that it may only fail together with have landed. A longer state that failed
   counts when all others in it have landed: only the suspect was left to fail it. Else the same state is run again,
   and more than once where checks are known to be flaky; that has time: the others go first, unless it has waited long.
   While nothing may land, a suspect behind others is run on `release` alone: what fails there needs nobody's landing.
5. Slots that are left verify turns ahead of time, the likeliest to be needed first, down to one chance in five.
6. The most requests whose jobs are all known to pass, without the others, ship at once, up to `max_train`: every key
   of the very tree that ships has passed, or fails on `release` too and is touched by none of them.
   It waits for others only while their checks are known to take a few seconds.
7. A time-out says nothing about the content: it is run again, then the first request that touches the job goes alone.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from gatekeeper.model import Job, JobName, Outcome, Request, RequestId, Stage, Verdict
from gatekeeper.policy import blame
from gatekeeper.policy.line import Span, Turn, bundles, first_of_each, green, span, tracks, without
from gatekeeper.policy.scene import Guilty, Plan, Ready, Red, Run, Scene, Suspect

_WORTH = 0.2
"""The chance of being needed below which a run ahead of time is not worth its slot."""
_LINGER = 10.0
"""Seconds: a train waits for companions whose checks take no longer than this, as a ship is not free either."""
_STACKED = 8
"""How many batches may stand on each other; beyond that one of them fails almost for sure."""
_PATIENCE = 12.0
"""How long a suspect waits for its second run, in durations of the first, while others are verified."""


def plan(scene: Scene) -> Plan:
    """Return what to do now. Nothing of it needs to be done: the next scene is planned anew from what is then known."""
    return _Planner(scene).plan()


def batch(odds: float, max_train: int) -> int:
    """Return how many requests to verify as one: as many as pass together in one of two cases."""
    return max(1, min(max_train, round(math.log(0.5) / math.log(1 - min(max(odds, 0.001), 0.9)))))


class _Line(Struct, frozen=True):
    """Merged requests, the bundle of each stage, and those that may ship without the others."""

    stages: tuple[Stage, ...]
    bundle: list[int]
    fit: tuple[Request, ...]

    def fits(self, at: int) -> bool:
        """Return whether the request of a stage may ship."""
        return self.stages[at].request in self.fit


class _Planner(Struct):
    scene: Scene
    wants: dict[str, tuple[float, Run]] = field(default_factory=dict)
    useful: set[str] = field(default_factory=set)
    suspects: list[Suspect] = field(default_factory=list)
    questioned: set[JobName] = field(default_factory=set)
    guilty: Guilty | None = None
    lingers: bool = False
    unsettled: bool = False

    def plan(self) -> Plan:
        scene = self.scene
        base = scene.make(())
        red = self._release(base[0])
        starting = not scene.live and bool(base[0].builds or base[0].checks) and not red
        queue = () if starting else self._without_suspects()
        lines = self._lines(tuple(r for r in queue if not r.ask.try_only))
        tried = self._tries(queue)
        ready = self._ship(lines) if queue or scene.live else self._ready(base, ())
        self._spare(ready)
        kept = frozenset(scene.running) & self.useful
        start = self._start(scene.slots - len(kept))
        members = tuple(dict.fromkeys(r for line in lines for s in line.stages if (r := s.request) is not None))
        return Plan(
            start=start,
            cancel=frozenset(scene.running) - kept,
            guilty=self.guilty,
            ready=ready,
            tried=tried,
            red=red,
            suspects=tuple(self.suspects),
            line=members,
            settled=not self.unsettled,
            running=bool(kept),
        )

    def _release(self, base: Stage) -> tuple[Red, ...]:
        """Have every job of `release` answer; return what is red there for sure."""
        red = []
        for job in (*base.builds, *base.checks):
            said = self.scene.verdicts.get(job.key)
            if not self._settled(said) or job.key in self.scene.doubted:
                self.unsettled |= any(True for _ in self._runs(Turn(0, base, job)))
                self._want(2.0, Turn(0, base, job), again=True)
            elif said is not None and said.outcome is not Outcome.PASSED:
                red.append(Red(job, said))
        return tuple(red)

    def _without_suspects(self) -> tuple[Request, ...]:
        present = {request.id: request.tip for request in self.scene.queue}
        for suspect in self.scene.suspects:
            if present.get(suspect.request.id) == suspect.request.tip:
                self._examine(suspect)
        return without(self.scene.queue, {suspect.request.id for suspect in self.suspects})

    def _bounded(self, requests: tuple[Request, ...]) -> tuple[Request, ...]:
        """Take as many of each bundle as the slots can verify, a train's length each, and one train that passed."""
        stages = self.scene.make(requests)
        at = first_of_each(
            bundles(stages, tracks(stages)), self.scene.max_train * (1 + min(self.scene.slots, _STACKED))
        )
        return tuple(request for n in at if (request := stages[n].request) is not None)

    def _lines(self, requests: tuple[Request, ...]) -> list[_Line]:
        rest, lines = self._bounded(requests), list[_Line]()
        while rest:
            stages = self.scene.make(rest)
            by_job = tracks(stages)
            bundle = bundles(stages, by_job)
            reach = first_of_each(bundle, self.scene.max_train)
            lines.append(_Line(stages, bundle, green(stages, by_job, self.scene.verdicts, reach)))
            inside = frozenset(reach)
            spans = {name: span(t, self.scene.verdicts, inside) for name, t in by_job.items() if len(t) > 1}
            aside: set[RequestId] = set()
            for name, part in spans.items():
                self._keep(part.pending)
                if part.red is not None:
                    aside |= self._question(name, part)
            if not aside:
                self._advance(lines[-1], spans)
                break
            rest = without(rest, aside)
        return lines

    def _advance(self, line: _Line, spans: Mapping[JobName, Span]) -> None:
        """Nothing is known to fail: of each bundle, verify one batch after the other, every job at the same cut."""
        size = batch(self.scene.odds, self.scene.max_train)
        for number in dict.fromkeys(line.bundle):
            left = [at for at, own in enumerate(line.bundle) if at and own == number and not line.fits(at)]
            touched = {name: part for name, part in spans.items() if part.track[-1].at in left}
            weight = 0.5 if touched.keys() & self.questioned else 1.0
            first = 0
            while left and weight >= _WORTH:
                cut = max(left[:size], key=lambda at: (self._invested(touched.values(), first, at), at))
                failing = _fails(self.scene.odds, left.index(cut) + 1)
                for part in touched.values():
                    self._verify(part, first, cut, weight, weight * failing)
                weight *= 1 - failing
                first, left = cut, left[left.index(cut) + 1 :]

    def _invested(self, parts: Iterable[Span], first: int, cut: int) -> int:
        """Return how many jobs have answered for this very cut, or are about to."""
        turns = (part.turn_at(cut) for part in parts)
        return sum(
            turn.at > first
            and turn.job is not None
            and (turn.job.key in self.scene.running or bool(turn.passes(self.scene.verdicts)))
            for turn in turns
        )

    def _verify(self, part: Span, first: int, cut: int, weight: float, ahead: float) -> None:
        """Want a job at a cut; with slots to spare, also the turns that a failure there would ask for."""
        turn = part.turn_at(cut)
        if turn.passes(self.scene.verdicts) is not None:
            return
        self._want(weight, turn)
        self.lingers |= self._soon(part.track[0], turn)
        low, high = part.track.index(part.turn_at(first)), part.track.index(turn)
        self._between(part.track, max(low, part.base) if part.base < high else low, high, ahead)

    def _soon(self, before: Turn, turn: Turn) -> bool:
        """Return whether a turn that nothing is known of will be in a moment, as far as the job's last run tells."""
        last = before.verdict(self.scene.verdicts)
        if turn.job is None or last is None or turn.job.key in self.scene.barred:
            return False
        since = self.scene.running.get(turn.job.key, self.scene.now)
        return last.seconds <= _LINGER and self.scene.now - since <= _LINGER

    def _between(self, track: Sequence[Turn], passing: int, failing: int, weight: float) -> None:
        """Want the turns that a bisection would ask for if the last failed, while they are likely enough."""
        if failing - passing < 2 or weight < _WORTH:
            return
        middle = (passing + failing) // 2
        self._want(weight * 0.999, track[middle])
        self._between(track, passing, middle, weight / 2)
        self._between(track, middle, failing, weight / 2)

    def _question(self, name: JobName, part: Span) -> set[RequestId]:
        """Ask for what tells who is guilty; return who steps aside meanwhile."""
        assert part.red is not None  # noqa: S101 - the caller looked
        self.questioned.add(name)
        failing = part.track[part.red]
        said = failing.verdict(self.scene.verdicts)
        late = said is not None and said.outcome is Outcome.TIMED_OUT
        if part.red - part.base == 1:
            self._suspect(part, failing)
            return _ids([failing])
        if late and not self._settled(said):
            self._want(1.0, failing, again=True)
            return _ids(part.track[part.base + 1 : part.red + 1])
        middle = part.base + 1 if late else (part.base + part.red) // 2
        self._want(1.0, part.track[middle])
        if not late:
            self._between(part.track, part.base, middle, 0.5)
            self._between(part.track, middle, part.red, 0.5)
        return _ids(part.track[middle + 1 : part.red + 1])

    def _suspect(self, part: Span, failing: Turn) -> None:
        request, before = failing.stage.request, part.track[part.base]
        if request is None or failing.job is None or request.id in {s.request.id for s in self.suspects}:
            return
        ahead = tuple(r for turn in part.track[1 : part.base + 1] if (r := turn.stage.request) is not None)
        control = Run(before.stage, before.job) if before.job else None
        found = Suspect(request, Run(failing.stage, failing.job), control, ahead, self.scene.now)
        self._examine(replace(found, among=blame.among(part.track, failing, self.scene.verdicts)))

    def _examine(self, suspect: Suspect) -> None:
        """Blame a suspect, or ask for what is missing to do so.

        It is let go after a flake, and when what it failed behind did not land as it was.
        """
        said = self.scene.verdicts.get(suspect.run.job.key)
        open_ = any(request in self.scene.queue for request in suspect.behind)
        landed = {request.tip for request in suspect.behind} <= self.scene.landed
        if said is None or said.outcome is Outcome.PASSED or not (open_ or landed):
            return
        self.suspects.append(suspect)
        if landed or not self.scene.closed:
            self._judge(suspect, said, landed=landed)
        elif (alone := self._alone(suspect)) is not None:
            self._judge(alone, self.scene.verdicts.get(alone.run.job.key), landed=True)

    def _alone(self, suspect: Suspect) -> Suspect | None:
        """Return a suspect as it is without those that it is behind; None where that says nothing of it.

        So where it needs one of them, where `release` itself is red (they may mend it), and where it passes.
        """
        stages = self.scene.make((suspect.request,))
        before, after = ({job.name: job for job in (*stage.builds, *stage.checks)} for stage in (stages[0], stages[-1]))
        name, needs = suspect.run.job.name, suspect.request.ask.depends_on
        if len(stages) == 1 or name not in after or any(other.id == needs for other in suspect.behind):
            return None
        if name in before and self._outcome(before[name]) not in (None, Outcome.PASSED):
            return None
        if self._outcome(after[name]) is Outcome.PASSED:
            return None
        control = Run(stages[0], before[name]) if name in before else None
        return Suspect(suspect.request, Run(stages[1], after[name]), control, (), suspect.since)

    def _outcome(self, job: Job) -> Outcome | None:
        said = self.scene.verdicts.get(job.key)
        return said.outcome if said is not None else None

    def _judge(self, suspect: Suspect, said: Verdict | None, *, landed: bool) -> None:
        control = suspect.before
        if control is not None and not self._settled(self.scene.verdicts.get(control.job.key)):
            self._want(0.9, Turn(0, control.stage, control.job), again=True)
        if not self._settled(said, others=blame.elsewhere(suspect, self.scene.landed)):
            self._want(
                1.5 if said is not None and self._waited(suspect, said) else 0.3,
                Turn(0, suspect.run.stage, suspect.run.job),
                again=True,
            )
        elif (
            landed and said is not None and (control is None or self._settled(self.scene.verdicts.get(control.job.key)))
        ):
            self.guilty = self.guilty or Guilty(suspect.request, suspect.run.job, said, suspect.behind)

    def _waited(self, suspect: Suspect, said: Verdict) -> bool:
        return self.scene.now - suspect.since > _PATIENCE * said.seconds

    def _spare(self, ready: Ready | None) -> None:
        """Do not run again what the landing of the others is about to prove."""
        stages = ready.stages if ready is not None and not self.scene.closed else ()
        going = {stage.request.tip for stage in stages if stage.request is not None}
        for suspect in self.suspects:
            said = self.scene.verdicts[suspect.run.job.key]
            others = blame.elsewhere(suspect, going | self.scene.landed)
            if self._settled(said, others=others) and not self._waited(suspect, said):
                self.wants.pop(suspect.run.job.key, None)

    def _ship(self, lines: Sequence[_Line]) -> Ready | None:
        """Return the largest train of which every key is known; the later lines leave more out, and know more."""
        for line in sorted(lines, key=lambda line: -len(line.fit)):
            if line.fit:
                chosen = self._train(line)
                if self.lingers and len(chosen) < self.scene.max_train:
                    return None
                ready = self._ready(self.scene.make(chosen), chosen)
                if ready is not None:
                    return ready
        return None

    def _train(self, line: _Line) -> tuple[Request, ...]:
        """Take whole bundles, in the queue's order, while they fit into one train."""
        parts: dict[int, list[Request]] = {}
        for stage, number in zip(line.stages, line.bundle, strict=True):
            if stage.request in line.fit and stage.request is not None:
                parts.setdefault(number, []).append(stage.request)
        chosen = list[Request]()
        for part in parts.values():
            if len(chosen) + len(part) <= self.scene.max_train:
                chosen += part
        return tuple(request for request in line.fit if request in chosen)

    def _ready(self, stages: tuple[Stage, ...], chosen: tuple[Request, ...]) -> Ready | None:
        """Prove the very tree that is to ship: every key passed, or red on `release` and untouched."""
        first, last = stages[0], stages[-1]
        if len(stages) != len(chosen) + 1:
            return None
        before = {job.key for job in (*first.builds, *first.checks)} if self.scene.live else set[str]()
        passed, red = [], []
        unknown = False
        for job in (*last.builds, *last.checks):
            said = self.scene.verdicts.get(job.key)
            if said is not None and said.outcome is Outcome.PASSED:
                passed.append(said)
            elif job.key in before and self._settled(said) and said is not None:
                red.append(said)
            elif job.key not in before or not self._unbuildable(last, job):
                self._want(2.0, Turn(0, last, job))
                unknown = True
        return None if unknown else Ready(stages, tuple(passed), tuple(red))

    def _unbuildable(self, stage: Stage, job: Job) -> bool:
        return any(
            self._settled(said) and said is not None and said.outcome is not Outcome.PASSED
            for build in stage.builds
            if build.key in job.needs
            for said in (self.scene.verdicts.get(build.key),)
        )

    def _tries(self, queue: tuple[Request, ...]) -> Request | None:
        """A `--try` request is verified alone on `release`; return one that passes."""
        for request in queue:
            if request.ask.try_only:
                stages = self.scene.make((request,))
                spans = {name: span(t, self.scene.verdicts, range(2)) for name, t in tracks(stages).items()}
                for name, part in spans.items():
                    self._keep(part.pending)
                    if part.red is not None:
                        self._question(name, part)
                if self._ready(stages, (request,)) is not None:
                    return request
        return None

    def _settled(self, said: Verdict | None, *, others: int = 0) -> bool:
        return blame.settled(said, blame.times(self.scene.odds, self.scene.flakes), others=others)

    def _keep(self, turns: Iterable[Turn]) -> None:
        for turn in turns:
            self.useful.update(run.job.key for run in self._runs(turn))

    def _want(self, weight: float, turn: Turn, *, again: bool = False) -> None:
        for run in self._runs(turn):
            known = self.scene.verdicts.get(run.job.key)
            if known is not None and not (again and run.job == turn.job):
                continue
            self.useful.add(run.job.key)
            old = self.wants.get(run.job.key)
            if old is None or old[0] < weight:
                self.wants[run.job.key] = (weight, run)

    def _runs(self, turn: Turn) -> Iterator[Run]:
        """The job, or the builds that it waits for; nothing when one of these is red."""
        if turn.job is None:
            return
        waits = [build for build in turn.stage.builds if build.key in turn.job.needs]
        missing = [build for build in waits if build.key not in self.scene.verdicts]
        if missing:
            yield from (Run(turn.stage, build) for build in missing)
        elif all(self.scene.verdicts[build.key].outcome is Outcome.PASSED for build in waits):
            yield Run(turn.stage, turn.job)

    def _start(self, free: int) -> tuple[Run, ...]:
        shut = self.scene.running.keys() | self.scene.barred
        waiting = [(weight, run) for key, (weight, run) in self.wants.items() if key not in shut]
        waiting.sort(key=lambda want: -want[0])
        return tuple(run for _, run in waiting[: max(0, free)])


def _fails(odds: float, count: int) -> float:
    return 1 - (1 - odds) ** count


def _ids(turns: Iterable[Turn]) -> set[RequestId]:
    return {turn.stage.request.id for turn in turns if turn.stage.request is not None}
