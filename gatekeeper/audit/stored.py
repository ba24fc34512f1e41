"""Commits and tags as they are stored, each proved to be the object that its name says. Trusts no index of Git's.

Replacement refs, grafts and commit graphs can make Git tell another history than its objects do: they are left out.
"""

import hashlib
from collections.abc import Iterable

from msgspec import Struct

from gatekeeper.model import Oid
from gatekeeper.repo import objects
from gatekeeper.repo.git import Git

_PLAIN = {
    # As a setting: a repository's own `core.useReplaceRefs=true` beats GIT_NO_REPLACE_OBJECTS (Git 2.39).
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "core.useReplaceRefs",
    "GIT_CONFIG_VALUE_0": "false",
    "GIT_CONFIG_KEY_1": "core.commitGraph",
    "GIT_CONFIG_VALUE_1": "false",
    "GIT_GRAFT_FILE": "/dev/null",
}
_BEGIN = b"-----BEGIN SSH SIGNATURE-----"


class Stored(Struct, frozen=True):
    """One commit or tag; `payload` is what `signature` signs, both empty when there is none."""

    oid: Oid
    kind: str
    headers: dict[str, tuple[str, ...]]
    message: str
    payload: bytes
    signature: bytes
    intact: bool
    """False when its content is not what its name is the digest of."""

    @property
    def parents(self) -> tuple[Oid, ...]:
        """The parents that the object itself names."""
        return tuple(Oid(oid) for oid in self.headers.get("parent", ()))

    def header(self, name: str) -> str:
        """Return a header's first value, or nothing."""
        return self.headers.get(name, ("",))[0]

    def trailer(self, name: str) -> str:
        """Return the value of the last line `NAME: value` of the message, or nothing."""
        found = [line for line in self.message.splitlines() if line.startswith(f"{name}: ")]
        return found[-1].removeprefix(f"{name}: ") if found else ""


def read(git: Git, oids: Iterable[Oid]) -> dict[Oid, Stored]:
    """Return these objects, without the ones that are missing."""

    def ask(args: list[str], stdin: bytes = b"") -> bytes:
        return git.run(*args, stdin=stdin, env=_PLAIN).output

    return {Oid(name): _parse(Oid(name), found) for name, found in objects.contents(ask, oids).items()}


def first_parents(git: Git, head: Oid, *, until: Oid | None = None) -> tuple[Oid, ...]:
    """Return what Git takes for the first-parent chain, oldest first; `until` and what it reaches are left out."""
    bound = (f"^{until}",) if until else ()
    args = ("rev-list", "--first-parent", "--reverse", head, *bound)
    return tuple(Oid(line) for line in git.text(*args, env=_PLAIN).splitlines())


def saying(git: Git, head: str, event: str) -> tuple[Stored, ...]:
    """Return the records of a log that may be of an event, oldest first: their messages say no less.

    None of a log with an object that is missing: that is for the chain's reader to tell.
    """
    args = ("rev-list", "--first-parent", "--reverse", f"--grep=^{event}: ", head)
    done = git.run(*args, env=_PLAIN, allowed=(0, 128))
    oids = tuple(Oid(line) for line in done.text.splitlines()) if done.ok else ()
    found = read(git, oids)
    return tuple(found[oid] for oid in oids if oid in found)


def fork(git: Git, one: Oid, other: Oid) -> Oid | None:
    """Return the newest commit that two chains share, or None when an object is missing or they share none."""
    done = git.run("merge-base", one, other, env=_PLAIN, allowed=(0, 1, 128))
    return Oid(done.text.splitlines()[0]) if done.ok and done.text else None


def _parse(oid: Oid, found: objects.Object) -> Stored:
    head, _, body = found.content.partition(b"\n\n")
    headers: dict[str, list[str]] = {}
    name = ""
    for line in head.decode("utf-8", "replace").split("\n"):
        if line.startswith(" "):
            headers[name][-1] += line
        else:
            name, _, value = line.partition(" ")
            headers.setdefault(name, []).append(value)
    payload, signature = _unsigned_tag(found.content) if found.kind == "tag" else _unsigned_commit(head, body)
    message = body.removesuffix(signature) if found.kind == "tag" and signature else body
    return Stored(
        oid=oid,
        kind=found.kind,
        headers={key: tuple(values) for key, values in headers.items()},
        message=message.decode("utf-8", "replace"),
        payload=payload,
        signature=signature,
        intact=_digest(found, len(oid)) == oid,
    )


def _unsigned_tag(content: bytes) -> tuple[bytes, bytes]:
    at = content.rfind(b"\n" + _BEGIN) + 1
    return (content[:at], content[at:]) if at else (b"", b"")


def _unsigned_commit(head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Take the header `gpgsig` out: its further lines begin with a space."""
    kept: list[bytes] = []
    taken: list[bytes] = []
    inside = False
    for line in head.split(b"\n"):
        inside = line.startswith(b"gpgsig ") or (inside and line.startswith(b" "))
        (taken if inside else kept).append(line)
    if not taken:
        return b"", b""
    signature = b"\n".join(line.removeprefix(b"gpgsig").removeprefix(b" ") for line in taken) + b"\n"
    return b"\n".join(kept) + b"\n\n" + body, signature


def _digest(found: objects.Object, length: int) -> str:
    digest = hashlib.sha1(usedforsecurity=False) if length == 40 else hashlib.sha256()
    digest.update(b"%s %d\0" % (found.kind.encode(), len(found.content)))
    digest.update(found.content)
    return digest.hexdigest()
