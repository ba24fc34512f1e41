"""The gate's one decision: a snapshot in, the next step out. Pure; the same snapshot gives the same step.

Order of importance: an unfinished ship, a rollback, freeze or abort, what is left of a finished ship, what hooks
reported, what arrived, what people decided, sites that do not run what they should; then the queue.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from msgspec import Struct, field

from gatekeeper.model import (
    Decision,
    Oid,
    Reason,
    Release,
    Request,
    RequestId,
    Result,
    Stage,
    State,
    Verdict,
)
from gatekeeper.policy.found import Arrival, Closed
from gatekeeper.policy.repair import push_again
from gatekeeper.policy.scene import Guilty, Plan, Ready, Red, Run
from gatekeeper.policy.why import Why, said_no


class Standing(Struct, frozen=True):
    """Where an open request should stand now, whatever its result says: in the train (QUEUED), or out of it."""

    result: Result
    state: State
    reason: Reason | None = None
    rests_on: Mapping[str, str] = field(default_factory=dict)


class Snapshot(Struct, frozen=True):
    """All that a step is decided on, read at one moment."""

    release: Release
    shipping: Oid | None = None
    tampering: tuple[str, ...] = ()
    leftovers: tuple[Result, ...] = ()
    reports: tuple[str, ...] = ()
    vanished: tuple[Result, ...] = ()
    withdrawn: frozenset[RequestId] = frozenset()
    expired: tuple[Result, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    decisions: tuple[Decision, ...] = ()
    changed_sites: tuple[str, ...] = ()
    ailing_sites: tuple[str, ...] = ()
    standings: tuple[Standing, ...] = ()
    plan: Plan = field(default_factory=Plan)
    closed: Closed | None = None
    thaws: Oid | None = None
    """The freeze that has come to the end it was given."""
    interrupted: frozenset[Oid] = frozenset()
    """Trees of which two ships were interrupted."""
    bad_trees: frozenset[Oid] = frozenset()


class Recover(Struct, frozen=True):
    """Finish or undo the ship that was under way when the last Librarian ended."""


class Sweep(Struct, frozen=True):
    """Delete a request ref whose tip its result calls done."""

    result: Result


class Seal(Struct, frozen=True):
    """Move what the hooks reported from the spool into the log."""

    reports: tuple[str, ...]


class Close(Struct, frozen=True):
    """End a request whose ref is gone: withdrawn when that was wished for, tampered with otherwise."""

    result: Result
    wished: bool


class Expire(Struct, frozen=True):
    """End requests that were blocked or held for longer than the operator lets them."""

    results: tuple[Result, ...]


class File(Struct, frozen=True):
    """Take tips into the queue, in this order, or block them at once."""

    arrivals: tuple[Arrival, ...]


class CarryOut(Struct, frozen=True):
    """Do what a person decided."""

    decision: Decision


class Thaw(Struct, frozen=True):
    """End a freeze whose time is over."""

    commit: Oid


class Converge(Struct, frozen=True):
    """Bring sites that do not run what `release` says back to it."""

    sites: tuple[str, ...]


class Reconfigure(Struct, frozen=True):
    """Ship the present tree again, because sites.toml changed how these sites run."""

    sites: tuple[str, ...]


class Mark(Struct, frozen=True):
    """Give a request another state."""

    result: Result
    state: State
    reason: Reason | Why | None = None
    rests_on: Mapping[str, str] = field(default_factory=dict)
    not_before: str | None = None
    verdict: Verdict | None = None


class Restate(Struct, frozen=True):
    """Write new states down, of as many requests as have one: what is decided next is read anew but once for all."""

    marks: tuple[Mark, ...]


class Verify(Struct, frozen=True):
    """Start jobs, stop those that do not matter any more, and note what has ended; without either, wait for an end."""

    start: tuple[Run, ...] = ()
    cancel: frozenset[str] = frozenset()
    line: tuple[Result, ...] = ()
    """Who is being verified."""


class Ship(Struct, frozen=True):
    """Bring the train to all sites, as one version; without requests it is the first start of `release`."""

    train: tuple[Stage, ...]
    verdicts: tuple[Verdict, ...]
    red: tuple[Verdict, ...]

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests that go live, in the order of their merges."""
        return tuple(stage.request for stage in self.train if stage.request is not None)


