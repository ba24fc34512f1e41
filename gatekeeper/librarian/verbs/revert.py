"""`revert`: takes one shipped request out, as a request of the person who asked."""

from itertools import count

from msgspec import Struct

from gatekeeper.errors import Exit
from gatekeeper.gate import Gate
from gatekeeper.librarian import filing
from gatekeeper.librarian.holds import Holds
from gatekeeper.librarian.verbs.hearing import Hearing
from gatekeeper.model import NO_OID, RELEASE, REQUESTS, Ask, Oid, Reason, Ref, Request, RequestId, SurfaceName
from gatekeeper.policy.found import Arrival
from gatekeeper.policy.patterns import matches
from gatekeeper.policy.surfaces import surfaces_of
from gatekeeper.policy.texts import ID_LENGTH
from gatekeeper.policy.wishes import LONGEST_INTENT
from gatekeeper.repo import results
from gatekeeper.repo.git import Change
from gatekeeper.repo.merge import Conflict, Merged, three_way

_TRAILERS = (f"%(trailers:key={key},valueonly,separator=%x2C)" for key in ("Request", "Takes-Out"))
_FORM = f"--format=%H%x00%s%x00{'%x00'.join(_TRAILERS)}"


class _Landing(Struct, frozen=True):
    """The merge of `release` that brought a request, and its subject, which is the intent."""

    merge: Oid
    intent: str


def revert(hearing: Hearing) -> Reason | None:
    """File the inverse of a request's own change, merged once onto `release`; a conflict changes nothing."""
    gate, wanted = hearing.gate, RequestId(hearing.decision.id or "")
    landing = _landing(gate, wanted)
    if isinstance(landing, str):
        hearing.decline(landing, Exit.NOT_FOUND)
        return None
    id_ = _free(hearing, wanted)
    if id_ is None:
        hearing.decline(f"Request revert-{wanted} is open already.", Exit.FAILED)
        return None
    merged = _without(hearing, landing)
    if not isinstance(merged, Merged):
        hearing.decline(merged, Exit.FAILED)
        return None
    _file(hearing, id_, wanted, landing, merged.tree)
    return None


def _landing(gate: Gate, wanted: RequestId) -> _Landing | str:
    """Find the newest landing of a request that no rollback has taken out since, or say why there is none."""
    for line in gate.git.text("log", "--first-parent", _FORM, RELEASE).splitlines():
        merge, intent, landed, taken_out = line.split("\0")
        if wanted in taken_out.split(","):
            return f"A rollback took {wanted} out already; `gatekeeper retry {wanted}` would file it again."
        if landed == wanted:
            return _Landing(Oid(merge), intent)
    return f"No request {wanted} has landed on `release`."


def _free(hearing: Hearing, wanted: RequestId) -> RequestId | None:
    """Return the id to file under; None when such a request of the person's is open. Others' ids are passed over."""
    for number in count(1):
        suffix = f"-{number}" if number > 1 else ""
        id_ = RequestId(f"{f'revert-{wanted}'[: ID_LENGTH - len(suffix)]}{suffix}")
        known = results.find(hearing.gate.git, id_)
        there = hearing.gate.git.resolve(REQUESTS + id_) is not None
        if (known is None and not there) or (known is not None and known.agent.name == hearing.by):
            return None if there else id_
    return None


def _without(hearing: Hearing, landing: _Landing) -> Merged | str:
    gate, release = hearing.gate, hearing.seen.release
    before, after = gate.git.tree_of(Oid(f"{landing.merge}^1")), gate.git.tree_of(landing.merge)
    merged = three_way(gate.git, base=after, ours=release.tree, theirs=before)
    if isinstance(merged, Conflict):
        return f"What landed since stands on it, in {', '.join(merged.paths)}: take it out by a request of its own."
    if merged.tree == release.tree:
        return "Nothing of it is left on `release`."
    return merged


def _file(hearing: Hearing, id_: RequestId, wanted: RequestId, landing: _Landing, tree: Oid) -> None:
    gate, release, who = hearing.gate, hearing.seen.release, hearing.decision.actor
    intent = f'Revert "{landing.intent}"'[:LONGEST_INTENT]
    told = f"{' '.join(hearing.decision.message.split())}\n\nIntent: {intent}\n"
    message = f"{intent}\n\nTakes out request {wanted}: {told}"
    author = {"GIT_AUTHOR_NAME": who.name, "GIT_AUTHOR_EMAIL": f"{who.name.replace(' ', '-')}@operator.invalid"}
    tip = gate.signer.commit(
        tree=tree, parents=(release.commit,), message=message, at=gate.clock(), author=author, signed=False
    )
    touched = surfaces_of(gate.git.changed_paths(release.tree, tree), gate.policy["surfaces"])
    ask = Ask(tuple(SurfaceName(name) for name in touched), intent, tip)
    gate.ledger.move(Change(Ref(REQUESTS + id_), NO_OID, tip))
    arrival = Arrival(id_, tip, who, ask)
    approval = _decided(hearing, arrival, ask, tree)
    decided = {"decision": hearing.decision.key, "verb": "revert", "message": hearing.decision.message}
    filing.file(gate, (arrival,), hearing.hands, approval=approval, reverts=wanted, **decided)


def _decided(hearing: Hearing, arrival: Arrival, ask: Ask, tree: Oid) -> str | None:
    """Return the held content that the decision itself approves: to set work of others back is what it is about.

    What sites.toml holds is held all the same, for somebody else to approve.
    """
    gate, release = hearing.gate, hearing.seen.release
    request = Request(arrival.id, arrival.tip, 1, 0, arrival.agent, ask, "")
    held = Holds(gate.git, gate.config.hold, release.commit).judge(request, release.tree, tree)
    named = any(matches(path, hold.paths) for path in held.why for hold in gate.config.hold)
    return None if named else held.content
