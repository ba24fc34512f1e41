"""What the Librarian asks a worker, and what that may answer: plain bytes, bounded and strictly read on both sides.

Nothing of it is ever unpickled here; who reads an answer believes no more of it than `cluster` has compared.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from gatekeeper import __version__
from gatekeeper.sites.wire import path
from gatekeeper.verify.perform import Orders, Said

ROOM = 256 << 10
"""Bytes of an answer beyond what a job may print."""
PIECE = 4 << 20
"""Bytes of a parcel that travel as one question."""


class Part(Struct, frozen=True, array_like=True):
    """A path of the tree that a job sees, with the mode, type and oid that Git has for it; "" is the whole."""

    path: str
    mode: str
    type: str
    oid: str


class Mount(Struct, frozen=True, array_like=True):
    """An output of a build that a job sees, and the digest of all that the build left."""

    output: str
    digest: str


class Inputs(Struct, frozen=True):
    """All that lies in a job's folder."""

    parts: tuple[Part, ...] = ()
    mounts: tuple[Mount, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """What proves each of them: oids and digests, which cannot be mistaken for each other."""
        return frozenset((*(part.oid for part in self.parts), *(mount.digest for mount in self.mounts)))


class Lacking(Struct, frozen=True, tag=True):
    """Asks which of these oids and digests the worker does not have whole."""

    names: tuple[str, ...]


class Piece(Struct, frozen=True, tag=True):
    """A piece of a parcel. The last one names what the worker must then have whole, by its own reckoning."""

    parcel: str
    kind: Literal["objects", "build"]
    at: int
    data: bytes
    last: bool
    names: tuple[str, ...]


class Job(Struct, frozen=True, tag=True):
    """Asks for a job to be run. `once` is new each time, so that no old answer fits."""

    once: str
    key: str
    commands: tuple[tuple[str, ...], ...]
    """Of the toolchain, which must say there what it says at the gate."""
    toolchain: str
    inputs: Inputs
    orders: Orders


class Question(Struct, frozen=True):
    """What travels to a worker: `gatekeeper` is the version that asks, and only the same one answers."""

    ask: Lacking | Piece | Job
    gatekeeper: str = __version__


class Missing(Struct, frozen=True, tag=True):
    """What the worker lacks; no answer to a job."""

    names: tuple[str, ...]


class Taken(Struct, frozen=True, tag=True):
    """A piece has arrived, and after the last all that it named is there."""


class Refused(Struct, frozen=True, tag=True):
    """The worker cannot do it, in a sentence: no verdict on anything."""

    why: str


class Answered(Struct, frozen=True, tag=True):
    """What a job said, and what it was asked of, by the worker's own reckoning."""

    once: str
    key: str
    names: frozenset[str]
    toolchain: str
    said: Said


Reply = Missing | Taken | Refused | Answered


def encode(value: Question | Reply) -> bytes:
    """Return the bytes of a question or a reply."""
    return msgspec.msgpack.encode(value, enc_hook=str)


def question(data: bytes) -> Question:
    """Read a question. Raises ValueError for anything else."""
    found: Question = _read(data, Question)
    return found


def reply(data: bytes, *, at_most: int) -> Reply:
    """Read a reply of at most so many bytes. Raises ValueError for anything else."""
    if len(data) > at_most:
        raise ValueError(f"it is longer than {at_most} bytes")
    found: Reply = _read(data, Reply)
    return found


def _read(data: bytes, kind: Any) -> Any:
    try:
        return msgspec.msgpack.decode(data, type=kind, dec_hook=path)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as problem:
        raise ValueError(f"it cannot be read: {problem}") from problem
