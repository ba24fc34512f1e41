"""Carries out what a person decided. Each decision ends in exactly one record that names it, then leaves the spool."""

from collections.abc import Callable, Mapping

from gatekeeper.errors import Exit
from gatekeeper.gate import Gate
from gatekeeper.librarian.hands import Hands
from gatekeeper.librarian.verbs import abort, freezing, mending, requests, resolve, revert, rollback, rotate, sites
from gatekeeper.librarian.verbs.hearing import Hearing
from gatekeeper.model import Decision, Reason
from gatekeeper.policy.step import Snapshot
from gatekeeper.repo import records, spool

VERBS: Mapping[str, Callable[[Hearing], Reason | None]] = {
    "abort": abort.abort,
    "apply": sites.apply,
    "approve": requests.approve,
    "freeze": freezing.freeze,
    "next": requests.put_first,
    "reject": requests.reject,
    "reload": sites.reload,
    "repair": mending.repair,
    "resolve": resolve.resolve,
    "retry": requests.retry,
    "revert": revert.revert,
    "rollback": rollback.rollback,
    "rotate": rotate.rotate,
    "thaw": freezing.thaw,
}
"""What each verb does; it returns what a person must be told."""

_LOOK_BACK = 200


def carry_out(gate: Gate, seen: Snapshot, decision: Decision, hands: Hands) -> Reason | None:
    """Do it, unless a start before this one did it already; return what a person must be told.

    One that is not settled, because the heartbeat must end before it can be, stays in the spool.
    """
    alarm = None
    if not _done(gate, decision):
        alarm = _do(Hearing(gate, seen, decision, hands))
    if _done(gate, decision):
        spool.drop(gate.home.spool, (decision.key,))
    return alarm


def _done(gate: Gate, decision: Decision) -> bool:
    recent = records.walk(gate.git, limit=_LOOK_BACK)
    return any(written.record.data.get("decision") == decision.key for written in recent)


def _do(hearing: Hearing) -> Reason | None:
    decision = hearing.decision
    if decision.actor.role != "operator":
        hearing.decline(f"{decision.actor.name} is not an operator.", Exit.REFUSED)
        return None
    if decision.verb not in VERBS:
        hearing.decline(f"This gatekeeper knows no decision `{decision.verb}`.", Exit.USAGE)
        return None
    alarm = VERBS[decision.verb](hearing)
    about = ": ".join(word for word in (decision.id, decision.message) if word)
    hearing.hands.tell(f"{decision.verb} by {decision.actor.name}{f': {about}' if about else ''}")
    return alarm
