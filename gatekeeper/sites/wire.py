"""What the Librarian and a site's steward say to each other over a socket: one call, one answer, each bounded.

A call is a frozen value with the name of its verb; it names no pm2 home and no other site, so that the same words
could come from another machine.
"""

import json
import select
import socket
import struct
import time
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct

from gatekeeper.errors import GateError, printable
from gatekeeper.model import SiteName
from gatekeeper.sites.run import SiteRun, Stamp

LONGEST = 8 << 20
"""Bytes of a call or an answer; an env_file and a migration's output fit."""
CHUNK = 1 << 18

FORMAT = 1
_LENGTH = struct.Struct(">I")
_MOST_TEXT = 500
_MOST_NUMBER = 1 << 53
_T = TypeVar("_T")


class Stream(Protocol):
    """What a message is sent and read through: a socket, an SSH channel, two pipes. Each raises OSError."""

    def settimeout(self, value: float | None, /) -> None:
        """Bound each of the others, in seconds."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of it."""

    def recv(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""


class Verb(Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked; each verb is one below, and means what LocalTarget's method of that name means."""


class Preflight(Verb, frozen=True, tag="preflight"):
    """Users in `leaving` may still hold the site's port: their process ends before this one starts."""

    run: SiteRun
    leaving: tuple[int, ...] = ()


class Reload(Verb, frozen=True, tag="reload"):
    """The site follows `current`, unless `only` leaves it out; what boots is written down either way."""

    run: SiteRun
    stamp: Stamp
    only: tuple[SiteName, ...] | None = None


class Judge(Verb, frozen=True, tag="health"):
    """Follow the site until it is well, hopeless or late."""

    run: SiteRun
    stamp: Stamp
    release: Path


class Converge(Verb, frozen=True, tag="converge"):
    """Bring the site to `stamp` in `release`, whatever state it is in."""

    run: SiteRun
    stamp: Stamp
    release: Path
    only: tuple[SiteName, ...] | None = None


class Observe(Verb, frozen=True, tag="observe"):
    """Say what is there; without a run only that the steward lives."""

    run: SiteRun | None = None


class Dismiss(Verb, frozen=True, tag="dismiss"):
    """Stop the site for good: it boots no more."""


class Furnish(Verb, frozen=True, tag="furnish"):
    """Make the folders that a release links to: kept ones, seeded from `source` once, and its own scratch."""

    source: Path
    release: str
    data: tuple[str, ...]
    writable: tuple[str, ...]


class Migrate(Verb, frozen=True, tag="migrate"):
    """Run a migration as the site's user; it ends with the call."""

    run: SiteRun
    stamp: Stamp
    argv: tuple[str, ...]
    cwd: Path


Asked = Preflight | Reload | Judge | Converge | Observe | Dismiss | Furnish | Migrate


class Call(Struct, frozen=True, forbid_unknown_fields=True):
    """One verb for one site; `pm2` is how pm2 is called."""

    v: int
    site: SiteName
    pm2: tuple[str, ...]
    asked: Asked


class Trouble(Struct, frozen=True):
    """A GateError on its way."""

    text: str
    code: str | None = None
    hints: tuple[str, ...] = ()


class Answer(Struct, frozen=True):
    """What came of it: a result, or trouble."""

    v: int
    result: Raw = Raw(b"null")
    trouble: Trouble | None = None


def encode(value: object) -> bytes:
    """Return a call or an answer as it travels."""
    return msgspec.json.encode(value, enc_hook=str)


def raw(value: object) -> Raw:
    """Return a result for an answer."""
    return Raw(encode(value))


def call(message: bytes) -> Call:
    """Read a call; ValueError for what is none."""
    return msgspec.json.decode(message, type=Call, dec_hook=path)


def result(message: bytes, kind: type[_T], *, most: int = _MOST_TEXT) -> _T:
    """Read an answer that is not trusted: texts printable and at most `most` long, numbers small. Raises ValueError.

    Trouble is raised as the GateError that it was, with a code that a site can have.
    """
    try:
        said = msgspec.json.decode(message, type=Answer)
        if said.v != FORMAT:
            raise ValueError(f"format {said.v} is not {FORMAT}")
        if said.trouble is None:
            return msgspec.convert(_tame(json.loads(bytes(said.result)), most), kind, strict=True)
        trouble = msgspec.convert(_tame(msgspec.to_builtins(said.trouble), _MOST_TEXT), Trouble)
    except RecursionError as problem:
        raise ValueError("it is nested too deep") from problem
    code = trouble.code if trouble.code in ("GATE-501", "GATE-503", "GATE-504") else "GATE-504"
    raise GateError(trouble.text, code=code, hints=trouble.hints[:5])


def send(line: Stream, message: bytes, *, timeout: float) -> None:
    """Send one message; OSError when the other side does not take it in time."""
    line.settimeout(timeout)
    line.sendall(_LENGTH.pack(len(message)) + message)


def receive(line: Stream, *, timeout: float) -> bytes:
    """Wait for one whole message, `timeout` seconds in all; OSError when it does not come or is too long."""
    deadline = time.monotonic() + timeout
    size = _LENGTH.unpack(_exactly(line, _LENGTH.size, deadline))[0]
    if size > LONGEST:
        raise ConnectionAbortedError(f"a message of {size} bytes is too long")
    return _exactly(line, size, deadline)


def hung_up(line: socket.socket) -> bool:
    """Tell whether the other side is gone, without waiting."""
    poll = select.poll()
    poll.register(line, select.POLLRDHUP)
    return bool(poll.poll(0))


def _exactly(line: Stream, size: int, deadline: float) -> bytes:
    heard = bytearray()
    while len(heard) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no whole message came in time")
        line.settimeout(left)
        part = line.recv(min(CHUNK, size - len(heard)))
        if not part:
            raise ConnectionResetError("the line was closed")
        heard += part
    return bytes(heard)


def _tame(value: Any, most: int) -> Any:
    """Return what JSON held with its texts cut and printable. ValueError for a number that nothing here needs."""
    match value:
        case str():
            return printable(value, most)
        case dict():
            return {_tame(key, most): _tame(one, most) for key, one in value.items()}
        case list() | tuple():
            return [_tame(one, most) for one in value]
        case int() | float() if not abs(value) < _MOST_NUMBER:
            raise ValueError("a number is out of all bounds")
    return value


def path(kind: type, value: Any) -> Any:
    """Make a path of a text: a decoder's hook."""
    if kind is Path:
        return Path(value)
    raise TypeError(kind)
