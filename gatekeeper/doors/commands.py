"""Reads what a client asks receive-pack for, before receive-pack sees it. Judges only the form."""

import re
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from gatekeeper.doors.wire import FLUSH, Gone, Wire, packet

MOST_OPTIONS = 8192
"""Bytes of all push options together."""
_MOST = 1 << 20
_COMMAND = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) ([^\0\n]+)")


class Push(Struct, frozen=True):
    """The head of a push; `raw` is the very bytes, for receive-pack."""

    raw: bytes
    updates: tuple[bytes, ...]
    abilities: frozenset[bytes]
    options: tuple[bytes, ...] = ()
    sound: bool = True
    """False: no list of updates as Git sends it, or push options beyond the limit. Receive-pack must not see it."""

    @property
    def lines(self) -> bytes:
        """The updates as pre-receive reads them; none when they could be taken for others."""
        return b"".join(update + b"\n" for update in self.updates) if self.well_formed else b""

    @property
    def well_formed(self) -> bool:
        """True when each update is two oids and a name without a line break or NUL."""
        return all(_COMMAND.fullmatch(update) for update in self.updates)

    @property
    def deletion(self) -> tuple[str, str] | None:
        """The ref and the value it has, when this push deletes that one ref and does nothing else."""
        if not self.sound or len(self.updates) != 1:
            return None
        old, new, ref = self.updates[0].split(b" ", 2)
        return None if new.strip(b"0") else (ref.decode("utf-8", "surrogateescape"), old.decode())

    @property
    def refs(self) -> tuple[bytes, ...]:
        """The names of the updates, as far as they are well-formed."""
        return tuple(update.split(b" ", 2)[2] for update in self.updates) if self.well_formed else ()


def read(wire: Wire) -> Push:
    """Read the updates and push options; a client that has nothing to push sends none. Raises Gone."""
    section = _section(wire, _MOST)
    lines = [line for line in section if not line.startswith(b"shallow ")]
    if not lines:
        return Push(_packed(section), (), frozenset())
    first, _, abilities = lines[0].partition(b"\0")
    known = frozenset(abilities.split())
    updates = tuple(line.removesuffix(b"\n") for line in (first, *lines[1:]))
    options, fits = _options(wire) if b"push-options" in known else ((), True)
    raw = _packed(section) + (_packed(options) if b"push-options" in known else b"")
    push = Push(raw, updates, known, options)
    return replace(push, sound=fits and push.well_formed)


def _section(wire: Wire, most: int) -> list[bytes]:
    found, size = list[bytes](), 0
    while (line := wire.packet()) is not None:
        size += len(line)
        if size > most:
            raise Gone("more refs in one push than anybody has")
        found.append(line)
    return found


def _options(wire: Wire) -> tuple[tuple[bytes, ...], bool]:
    """Return the push options, and whether that are all: past the limit nothing more is read."""
    found, size = list[bytes](), 0
    while (line := wire.packet()) is not None:
        size += len(line)
        if size > MOST_OPTIONS:
            return (*found, line[:MOST_OPTIONS]), False
        found.append(line)
    return tuple(found), True


def _packed(lines: Iterable[bytes]) -> bytes:
    return b"".join(map(packet, lines)) + FLUSH
