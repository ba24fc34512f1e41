"""`resolve --done`: takes a person's merge as the new tip of somebody else's request."""

from gatekeeper.errors import Exit
from gatekeeper.librarian import filing
from gatekeeper.librarian.arrival import arrivals
from gatekeeper.librarian.present import Fresh
from gatekeeper.librarian.verbs.hearing import Hearing
from gatekeeper.model import REQUESTS, Oid, Reason, Ref
from gatekeeper.repo.git import Change
from gatekeeper.repo.spool import Entry


def resolve(hearing: Hearing) -> Reason | None:
    """File the merge as a new attempt that stays its agent's; the record names who resolved it.

    The objects are in the repository already: the person's command has put them there.
    """
    gate, result = hearing.gate, hearing.standing()
    new = Oid(hearing.decision.args.get("new", ""))
    if result is None:
        hearing.decline(f"There is no open request {hearing.decision.id}.", Exit.NOT_FOUND)
        return None
    if hearing.moved_on(result.tip):
        return None
    if gate.git.resolve(f"{new}^{{commit}}") != new or not gate.git.is_ancestor(result.tip, new):
        hearing.decline(f"{new[:12]!a} is no commit on top of {result.id}.", Exit.USAGE)
        return None
    who = hearing.decision.actor
    said = {"name": who.name, "assurance": who.assurance, "role": who.role}
    fresh = Fresh(result.id, new, Entry("", "pushing", {"agent": said}), result)
    (arrived,) = arrivals(gate, (fresh,), None)
    if isinstance(arrived.asked, Reason):
        hearing.decline(f"The merge cannot be filed: {arrived.asked.code} {arrived.asked.text}", Exit.REFUSED)
        return None
    told = {"decision": hearing.decision.key, "verb": "resolve", "message": hearing.decision.message}
    gate.ledger.move(Change(Ref(REQUESTS + result.id), result.tip, new))
    filing.file(gate, (arrived,), hearing.hands, resolves=result.tip, **told)
    return None
