"""Two pipes as the one stream that messages are sent through: what sshd gives a program as its standard files."""

import os
import select

from gatekeeper.process import Cancel


class Pipes:
    """`source` is read, `sink` written; both are descriptors that stay the caller's."""

    def __init__(self, source: int, sink: int) -> None:
        self._source, self._sink = source, sink
        self._timeout: float | None = None
        os.set_blocking(sink, False)

    def settimeout(self, value: float | None, /) -> None:
        """Bound each of the others, in seconds."""
        self._timeout = value

    def sendall(self, data: bytes, /) -> None:
        """Send all of it; TimeoutError when the other side takes nothing for so long."""
        left = memoryview(data)
        while left:
            if not select.select([], [self._sink], [], self._timeout)[1]:
                raise TimeoutError("nobody reads")
            left = left[os.write(self._sink, left) :]

    def recv(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""
        if not self.readable(self._timeout):
            raise TimeoutError("nothing came")
        return os.read(self._source, size)

    def readable(self, timeout: float | None, *others: Cancel) -> bool:
        """Wait until there is something to read, or one of the others is thrown; return whether there is."""
        waited: list[int] = [self._source, *(other.fileno() for other in others)]
        return self._source in select.select(waited, [], [], timeout)[0]
