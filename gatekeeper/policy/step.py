"""The gate's one decision: a snapshot in, the next step out. Pure; the same snapshot gives the same step.

Order of importance: an unfinished ship, what is left of a finished one, what hooks and people reported, what
arrived, what people decided, sites that do not run what they should; then the queue.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gatekeeper.model import (
    Actor,
    Ask,
    Decision,
    Oid,
    Outcome,
    Reason,
    Release,
    Request,
    RequestId,
    Result,
    Stage,
    State,
    Verdict,
)
from gatekeeper.policy import verification
from gatekeeper.policy.verification import Guilty, Ready, ReleaseRed, Run


@dataclass(frozen=True, slots=True)
class Arrival:
    """A tip that no result knows yet: who pushed it, and what it asks for, or why it cannot."""

    id: RequestId
    tip: Oid
    agent: Actor
    asked: Ask | Reason


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an open request should stand now, whatever its result says: in the train (QUEUED), or out of it."""

    result: Result
    state: State
    reason: Reason | None = None
    rests_on: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing may ship at the moment: the gate is frozen or outside its ship windows; `until` when that is known."""

    text: str
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a step is decided on, read at one moment."""

    release: Release
    shipping: Oid | None = None
    leftovers: tuple[Result, ...] = ()
    reports: tuple[str, ...] = ()
    vanished: tuple[Result, ...] = ()
    withdrawn: frozenset[RequestId] = frozenset()
    arrivals: tuple[Arrival, ...] = ()
    decisions: tuple[Decision, ...] = ()
    changed_sites: tuple[str, ...] = ()
    ailing_sites: tuple[str, ...] = ()
    standings: tuple[Standing, ...] = ()
    train: tuple[Stage, ...] = ()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    closed: Closed | None = None
    bad_trees: frozenset[Oid] = frozenset()
    definitions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recover:
    """Finish or undo the ship that was under way when the last Librarian ended."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Delete a request ref whose tip its result calls done."""

    result: Result


@dataclass(frozen=True, slots=True)
class Seal:
    """Move what the hooks reported from the spool into the log."""

    reports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Close:
    """End a request whose ref is gone: withdrawn when that was wished for, tampered with otherwise."""

    result: Result
    wished: bool


@dataclass(frozen=True, slots=True)
class File:
    """Take a tip into the queue, or block it at once."""

    arrival: Arrival


@dataclass(frozen=True, slots=True)
class CarryOut:
    """Do what a person decided."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Converge:
    """Bring sites that do not run what `release` says back to it."""

    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """Ship the present tree again, because sites.toml changed how these sites run."""

    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """Give a request another state."""

    result: Result
    state: State
    reason: Reason | None = None
    rests_on: Mapping[str, str] = field(default_factory=dict)
    not_before: str | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Verify:
    """Run jobs on one stage of the train."""

    stage: Stage
    jobs: Run
    train: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Ship:
    """Bring the train to all sites, as one version; without requests it is the first start of `release`."""

    train: tuple[Stage, ...]
    verdicts: tuple[Verdict, ...]
    red: tuple[Verdict, ...]

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests that go live, in the order of their merges."""
        return tuple(stage.request for stage in self.train if stage.request is not None)


