"""Which of the gate's own refs are too old to keep. It says so; moving refs is the ledger's business."""

import json
from contextlib import suppress

from gatekeeper.model import KEEP, NO_OID, RESULTS, VERDICTS, Oid, Result, State
from gatekeeper.repo import objects, results
from gatekeeper.repo.git import Change, Git
from gatekeeper.repo.ledger import utc
from gatekeeper.repo.sign import Signer
from gatekeeper.repo.verdicts import forget

_LOOSE = "6700"
"""Loose objects that Git itself thinks many."""


def ended_results(git: Git, *, before: float) -> tuple[Change, ...]:
    """Return the deletion of each result that ended before then, and whose request is not open again.

    What a rollback took out stays: the doors refuse its tip (GATE-211) for as long as its result tells of it.
    """
    open_now = {ref.rpartition("/")[2] for ref in git.refs("refs/heads/request/")}
    found = ((ref, oid, results.read(git, oid)) for ref, oid in git.refs(RESULTS).items())
    return tuple(
        Change(ref, oid, NO_OID)
        for ref, oid, result in found
        if result.id not in open_now and _done_with(result) and result.updated_at < utc(before)
    )


def old_tips(git: Git, *, before: float) -> tuple[Change, ...]:
    """Return the deletion of each kept tip of a request that did not land: its age is that of the ref's log."""
    found = []
    for ref, oid in git.refs(KEEP).items():
        with suppress(OSError):
            if (git.folder / "logs" / ref).stat().st_mtime < before:
                found.append(Change(ref, oid, NO_OID))
    return tuple(found)


def old_verdicts(signer: Signer, *, before: float) -> Change | None:
    """Return the move that forgets every verdict from before then, or None when there is none."""
    git = signer.git
    tree = git.resolve(VERDICTS)
    entries = git.entries(Oid(VERDICTS), deep=True) if tree is not None else ()
    told = (json.loads(one.content) for one in objects.contents(git.call, (entry.oid for entry in entries)).values())
    stale = [str(fields["key"]) for fields in told if str(fields["at"]) < utc(before)]
    return forget(signer, stale, at=before) if stale else None


def pack(git: Git) -> None:
    """Pack loose objects once there are many, and drop what nothing has reached for two weeks."""
    git.run("-c", f"gc.auto={_LOOSE}", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet", allowed=(0, 1, 128))


def _done_with(result: Result) -> bool:
    tried = result.ask.try_only and result.state is State.VERIFIED
    return tried or (result.state.final and result.state is not State.ROLLED_BACK)
