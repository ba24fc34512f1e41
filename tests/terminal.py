"""A real terminal for a command under test: a pseudo-terminal whose size is set and whose output is read."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_PATIENCE = 120.0


@dataclass
class Terminal:
    """The program, our end of its terminal, and all that it wrote so far."""

    process: "subprocess.Popen[bytes]"
    end: int
    seen: bytes = b""

    def until(self, words: bytes) -> bytes:
        """Read until the words have come, from the present place on, and return what was read."""
        start, deadline = len(self.seen), time.monotonic() + _PATIENCE
        while words not in self.seen[start:]:
            assert time.monotonic() < deadline, self.seen.decode("utf-8", "replace")
            if not self._read():
                raise AssertionError(self.seen.decode("utf-8", "replace"))
        return self.seen[start:]

    def rest(self) -> str:
        """Read to the end, and return everything."""
        while self._read():
            continue
        self.process.wait(_PATIENCE)
        return self.seen.decode("utf-8", "replace")

    def type(self, keys: bytes) -> None:
        os.write(self.end, keys)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def settings(self) -> list[object]:
        return termios.tcgetattr(self.end)

    def _read(self) -> bool:
        if not select.select([self.end], [], [], 1.0)[0]:
            return True
        try:
            said = os.read(self.end, 65536)
        except OSError:  # the other end is closed
            return False
        self.seen += said
        return bool(said)


@contextmanager
def terminal(argv: Sequence[str], env: Mapping[str, str], *, columns: int = 80, lines: int = 30) -> Iterator[Terminal]:
    """Run a program with a terminal as its three streams."""
    ours, theirs = pty.openpty()
    shell = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen(
        argv,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**shell, "TERM": env.get("TERM", "xterm-256color")},
        start_new_session=True,
    )
    os.close(theirs)
    found = Terminal(process, ours)
    try:
        yield found
    finally:
        process.kill()
        process.wait()
        os.close(ours)