class Tried(Struct, frozen=True):
    """A `--try` request is verified: say so and let it go."""

    result: Result


class Rest(Struct, frozen=True):
    """Nothing is left to do; `alarm` when that is because something is wrong."""

    why: str
    alarm: Reason | Why | None = None


Queue = Restate | Verify | Ship | Tried | Rest
Step = Recover | Sweep | Seal | Close | Expire | File | CarryOut | Thaw | Converge | Reconfigure | Queue


def next_step(seen: Snapshot) -> Step:  # noqa: C901, PLR0911 - one line a rule, in the order of the module's head
    """Return the one thing to do now."""
    if seen.shipping is not None:
        return Recover()
    if seen.tampering:
        return _stop(seen)
    urgent = [decision for decision in seen.decisions if decision.verb in _FIRST]
    if urgent:
        return CarryOut(min(urgent, key=_urgency))
    if seen.leftovers:
        return Sweep(seen.leftovers[0])
    if seen.reports:
        return Seal(seen.reports)
    if seen.vanished:
        return Close(seen.vanished[0], wished=seen.vanished[0].id in seen.withdrawn)
    if seen.arrivals:
        return File(seen.arrivals)
    if prompt := [decision for decision in seen.decisions if decision.verb not in _AFTER_SITES]:
        return CarryOut(min(prompt, key=_urgency))
    if seen.thaws is not None:
        return Thaw(seen.thaws)
    if seen.expired:
        return Expire(seen.expired[:_AT_ONCE])
    if _may_change(seen) or seen.decisions:
        return _follow(seen)
    if seen.ailing_sites:
        return Converge(seen.ailing_sites)
    moved = [Mark(each.result, each.state, each.reason, each.rests_on) for each in seen.standings if _moved(each)]
    return _restate(moved) or _advance(seen)


def _restate(marks: Iterable[Mark]) -> Restate | None:
    """Return a step for some of them, if there are any: an urgent wish does not wait for all of a long queue."""
    some = tuple(islice(marks, _AT_ONCE))
    return Restate(some) if some else None


def _stop(seen: Snapshot) -> Step:
    """Nothing is shipped, filed or ended on ground that somebody else has moved, until a person has looked."""
    wish = next((decision for decision in seen.decisions if decision.verb == "repair"), None)
    if wish is not None:
        return CarryOut(wish)
    problem = " ".join(seen.tampering[:_SHOWN]).removesuffix(".")
    why = Why("GATE-502", {"what": "the repository", "problem": problem}, (("gatekeeper", "repair", "-m", "…"),))
    return Rest("somebody else has written here", why)


def _may_change(seen: Snapshot) -> bool:
    """After an `abort` the sites go on as they are, until it is thawed."""
    return bool(seen.changed_sites) and not (seen.closed is not None and seen.closed.stopped)


def _follow(seen: Snapshot) -> Step:
    """Ship how sites.toml wants the sites run; who asked about that hears once it is shipped, or is not to be."""
    step = _reconfigure(seen) if _may_change(seen) else None
    if seen.decisions and (step is None or isinstance(step, Rest)):
        return CarryOut(min(seen.decisions, key=_urgency))
    assert step is not None  # noqa: S101 - without a change there is a decision
    return step


def _reconfigure(seen: Snapshot) -> Step:
    """Verify `release` as sites.toml now wants it run, before any site is told so."""
    if not seen.plan.settled:
        going = seen.plan.start or seen.plan.cancel or seen.plan.running
        return _verify(seen) if going else Rest("what sites.toml wants run cannot be verified for now")
    red = [red for red in seen.plan.red if red.job.name.site in seen.changed_sites]
    if red:
        return Rest("sites.toml waits to be repaired", said_no(red[0].job, red[0].verdict, release=True, settings=True))
    return Reconfigure(seen.changed_sites)


_SHOWN = 5
_AT_ONCE = 500
"""Requests that one transaction moves."""
_FIRST = ("rollback", "freeze", "abort")
_AFTER_SITES = ("apply", "reload")


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


