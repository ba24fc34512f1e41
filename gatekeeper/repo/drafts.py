"""The Librarian's unsigned commits, written many at once: what `git commit-tree` would write, in one process."""

import hashlib
import struct
import tempfile
import zlib
from collections.abc import Sequence

from msgspec import Struct

from gatekeeper import fault
from gatekeeper.errors import GateError
from gatekeeper.model import Oid
from gatekeeper.repo.git import Git
from gatekeeper.repo.sign import EMAIL, NAME

_COMMIT = 1
"""The number of this type in a pack."""


class Draft(Struct, frozen=True):
    """A commit whose oid is known before it is written."""

    oid: Oid
    content: bytes


def draft(*, tree: Oid, parents: tuple[Oid, ...], message: str, at: float) -> Draft:
    """Compose a commit of the Librarian's, the message verbatim; like Git's own it may hold no NUL."""
    if "\0" in message:
        raise GateError("A record of the gate's would hold a NUL character.")
    person = f"{NAME} <{EMAIL}> {int(at)} +0000"
    lines = [f"tree {tree}", *(f"parent {oid}" for oid in parents), f"author {person}", f"committer {person}"]
    content = "\n".join([*lines, "", message]).encode()
    return Draft(Oid(hashlib.sha1(whole(content), usedforsecurity=False).hexdigest()), content)


def whole(content: bytes) -> bytes:
    """Return a commit with the head that Git names and keeps it by."""
    return b"commit %d\0" % len(content) + content


def write(git: Git, drafts: Sequence[Draft]) -> None:
    """Write them as loose objects: a pack that nothing refers to yet could be dropped by somebody's repack."""
    if drafts:
        with fault.step("objects"):
            git.run("unpack-objects", "-q", stdin=_pack([one.content for one in drafts]))


def write_one(git: Git, one: Draft) -> None:
    """Write one that the next step stands on; a long process is faster than one for each, where it can be asked."""
    with fault.step("object: trial"), tempfile.NamedTemporaryFile(prefix="draft-", dir=git.folder) as file:
        file.write(one.content)
        file.flush()
        said = git.ask(("hash-object", "-t", "commit", "-w", "--stdin-paths"), f"{file.name}\n".encode(), end=b"\n")
    if said is None:
        write(git, (one,))


def _pack(contents: Sequence[bytes]) -> bytes:
    body = struct.pack(">4sII", b"PACK", 2, len(contents))
    body += b"".join(_head(len(content)) + zlib.compress(content, 1) for content in contents)
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def _head(size: int) -> bytes:
    """Return type and size, four bits and then seven a byte, the lowest first."""
    found, size = [_COMMIT << 4 | size & 15], size >> 4
    while size:
        found[-1] |= 128
        found, size = [*found, size & 127], size >> 7
    return bytes(found)
