"""Git's pkt-lines on a pair of descriptors: reads them exactly, never a byte too far, and gives up on silence."""

import os
import select

from msgspec import Struct

FLUSH = b"0000"
LONGEST = 65520
_BAND = 65515
_SILENCE = 600.0


class Gone(Exception):  # noqa: N818 - the client is; nobody is left to be told
    """The other side left, fell silent, or does not speak the protocol."""


class Wire(Struct, frozen=True):
    """A connection: what the client sends is read from `reader`, what it is told is written to `writer`."""

    reader: int
    writer: int

    def packet(self) -> bytes | None:
        """Return the next packet, or None for a flush. Raises Gone."""
        head = self.exactly(4)
        try:
            length = int(head, 16)
        except ValueError:
            raise Gone("not a pkt-line") from None
        if length == 0:
            return None
        if not 4 <= length <= LONGEST:
            raise Gone("a pkt-line of an impossible length")
        return self.exactly(length - 4)

    def exactly(self, count: int, patience: float = _SILENCE) -> bytes:
        """Return `count` bytes. Raises Gone at the end of the stream and after `patience` seconds of silence."""
        found = b""
        while len(found) < count:
            found += self.some(count - len(found), patience) or _gone()
        return found

    def some(self, most: int, patience: float = _SILENCE) -> bytes:
        """Return what there is, b"" at the end. Raises Gone after `patience` seconds of silence."""
        if not select.select([self.reader], [], [], patience)[0]:
            raise Gone("silent for too long")
        try:
            return os.read(self.reader, most)
        except ConnectionError:
            return b""

    def send(self, data: bytes) -> None:
        """Write all of it. Raises Gone when nobody reads any more."""
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self.writer, left) :]
        except OSError:
            raise Gone("nobody listens") from None


def packet(data: bytes) -> bytes:
    """Return `data` as one pkt-line; ValueError when it is too long for one."""
    if len(data) + 4 > LONGEST:
        raise ValueError("too long for a pkt-line")
    return b"%04x" % (len(data) + 4) + data


def band(number: int, data: bytes) -> bytes:
    """Return `data` in the side band `number`, in as many pkt-lines as it takes."""
    parts = [data[at : at + _BAND] for at in range(0, len(data), _BAND)]
    return b"".join(packet(bytes((number,)) + part) for part in parts)


def error(text: str) -> bytes:
    """Return what a git client shows as `fatal: remote error: TEXT`, whatever it waits for at its beginning."""
    return packet(b"ERR " + text.encode("utf-8", "backslashreplace")[: LONGEST - 8])


def _gone() -> bytes:
    raise Gone("the stream ended")
