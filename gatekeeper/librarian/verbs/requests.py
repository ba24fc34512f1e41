"""`retry`, `approve`, `reject` and `next`: what a person decides about one open request."""

from msgspec.structs import replace

from gatekeeper import messages
from gatekeeper.errors import Exit
from gatekeeper.gate import Gate
from gatekeeper.librarian import fresh
from gatekeeper.librarian.refiling import refile
from gatekeeper.librarian.verbs.hearing import Hearing
from gatekeeper.model import BAD, INTERRUPTED, KEEP, NO_OID, REQUESTS, Reason, Ref, Result, State
from gatekeeper.repo import records, results, verdicts
from gatekeeper.repo.git import Change
from gatekeeper.repo.ledger import utc

_LOOK_BACK = 2000
_RULES = ("GATE-2", "GATE-3")


def retry(hearing: Hearing) -> Reason | None:
    """Put a blocked request into the queue again, without the verdict or the bad tree that its block rests on.

    With `fresh` the verdicts of all its jobs are forgotten, also of those that passed. What a rollback took out is
    filed again.
    """
    result = hearing.standing()
    if result is None:
        _file_again(hearing)
        return None
    if hearing.moved_on(result.tip):
        return None
    refused = _not_to_be_retried(result)
    if refused is not None:
        hearing.decline(refused, Exit.FAILED)
        return None
    gate = hearing.gate
    _forget(hearing, result)
    gate.ledger.result(replace(result, state=State.QUEUED, reason=None, rests_on={}))
    hearing.conclude("retried", f"{result.id} is queued again.", id=result.id, tip=result.tip)
    return None


def approve(hearing: Hearing) -> Reason | None:
    """Lift a hold, for this tip and this held content only; nobody approves what they asked for."""
    result = _open(hearing)
    if result is None:
        return None
    content = result.rests_on.get("held")
    if result.state is not State.HELD or content is None:
        held = "held until `gatekeeper retry`" if result.state is State.HELD else f"{result.state}, not held"
        hearing.decline(f"{result.id} is {held}: there is nothing to approve.", Exit.FAILED)
        return None
    if hearing.by == result.agent.name:
        hearing.decline(f"{hearing.by} filed {result.id} and cannot approve it.", Exit.REFUSED)
        return None
    resolver = _pushed(hearing.gate, result) == hearing.by
    text = f"{result.id} is approved{', by who pushed this tip of it' if resolver else ''}."
    hearing.gate.ledger.result(replace(result, state=State.QUEUED, reason=None, rests_on={}, approval=content))
    hearing.conclude("approved", text, id=result.id, tip=result.tip, content=content, resolver=resolver)
    return None


def reject(hearing: Hearing) -> Reason | None:
    """End a request for good; its tip is kept."""
    result = _open(hearing)
    if result is None:
        return None
    gate = hearing.gate
    reason = Reason("GATE-405", messages.reason("GATE-405", by=hearing.by, message=hearing.decision.message))
    keep = Ref(f"{KEEP}{result.id}/{result.attempt}")
    gate.ledger.result(replace(result, state=State.REJECTED, reason=reason, rests_on={}))
    gate.ledger.move(Change(keep, gate.git.resolve(keep) or NO_OID, result.tip))
    gate.ledger.move(Change(Ref(REQUESTS + result.id), result.tip, NO_OID))
    hearing.conclude("rejected", f"{result.id} is rejected.", id=result.id, tip=result.tip)
    return None


def put_first(hearing: Hearing) -> Reason | None:
    """Put this tip at the head of the queue and past the ship windows, until it ships; the latest goes first."""
    result = _open(hearing)
    if result is None:
        return None
    if result.state is State.BLOCKED:
        hearing.decline(f"{result.id} is blocked: at the head of the queue it would be blocked too.", Exit.BLOCKED)
        return None
    hearing.gate.ledger.result(replace(result, ahead=utc(hearing.gate.clock())))
    waits = ", and waits for its approval there" if result.state is State.HELD else ""
    hearing.conclude("put_first", f"{result.id} is at the head of the queue{waits}.", id=result.id, tip=result.tip)
    return None


def _open(hearing: Hearing) -> Result | None:
    """Return the open request at the tip that was meant, or decline."""
    result = hearing.standing()
    if result is None:
        _none(hearing)
        return None
    return None if hearing.moved_on(result.tip) else result


def _none(hearing: Hearing) -> None:
    """Decline what is about no open request; of one that has ended, say how, and what could be done instead."""
    name = hearing.decision.id
    known = results.find(hearing.gate.git, name) if name else None
    if known is None:
        hearing.decline(f"There is no open request {name}.", Exit.NOT_FOUND)
        return
    state, where = str(known.state).replace("_", " "), f" in {known.version}" if known.version else ""
    instead = f" `gatekeeper revert {name} -m …` takes it out again." if known.state is State.SHIPPED else ""
    hearing.decline(f"{name} is {state}{where}: it is no open request any more.{instead}", Exit.NOT_FOUND)


def _file_again(hearing: Hearing) -> None:
    """Only what a rollback took out can be filed again; all else has no open request to decide on."""
    gate, name = hearing.gate, hearing.decision.id
    known = results.find(gate.git, name) if name else None
    if known is None or known.state is not State.ROLLED_BACK:
        _none(hearing)
        return
    again = refile(gate, known)
    if isinstance(again, str):
        hearing.decline(again, Exit.FAILED)
        return
    result = again.result
    told = {"id": result.id, "tip": result.tip, "attempt": result.attempt}
    hearing.conclude("filed", f"{result.id} again, after its rollback", **told)


def _not_to_be_retried(result: Result) -> str | None:
    held = result.state is State.HELD and "interrupted" in result.rests_on
    if result.state is not State.BLOCKED and not held:
        return f"{result.id} is {result.state}, not blocked: there is nothing to retry."
    if result.reason is not None and result.reason.code.startswith(_RULES):
        return f"{result.id} breaks a rule of the door ({result.reason.code}): only a new tip can mend that."
    return None


def _forget(hearing: Hearing, result: Result) -> None:
    """Note that what the block or hold rests on no longer counts."""
    gate, rests_on = hearing.gate, result.rests_on
    for prefix, name in ((BAD, "bad"), (INTERRUPTED, "interrupted")):
        ref = Ref(prefix + rests_on.get(name, ""))
        known = gate.git.resolve(ref) if name in rests_on else None
        if known is not None:
            gate.ledger.move(Change(ref, known, NO_OID))
    doubtful = {rests_on["verdict"]} if "verdict" in rests_on else set[str]()
    if hearing.decision.args.get("fresh"):
        doubtful |= fresh.keys(gate, hearing.seen.release, result.tip)
    forgotten = verdicts.forget(gate.signer, sorted(doubtful), at=gate.clock()) if doubtful else None
    if forgotten is not None:
        gate.ledger.move(forgotten)


def _pushed(gate: Gate, result: Result) -> str | None:
    """Return who pushed this very tip: its agent, or an operator who resolved a conflict."""
    filed = (w.record for w in records.walk(gate.git, limit=_LOOK_BACK) if w.record.event == "filed")
    wanted = (result.id, result.tip)
    return next((one.actor.name for one in filed if (one.data.get("id"), one.data.get("tip")) == wanted), None)
