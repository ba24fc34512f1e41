"""Files a request again that a rollback took out: its own change, on the present `release`, as a new attempt.

Its old tip is an ancestor of `release` still, so merging that would bring nothing.
"""

from msgspec import Struct
from msgspec.structs import replace

from gatekeeper.gate import Gate
from gatekeeper.model import NO_OID, RELEASE, REQUESTS, Oid, Ref, Result, State
from gatekeeper.repo.git import Change
from gatekeeper.repo.ledger import utc
from gatekeeper.repo.merge import Conflict, three_way
from gatekeeper.ship.publish import author_of


class Refiled(Struct, frozen=True):
    """The new attempt, noted with its ref for the ledger's next commit."""

    result: Result


def refile(gate: Gate, result: Result) -> Refiled | str:
    """Note a new attempt of `result`, or return why there is none."""
    landed = _landed_by(gate, result.tip)
    if landed is None:
        return f"Nothing on `release` merged {result.tip[:12]}, so its own change is not known."
    release = gate.git.resolve(RELEASE) or NO_OID
    merged = three_way(
        gate.git,
        base=gate.git.tree_of(Oid(f"{landed}^1")),
        ours=gate.git.tree_of(release),
        theirs=gate.git.tree_of(landed),
    )
    if isinstance(merged, Conflict):
        return f"Its change conflicts with `release` in {', '.join(merged.paths)}: its agent must file it anew."
    tip = _commit(gate, result, merged.tree, release)
    again = replace(
        result,
        tip=tip,
        attempt=result.attempt + 1,
        state=State.QUEUED,
        sequence=gate.ledger.next_sequence(),
        filed_at=utc(gate.clock()),
        reason=None,
        version=None,
        approval=None,
        ahead=None,
    )
    gate.ledger.move(Change(Ref(REQUESTS + result.id), NO_OID, tip))
    gate.ledger.result(again)
    return Refiled(again)


def _landed_by(gate: Gate, tip: Oid) -> Oid | None:
    """Return the merge of `release` that brought the tip."""
    merges = gate.git.text("log", "--first-parent", "--merges", "--format=%H %P", RELEASE).splitlines()
    parts = (line.split() for line in merges)
    return next((Oid(merge) for merge, _, merged, *_ in parts if merged == tip), None)


def _commit(gate: Gate, result: Result, tree: Oid, release: Oid) -> Oid:
    message = gate.git.read(result.tip).split(b"\n\n", 1)[1].decode("utf-8", "replace")
    author = author_of(gate.git, result.tip)
    return gate.signer.commit(tree=tree, parents=(release,), message=message, at=gate.clock(), author=author)