def _advance(seen: Snapshot) -> Step:  # noqa: PLR0911 - one line a rule
    """Blame first, as it costs nothing; start what can start before a ship, which takes a while."""
    plan = seen.plan
    if seen.closed is not None and seen.closed.stopped:
        return _halt(seen, seen.closed)
    if plan.guilty is not None:
        return _block(plan.guilty, seen)
    if plan.tried is not None:
        return Tried(_results(seen, (plan.tried,))[0])
    if plan.start or plan.cancel:
        return _verify(seen)
    going = plan.ready and _go(seen, plan.ready)
    if going:
        return going
    if plan.running:
        return Verify()
    if plan.ready is not None and seen.closed is not None:
        return _halt(seen, seen.closed)
    if plan.red and seen.release.version is None:
        return Rest("release is red", _alarm(plan.red))
    return Rest("nothing is waiting to be shipped", _alarm(plan.red))


def _alarm(red: tuple[Red, ...]) -> Why | None:
    """A check that is red on `release` itself is somebody's to repair, though it holds up only who touches it."""
    return said_no(red[0].job, red[0].verdict, release=True) if red else None


def _verify(seen: Snapshot) -> Verify:
    return Verify(seen.plan.start, seen.plan.cancel, _results(seen, seen.plan.line))


def _halt(seen: Snapshot, closed: Closed) -> Step:
    """Whatever waits in the queue says what it waits for, when nothing more can be learned of it."""
    waiting = (each.result for each in seen.standings if each.state is State.QUEUED and each.reason is None)
    states = ((said, State.VERIFIED if said.state is State.VERIFIED else State.QUEUED) for said in waiting)
    return _restate(_closed_to(states, closed)) or Rest(closed.reason.text)


def _closed_to(states: Iterable[tuple[Result, State]], closed: Closed) -> Iterator[Mark]:
    """Yield a mark for each that does not say yet, in the state it is to have, until when the gate is closed."""
    for said, state in states:
        if (said.state, said.reason, said.not_before) != (state, closed.reason, closed.until):
            yield Mark(said, state, closed.reason, not_before=closed.until)


def _go(seen: Snapshot, ready: Ready) -> Step | None:
    tree, requests = ready.stages[-1].tree, _requests(ready.stages)
    if tree in seen.bad_trees:
        return _hold_bad(seen, ready)
    if requests and tree in seen.interrupted:
        return _hold_interrupted(_results(seen, requests)[-1], tree)
    if seen.closed is None or (requests and all(request.id in seen.closed.lets for request in requests)):
        return Ship(ready.stages, ready.verdicts, ready.red)
    return _restate(_closed_to(((result, State.VERIFIED) for result in _results(seen, requests)), seen.closed))


def _hold_bad(seen: Snapshot, ready: Ready) -> Step:
    """Block the last request of a tree that failed when it was live: it is not shipped again unchanged."""
    results, tree = _results(seen, _requests(ready.stages)), ready.stages[-1].tree
    why = Why("GATE-404", {"tree": tree[:12]}, (push_again(results[-1].id),) if results else ())
    if not results:
        return Rest("`release` failed when it was live", why)
    return Restate((Mark(results[-1], State.BLOCKED, why, {"bad": tree}),))


def _hold_interrupted(result: Result, tree: Oid) -> Step:
    """Two ships of one tree that did not come to an end may be its doing: a person says whether it goes again."""
    why = Why("GATE-406", {"tree": tree[:12]})
    return Restate((Mark(result, State.HELD, why, {"interrupted": tree}),))


def _block(guilty: Guilty, seen: Snapshot) -> Step:
    result = _results(seen, (guilty.request,))[0]
    push = push_again(result.id)
    why = said_no(guilty.job, guilty.verdict, behind=guilty.behind, next_=(push,))
    rests_on = {f"definition {guilty.job.name}": guilty.job.definition, "verdict": guilty.job.key}
    rests_on |= {f"request {r.id}": r.tip for r in guilty.behind}
    return Restate((Mark(result, State.BLOCKED, why, rests_on, verdict=guilty.verdict),))


def _requests(train: tuple[Stage, ...]) -> tuple[Request, ...]:
    return tuple(stage.request for stage in train if stage.request is not None)


def _results(seen: Snapshot, requests: tuple[Request, ...]) -> tuple[Result, ...]:
    known = {standing.result.id: standing.result for standing in seen.standings}
    return tuple(known[request.id] for request in requests)
