"""What the next heartbeat would do, in words. Moves no ref, touches no site; trial merges leave objects behind."""

from collections.abc import Iterator

from gatekeeper.gate import Gate
from gatekeeper.librarian.cargo import next_version
from gatekeeper.librarian.observe import Recollection, observe
from gatekeeper.model import Reason, State
from gatekeeper.policy import verification
from gatekeeper.policy.step import Snapshot, Standing
from gatekeeper.policy.verification import Guilty, Ready, ReleaseRed, Run


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
    requests = [stage.request for stage in seen.train if stage.request is not None]
    live = seen.release.version is not None
    if not requests and live:
        yield "rest: nothing is waiting to be shipped"
        return
    for request in requests:
        yield f"merge: {request.id} ({request.ask.intent})"
    answer = verification.examine(seen.train, seen.verdicts, live=live)
    match answer:
        case Run(stage, jobs):
            yield f"verify: {', '.join(str(job.name) for job in jobs)} on tree {stage.tree[:12]}"
            yield f"then, if all pass, ship: {_version(gate, seen)} to all sites"
        case Guilty(request, job):
            yield f"block: {request.id}, {job.name} fails with it"
        case ReleaseRed(job):
            yield f"stop: `release` itself fails {job.name}"
        case Ready() if seen.closed is not None:
            yield f"wait: {seen.closed.reason.text}"
        case Ready():
            yield f"ship: {_version(gate, seen)} to all sites; every check is known to pass"


def _version(gate: Gate, seen: Snapshot) -> str:
    return next_version(gate, (stage.request.ask.bump for stage in seen.train if stage.request is not None))
