"""What the refs say at this moment of `release` and of what is open. Light: whoever looks waits for it."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.model import RELEASE, REQUESTS, TAGS, Oid, Ref, Release, RequestId, Result, Version
from gatekeeper.policy import versions
from gatekeeper.repo import tags
from gatekeeper.repo.create import PLACEHOLDER
from gatekeeper.repo.git import Git
from gatekeeper.repo.spool import Entry
from gatekeeper.repo.tags import Tag


class Fresh(Struct, frozen=True):
    """A tip that no result tells of: what the hook wrote down before the ref moved, and the attempt before it.

    Without such a note (a hook that was killed, a write by hand) the tip's committer is whom it is put down to.
    """

    id: RequestId
    tip: Oid
    pushed: Entry | None
    known: Result | None


class Tagged(Struct, frozen=True):
    """A version, the name of its tag object, and what that says."""

    version: Version
    oid: Oid
    tag: Tag


def requests_in(refs: Mapping[Ref, Oid]) -> dict[RequestId, Oid]:
    """Return the tip of every open request."""
    found = {ref: oid for ref, oid in refs.items() if ref.startswith(REQUESTS) and ref != PLACEHOLDER}
    return {RequestId(ref.removeprefix(REQUESTS)): oid for ref, oid in found.items()}


def present_release(gate: Gate, refs: Mapping[Ref, Oid]) -> Release:
    """Return what `release` holds; its version is the highest tag of ours that points at it."""
    commit = refs.get(RELEASE)
    if commit is None:
        raise GateError("The repository has no `release`.", code="GATE-502", hints=("gatekeeper init makes one",))
    newest = newest_of_ours(gate.git, refs)
    if newest is None or newest.tag.commit != commit:
        told = gate.git.run("show-ref", "--tags", "--dereference", allowed=(0, 1)).text.splitlines()
        peeled = [line.split(" ", 1)[1] for line in told if line.startswith(commit) and line.endswith("^{}")]
        newest = newest_of_ours(gate.git, refs, (Ref(ref.removesuffix("^{}")) for ref in peeled))
    return Release(newest.version if newest else None, commit, gate.git.tree_of(commit))


def newest_of_ours(git: Git, refs: Mapping[Ref, Oid], among: Iterable[Ref] | None = None) -> Tagged | None:
    """Return the highest version, `among` these refs or all, whose tag has the Librarian's name: no proof yet.

    Only so many tags are read as are above it: there may be ten thousand.
    """
    left = {
        ref.removeprefix(TAGS) for ref in (refs if among is None else among) if ref in refs and ref.startswith(TAGS)
    }
    while (newest := versions.newest(left)) is not None:
        oid = refs[Ref(TAGS + newest)]
        tag = tags.read(git, oid)
        if tag is not None and tag.ours:
            return Tagged(newest, oid, tag)
        left.remove(newest)
    return None
