"""What a tip that nobody has judged yet asks for: the door's own rules, asked again by the Librarian."""

from gatekeeper import messages
from gatekeeper.gate import Gate
from gatekeeper.librarian import doors
from gatekeeper.model import Actor, Ask, Assurance, Oid, Reason, RequestId, Result, State
from gatekeeper.policy import admission
from gatekeeper.policy.pushed import UNKNOWN, Claim, Facts, Refusal
from gatekeeper.policy.step import Arrival
from gatekeeper.policy.wishes import Wish
from gatekeeper.repo import facts
from gatekeeper.repo.spool import Entry

_LAST = 1 << 40


def arrival(gate: Gate, request: RequestId, tip: Oid, pushed: Entry | None, known: Result | None) -> Arrival:
    """Judge a tip: `pushed` is what the hook wrote down before the ref moved, `known` the attempt before it.

    Without such a note (a hook that was killed, a write by hand) the tip's committer is whom it is put down to.
    """
    gone = [list(pair) for pair in doors.taken_out(gate.git)]  # a rollback of this very heartbeat counts
    seen = facts.collect(gate.git.call, request, tip, {**gate.policy, "taken_out": gone})
    actor = pushed.actor if pushed is not None else _committer(gate, seen)
    if known is not None:
        seen = seen._replace(owner=known.agent.name)
    if isinstance(actor, Refusal):
        return Arrival(request, tip, Actor("unknown"), _reason(actor))
    claim = Claim(actor.name, actor.assurance, actor.role)
    wish = admission.judge(seen, gate.policy, claim, sure=bool(gate.policy["agents"]))
    return Arrival(request, tip, actor, wish.ask() if isinstance(wish, Wish) else _reason(wish))


def imagined(arrived: Arrival, number: int, *, at: str, attempt: int = 1) -> Result:
    """Return the result that filing it would write; `at` is when it was pushed, as far as that is known."""
    refused = arrived.asked if isinstance(arrived.asked, Reason) else None
    return Result(
        id=arrived.id,
        tip=arrived.tip,
        attempt=attempt,
        state=State.BLOCKED if refused else State.QUEUED,
        agent=arrived.agent,
        ask=Ask((), "", arrived.tip) if isinstance(arrived.asked, Reason) else arrived.asked,
        sequence=_LAST + number,
        filed_at=at,
        updated_at=at,
        reason=refused,
    )


def _committer(gate: Gate, seen: Facts) -> Actor | Refusal:
    """In the enforced set-up a commit names nobody: a tip that no door let in is a stranger's."""
    if gate.policy["mode"] == "enforced":
        who = admission.by_door(None, gate.policy)
    else:
        who = admission.identify(seen.commits[0].committer if seen.commits else UNKNOWN, gate.policy)
    return who if isinstance(who, Refusal) else Actor(who.name, Assurance(who.assurance), who.role)


def _reason(refusal: Refusal) -> Reason:
    return Reason(refusal.code, messages.reason(refusal.code, **refusal.values), refusal.next)
