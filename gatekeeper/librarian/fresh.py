"""Names the verdicts that a request rests on, so that `retry --fresh` can have all its jobs run anew."""

from gatekeeper.gate import Gate
from gatekeeper.librarian.recollection import Recollection, ground
from gatekeeper.model import Oid, Release
from gatekeeper.repo import verdicts
from gatekeeper.repo.ledger import EMPTY_TREE
from gatekeeper.repo.merge import Merged, merge
from gatekeeper.verify import jobs


def keys(gate: Gate, release: Release, tip: Oid) -> frozenset[str]:
    """Return the keys that a request, merged on `release`, does not share with it; none when it does not merge."""
    merged = merge(gate.git, release.commit, tip, unrelated=release.tree == EMPTY_TREE)
    if not isinstance(merged, Merged):
        return frozenset()
    mind = Recollection()
    return _keys(gate, merged.tree, mind) - _keys(gate, release.tree, mind)


def _keys(gate: Gate, tree: Oid, mind: Recollection) -> frozenset[str]:
    place = ground(gate, tree, mind)
    builds = jobs.builds(gate.config, place)
    known = verdicts.lookup(gate.git, (work.job.key for work in builds))
    built = {key: verdict.output for key, verdict in known.items() if verdict.output}
    checks = jobs.checks(gate.config, place, built, builds)
    return frozenset(work.job.key for work in (*builds, *checks))
