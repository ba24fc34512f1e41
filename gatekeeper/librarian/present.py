"""What the refs say at this moment of `release` and of what is open. Light: whoever looks waits for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.model import RELEASE, REQUESTS, TAGS, Oid, Ref, Release, RequestId, Result, Version
from gatekeeper.policy import versions
from gatekeeper.repo.create import PLACEHOLDER
from gatekeeper.repo.git import Git
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
    told = gate.git.run("show-ref", "--tags", "--dereference", allowed=(0, 1)).text.splitlines()
    peeled = [line.split(" ", 1)[1] for line in told if line.startswith(commit) and line.endswith("^{}")]
    names = (ref.removesuffix("^{}").removeprefix(TAGS) for ref in peeled)
    return Release(newest_of_ours(gate.git, refs, names), commit, gate.git.tree_of(commit))


def newest_of_ours(git: Git, refs: Mapping[Ref, Oid], names: Iterable[str]) -> Version | None:
    """Return the highest version among tags that carries the Librarian's name, which proves nothing yet.

    Only so many tags are read as are above it: there may be ten thousand.
    """
    left = {name for name in names if TAGS + name in refs}
    while (newest := versions.newest(left)) is not None and not _ours(git, refs[Ref(TAGS + newest)]):
        left.remove(newest)
    return newest


def _ours(git: Git, tag: Oid) -> bool:
    head = git.run("cat-file", "tag", tag, allowed=(0, 128)).output.partition(b"\n\n")[0]
    person = next((line for line in head.split(b"\n") if line.startswith(b"tagger ")), b"")
    return person.partition(b"<")[2].partition(b">")[0] == EMAIL.encode()
