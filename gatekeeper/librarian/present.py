"""What the refs say at this moment of `release` and of what is open. Light: whoever looks waits for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.model import RELEASE, REQUESTS, TAGS, Oid, Ref, Release, RequestId, Result
from gatekeeper.policy import versions
from gatekeeper.repo.create import PLACEHOLDER
from gatekeeper.repo.sign import EMAIL
from gatekeeper.repo.spool import Entry


@dataclass(frozen=True, slots=True)
class Fresh:
    """A tip that no result tells of: what the hook wrote down before the ref moved, and the attempt before it.

    Without such a note (a hook that was killed, a write by hand) the tip's committer is whom it is put down to.
    """

    id: RequestId
    tip: Oid
    pushed: Entry | None
    known: Result | None


def requests_in(refs: Mapping[Ref, Oid]) -> dict[RequestId, Oid]:
    """Return the tip of every open request."""
    found = {ref: oid for ref, oid in refs.items() if ref.startswith(REQUESTS) and ref != PLACEHOLDER}
    return {RequestId(ref.removeprefix(REQUESTS)): oid for ref, oid in found.items()}


def present_release(gate: Gate, refs: Mapping[Ref, Oid]) -> Release:
    """Return what `release` holds; its version is the highest tag of ours that points at it."""
    commit = refs.get(RELEASE)
    if commit is None:
        raise GateError("The repository has no `release`.", code="GATE-502", hints=("gatekeeper init makes one",))
    form = "--format=%(taggeremail:trim) %(refname:strip=2)"
    pointed = gate.git.text("for-each-ref", f"--points-at={commit}", form, f"{TAGS}v*").splitlines()
    ours = (line.removeprefix(f"{EMAIL} ") for line in pointed if line.startswith(f"{EMAIL} "))
    return Release(versions.newest(ours), commit, gate.git.tree_of(commit))
