"""What the next heartbeat would do, in words. Moves no ref, touches no site; trial merges leave objects behind."""

from collections.abc import Iterable, Iterator

from gatekeeper.gate import Gate
from gatekeeper.librarian.cargo import next_version
from gatekeeper.librarian.observe import observe
from gatekeeper.librarian.recollection import Recollection
from gatekeeper.model import Reason, Request, State
from gatekeeper.policy.step import Snapshot, Standing


def foresee(gate: Gate) -> tuple[str, ...]:
    """Return a line a step, in the order in which they would be taken, as far as that can be told now."""
    return tuple(_lines(gate, observe(gate, Recollection(), imagine=True)))


def _lines(gate: Gate, seen: Snapshot) -> Iterator[str]:
    if seen.shipping is not None:
        yield "recover: a ship was interrupted; all else comes after that"
        return
    yield from _tidying(seen)
    for decision in seen.decisions:
        yield f"carry out: {decision.verb} {decision.id or ''} by {decision.actor.name}"
    if seen.thaws:
        yield "thaw: the freeze has come to its end"
    if seen.changed_sites:
        yield f"reconfigure: {', '.join(seen.changed_sites)}"
    if seen.ailing_sites:
        yield f"bring back: {', '.join(seen.ailing_sites)}"
    for standing in seen.standings:
        if standing.state is not State.QUEUED or standing.reason is not None:
            yield _stands(standing)
    yield from _train(gate, seen)


def _tidying(seen: Snapshot) -> Iterator[str]:
    if seen.tampering:
        yield f"stop (GATE-502): {' '.join(seen.tampering)}"
        return
    for result in seen.leftovers:
        yield f"sweep: {result.id} has shipped; delete its ref"
    for result in seen.vanished:
        yield f"close: {result.id}, {'withdrawn' if result.id in seen.withdrawn else 'its ref has vanished (GATE-502)'}"
    for result in seen.expired:
        yield f"expire: {result.id} has been {result.state} since {result.updated_at}"
    for arrival in seen.arrivals:
        blocked = f"; blocked at once, {arrival.asked.code}" if isinstance(arrival.asked, Reason) else ""
        yield f"file: {arrival.id} by {arrival.agent.name}{blocked}"


def _stands(standing: Standing) -> str:
    reason = f", {standing.reason.code} {standing.reason.text}" if standing.reason else ""
    return f"leave out: {standing.result.id} is {standing.state}{reason}"


def _train(gate: Gate, seen: Snapshot) -> Iterator[str]:
    plan = seen.plan
    ready = () if plan.ready is None else tuple(s.request for s in plan.ready.stages if s.request is not None)
    if not (plan.line or plan.ready or plan.start):
        yield "rest: nothing is waiting to be shipped"
        return
    for request in plan.line:
        yield f"merge: {request.id} ({request.ask.intent})"
    for run in plan.start:
        yield f"verify: {run.job.name} on tree {run.stage.tree[:12]}"
    if plan.guilty is not None:
        yield f"block: {plan.guilty.request.id}, {plan.guilty.job.name} fails with it"
    elif plan.ready is not None and seen.closed is not None:
        yield f"wait: {seen.closed.reason.text}"
    elif plan.ready is not None:
        yield f"ship: {_version(gate, ready)} to all sites; every check is known to pass"
    elif plan.start:
        yield f"then, if all pass, ship: {_version(gate, plan.line)} to all sites"
    for red in plan.red:
        yield f"alert: `release` itself fails {red.job.name}"


def _version(gate: Gate, requests: Iterable[Request]) -> str:
    return next_version(gate, (request.ask.bump for request in requests))
