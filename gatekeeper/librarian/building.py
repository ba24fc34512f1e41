"""Makes a tree ready to ship outside the queue: a rollback's builds, when what they left is gone."""

from gatekeeper.gate import Gate
from gatekeeper.librarian.checking import Tell, check
from gatekeeper.librarian.recollection import Recollection, ground
from gatekeeper.model import Job, Oid, Outcome
from gatekeeper.process import Cancel
from gatekeeper.repo import verdicts
from gatekeeper.verify import jobs


def make_ready(gate: Gate, tree: Oid, mind: Recollection, cancel: Cancel, tell: Tell) -> str | None:
    """Build and verify what is missing; return why that failed, or None when the tree can be staged.

    A tree whose builds are all there was verified before it was live, and is not asked again.
    """
    place = ground(gate, tree, mind)
    made = jobs.builds(gate.config, place)
    known = verdicts.lookup(gate.git, (work.job.key for work in made))
    missing = [w for w in made if w.job.key not in known or not (gate.home.builds / w.job.key).is_dir()]
    if not missing:
        return None
    mind.works |= {work.job.key: (work, tree) for work in missing}
    red = _run(gate, tuple(work.job for work in missing), mind, cancel, tell)
    if red is not None:
        return red
    known = verdicts.lookup(gate.git, (work.job.key for work in made))
    checks = jobs.checks(gate.config, place, {work.job.key: known[work.job.key].output for work in made}, made)
    mind.works |= {work.job.key: (work, tree) for work in checks}
    answered = verdicts.lookup(gate.git, (work.job.key for work in checks))
    return _run(gate, tuple(w.job for w in checks if w.job.key not in answered), mind, cancel, tell)


def _run(gate: Gate, wanted: tuple[Job, ...], mind: Recollection, cancel: Cancel, tell: Tell) -> str | None:
    for verdict in check(gate, wanted, mind, cancel, tell):
        if verdict.outcome is not Outcome.PASSED:
            return f"The old version had to be built again, and {verdict.job} {verdict.outcome}: {verdict.excerpt}"
    return None
