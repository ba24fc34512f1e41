"""Names the jobs that are a request's own: what `retry --fresh` has run anew, what an approval shows."""

from gatekeeper.gate import Gate
from gatekeeper.librarian.recollection import Recollection, ground
from gatekeeper.model import Job, Oid, Release
from gatekeeper.repo import verdicts
from gatekeeper.repo.ledger import EMPTY_TREE
from gatekeeper.repo.merge import Merged, merge
from gatekeeper.verify import jobs as making


def keys(gate: Gate, release: Release, tip: Oid) -> frozenset[str]:
    """Return the keys of its jobs."""
    return frozenset(job.key for job in jobs(gate, release, tip))


def jobs(gate: Gate, release: Release, tip: Oid) -> tuple[Job, ...]:
    """Return the jobs that a request, merged on `release`, does not share with it; none when it does not merge."""
    merged = merge(gate.git, release.commit, tip, unrelated=release.tree == EMPTY_TREE)
    if not isinstance(merged, Merged):
        return ()
    mind = Recollection()
    shared = {job.key for job in _jobs(gate, release.tree, mind)}
    return tuple(job for job in _jobs(gate, merged.tree, mind) if job.key not in shared)


def shipped_jobs(gate: Gate, commit: Oid, landed: int) -> tuple[Job, ...]:
    """Return the jobs of what went live with a commit, that what was live before, `landed` requests back, had not."""
    mind, before = Recollection(), gate.git.resolve(f"{commit}~{landed}^{{tree}}")
    shared = {job.key for job in _jobs(gate, before, mind)} if before is not None else set()
    return tuple(job for job in _jobs(gate, gate.git.tree_of(commit), mind) if job.key not in shared)


def _jobs(gate: Gate, tree: Oid, mind: Recollection) -> tuple[Job, ...]:
    place = ground(gate, tree, mind)
    builds = making.builds(gate.config, place)
    known = verdicts.lookup(gate.git, (work.job.key for work in builds))
    built = {key: verdict.output for key, verdict in known.items() if verdict.output}
    checks = making.checks(gate.config, place, built, builds)
    return tuple(work.job for work in (*builds, *checks))
