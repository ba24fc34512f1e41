"""What tips that nobody has judged yet ask for: the door's own rules, asked again by the Librarian."""

from collections.abc import Iterable, Sequence

from gatekeeper.gate import Gate
from gatekeeper.librarian import doors
from gatekeeper.librarian.present import Fresh
from gatekeeper.librarian.rules import in_words
from gatekeeper.model import Actor, Ask, Assurance, Reason, Result, State
from gatekeeper.policy import admission
from gatekeeper.policy.found import Arrival
from gatekeeper.policy.pushed import UNKNOWN, Claim, Facts, Other, Refusal
from gatekeeper.policy.wishes import Wish
from gatekeeper.repo import facts

_LAST = 1 << 40
AT_ONCE = 500
"""Tips that are judged by the same git processes: as many as their command lines and the memory easily hold."""


def arrivals(gate: Gate, fresh: Sequence[Fresh], results: Iterable[Result] | None) -> tuple[Arrival, ...]:
    """Judge tips in order, each as if those before it were filed already; `results` are all there are, if known."""
    gone = [list(pair) for pair in doors.taken_out(gate.git, results)]  # a rollback of this very heartbeat counts
    policy = {**gate.policy, "taken_out": gone}
    found, before = list[Arrival](), dict[str, Other]()
    for start in range(0, len(fresh), AT_ONCE):
        some = fresh[start : start + AT_ONCE]
        seen, others = facts.collect_all(gate.git.call, {one.id: one.tip for one in some}, policy)
        others |= before
        for one, known in zip(some, seen, strict=True):
            itself = others.pop(one.id, None)
            found.append(_arrival(gate, one, known._replace(others=tuple(others.values()))))
            if itself is not None:
                others[one.id] = before[one.id] = _filed(itself, found[-1])
    return tuple(found)


def _filed(other: Other, arrived: Arrival) -> Other:
    state = State.BLOCKED if isinstance(arrived.asked, Reason) else State.QUEUED
    return other._replace(agent=arrived.agent.name, state=str(state))


def _arrival(gate: Gate, one: Fresh, seen: Facts) -> Arrival:
    actor = one.pushed.actor if one.pushed is not None else _committer(gate, seen)
    if one.known is not None:
        seen = seen._replace(owner=one.known.agent.name)
    if isinstance(actor, Refusal):
        return Arrival(one.id, one.tip, Actor("unknown"), in_words(actor))
    claim = Claim(actor.name, actor.assurance, actor.role)
    wish = admission.judge(seen, gate.policy, claim, sure=bool(gate.policy["agents"]))
    return Arrival(one.id, one.tip, actor, wish.ask() if isinstance(wish, Wish) else in_words(wish))


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