@dataclass(frozen=True, slots=True)
class Tried:
    """A `--try` request is verified: say so and let it go."""

    result: Result


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is left to do; `alarm` when that is because something is wrong."""

    why: str
    alarm: Reason | None = None


Step = Recover | Sweep | Seal | Close | File | CarryOut | Converge | Reconfigure | Mark | Verify | Ship | Tried | Rest


def next_step(seen: Snapshot) -> Step:  # noqa: PLR0911 - one line a rule, in the order of the module's head
    """Return the one thing to do now."""
    if seen.shipping is not None:
        return Recover()
    if seen.leftovers:
        return Sweep(seen.leftovers[0])
    if seen.reports:
        return Seal(seen.reports)
    if seen.vanished:
        return Close(seen.vanished[0], wished=seen.vanished[0].id in seen.withdrawn)
    if seen.arrivals:
        return File(seen.arrivals[0])
    if seen.decisions:
        return CarryOut(min(seen.decisions, key=_urgency))
    if seen.changed_sites:
        return _reconfigure(seen)
    if seen.ailing_sites:
        return Converge(seen.ailing_sites)
    moved = next((standing for standing in seen.standings if _moved(standing)), None)
    if moved is not None:
        return Mark(moved.result, moved.state, moved.reason, moved.rests_on)
    return _advance(seen)


def _reconfigure(seen: Snapshot) -> Step:
    """Verify `release` as sites.toml now wants it run, before any site is told so."""
    answer = verification.examine(seen.train[:1], seen.verdicts, live=True)
    if isinstance(answer, Run):
        return Verify(answer.stage, answer, ())
    red = (
        [verdict for verdict in answer.red if _is_of(verdict, seen.changed_sites)] if isinstance(answer, Ready) else []
    )
    if red:
        text = f"sites.toml was not applied: {red[0].job} fails on `release` with it. {red[0].excerpt}".strip()
        return Rest("sites.toml waits to be repaired", Reason("GATE-402", text))
    return Reconfigure(seen.changed_sites)


def _is_of(verdict: Verdict, sites: tuple[str, ...]) -> bool:
    return any(verdict.job.endswith(f" of {site}") for site in sites)


_FIRST = ("rollback", "freeze", "abort")


def _urgency(decision: Decision) -> tuple[bool, str]:
    return (decision.verb not in _FIRST, decision.key)


def _moved(standing: Standing) -> bool:
    """Return whether a request stands elsewhere than its result says.

    Queued, verifying and verified are one place in the queue; what is done there moves a result on, not this.
    """
    said = standing.result
    in_queue = (State.QUEUED, State.VERIFYING, State.VERIFIED, State.SHIPPING)
    if standing.state is State.QUEUED and standing.reason is None:
        return said.state not in in_queue or (said.reason is not None and said.reason.code == "GATE-409")
    return (
        said.state is not standing.state or said.reason != standing.reason or said.rests_on != dict(standing.rests_on)
    )


def _advance(seen: Snapshot) -> Step:
    if len(seen.train) == 1 and seen.release.version is not None:
        return Rest("nothing is waiting to be shipped")
    answer = verification.examine(seen.train, seen.verdicts, live=seen.release.version is not None)
    match answer:
        case Run(stage, _):
            return _mark_verifying(seen) or Verify(stage, answer, _requests(seen.train))
        case Guilty():
            return _block(answer, seen)
        case ReleaseRed(job, verdict):
            text = f"`release` itself fails {job.name}, so the sites were not started. {verdict.excerpt}".strip()
            return Rest("release is red", Reason("GATE-402", text))
        case Ready():
            return _go(seen, answer)


def _mark_verifying(seen: Snapshot) -> Step | None:
    """Have each request say that it is being verified before the first of its jobs runs."""
    for result in _results(seen):
        if result.state is State.QUEUED:
            return Mark(result, State.VERIFYING)
    return None


def _go(seen: Snapshot, ready: Ready) -> Step:
    results = _results(seen)
    tried = next((result for result in results if result.ask.try_only), None)
    if tried is not None:
        return Tried(tried)
    if ready.stage.tree in seen.bad_trees:
        return _hold_bad(seen, ready)
    if seen.closed is not None:
        return _wait_closed(seen, seen.closed)
    return Ship(seen.train, ready.verdicts, ready.red)


def _wait_closed(seen: Snapshot, closed: Closed) -> Step:
    for result in _results(seen):
        reason = Reason("GATE-408", closed.text)
        if (result.state, result.reason, result.not_before) != (State.VERIFIED, reason, closed.until):
            return Mark(result, State.VERIFIED, reason, not_before=closed.until)
    return Rest(closed.text)


def _hold_bad(seen: Snapshot, ready: Ready) -> Step:
    """Block the last request of a tree that failed when it was live: it is not shipped again unchanged."""
    results = _results(seen)
    if not results:
        return Rest("release failed when it was live", Reason("GATE-404", "The first start of `release` failed."))
    last = results[-1]
    text = f"Tree {ready.stage.tree[:12]} failed when it was live, so it is not shipped again unchanged."
    reason = Reason("GATE-404", text, (("gatekeeper", "retry", last.id),))
    return Mark(last, State.BLOCKED, reason, {"bad": ready.stage.tree})


def _block(guilty: Guilty, seen: Snapshot) -> Step:
    result = next(result for result in _results(seen) if result.id == guilty.request.id)
    code = "GATE-403" if guilty.verdict.outcome is Outcome.TIMED_OUT else "GATE-402"
    what = "ran out of time" if code == "GATE-403" else "failed"
    with_others = f", behind {', '.join(r.id for r in guilty.behind)}" if guilty.behind else ""
    text = f"Check {guilty.job.name} {what} on `release` with this request{with_others}."
    push = ("git", "push", "--force", "origin", f"HEAD:request/{result.id}")
    rests_on = {f"definition {guilty.job.name}": guilty.job.definition, "verdict": guilty.job.key}
    rests_on |= {f"request {r.id}": r.tip for r in guilty.behind}
    return Mark(result, State.BLOCKED, Reason(code, text, (push,)), rests_on, verdict=guilty.verdict)


def _requests(train: tuple[Stage, ...]) -> tuple[Request, ...]:
    return tuple(stage.request for stage in train if stage.request is not None)


def _results(seen: Snapshot) -> tuple[Result, ...]:
    """Return the results of the train's requests, in the train's order."""
    known = {standing.result.id: standing.result for standing in seen.standings}
    return tuple(known[request.id] for request in _requests(seen.train))
