"""Gives tips their places in the queue: the number of the record that files each."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from gatekeeper.gate import Gate
from gatekeeper.librarian.hands import Hands
from gatekeeper.model import KEEP, NO_OID, RESULTS, Actor, Ask, Reason, Ref, Result, State
from gatekeeper.policy.found import Arrival
from gatekeeper.repo import results
from gatekeeper.repo.git import Change
from gatekeeper.repo.ledger import utc


def file(gate: Gate, arrivals: Sequence[Arrival], hands: Hands, *, approval: str | None = None, **more: Any) -> None:
    """File tips as new attempts, in this order, or block them at once, all in one transaction.

    A request stays its first agent's, whoever pushed. Moves that were noted before go with it; `more` goes into
    each record, `approval` into each result.
    """
    known = results.known(gate.git, gate.git.refs(*(RESULTS + one.id for one in arrivals)))
    filed = [replace(_attempt(gate, one, known.get(one.id), more), approval=approval) for one in arrivals]
    for result in filed:
        gate.ledger.result(result)
    gate.ledger.commit(f"filed {filed[0].id}" if len(filed) == 1 else f"filed {len(filed)} requests")
    _tell(filed, arrivals, hands)


def keep(gate: Gate, result: Result) -> tuple[Change, ...]:
    """Return the move that keeps the tip of an attempt which did not land from being pruned."""
    ref = Ref(f"{KEEP}{result.id}/{result.attempt}")
    old = gate.git.resolve(ref) or NO_OID
    return (Change(ref, old, result.tip),) if old != result.tip else ()


def _attempt(gate: Gate, arrival: Arrival, known: Result | None, more: dict[str, Any]) -> Result:
    refused = arrival.asked if isinstance(arrival.asked, Reason) else None
    ask = Ask((), "", arrival.tip) if isinstance(arrival.asked, Reason) else arrival.asked
    result = Result(
        id=arrival.id,
        tip=arrival.tip,
        attempt=known.attempt + 1 if known else 1,
        state=State.BLOCKED if refused else State.QUEUED,
        agent=Actor(known.agent.name, arrival.agent.assurance, known.agent.role) if known else arrival.agent,
        ask=ask,
        sequence=gate.ledger.next_sequence(),
        filed_at=utc(gate.clock()),
        updated_at="",
        reason=refused,
    )
    if known and not known.state.final and known.tip != arrival.tip:
        gate.ledger.move(*keep(gate, known))
    _record(gate, arrival, result, {"before": known.tip if known else None, **more})
    return result


def _record(gate: Gate, arrival: Arrival, result: Result, more: dict[str, Any]) -> None:
    ask = result.ask
    told = {"id": result.id, "tip": result.tip, "attempt": result.attempt, "surfaces": list(ask.surfaces)}
    told |= {"intent": ask.intent, "artifact": ask.artifact, "urgency": ask.urgency, "bump": ask.bump}
    told |= {"depends_on": ask.depends_on, "try": ask.try_only, **more}
    gate.ledger.record("filed", f"{result.id} by {arrival.agent.name}: {ask.intent}", actor=arrival.agent, **told)
    if result.reason:
        code = result.reason.code
        gate.ledger.record("blocked", f"{result.id}: {code}", id=result.id, tip=result.tip, code=code)


def _tell(filed: Iterable[Result], arrivals: Iterable[Arrival], hands: Hands) -> None:
    for result, arrival in zip(filed, arrivals, strict=True):
        ask, who = result.ask, arrival.agent.name
        hands.tell(f"filed: {result.id} by {who} ({', '.join(ask.surfaces)}): {ask.intent}")
        if result.reason:
            hands.tell(f"blocked: {result.id}: {result.reason.code} {result.reason.text}")
