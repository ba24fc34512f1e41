"""The last line of a terminal while something takes long: what is done, for how long. Nobody looks: nothing is written.

It goes to standard error. What is to stay is written above it.
"""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from gatekeeper import progress
from gatekeeper.commands.paper import cut
from gatekeeper.policy.answer import shown
from gatekeeper.policy.times import span
from gatekeeper.progress import Doing

_EVERY = 0.2
_LOOKS = 5
"""Redraws between two looks at what another process does."""
_TURNS = "|/-\\"
_CLEAN = "\r\x1b[K"


class Line:
    """What is shown now; a thread redraws it, so that its seconds go on while something else is waited for.

    That thread also asks `look`, where what is done is done by another process.
    """

    def __init__(self, what: str, look: Callable[[], Doing | None] | None) -> None:
        self._look = look
        self._doing = Doing(what, time.time())
        self._guard, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._live, name="under way", daemon=True)

    def show(self, doing: Doing | None) -> None:
        """Show this from now on; with nothing to tell, what was shown before."""
        if doing is not None and (doing.what or doing.jobs):
            self._doing = doing

    def above(self, write: Callable[[], object]) -> None:
        """Have something written that stays."""
        with self._guard:
            self._put(_CLEAN if self._thread.is_alive() else "")
            write()

    def begin(self) -> None:
        """Begin to draw."""
        self._thread.start()

    def end(self) -> None:
        """Take the line away."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
            self._put(_CLEAN)

    def _live(self) -> None:
        turn = 0
        while not self._over.wait(_EVERY):
            turn += 1
            if self._look is not None and turn % _LOOKS == 0:
                self.show(self._look())
            text = f"{_TURNS[turn % len(_TURNS)]} {_words(self._doing)}"
            with self._guard:
                self._put(f"{_CLEAN}{cut(text, shutil.get_terminal_size().columns - 1)}")

    def _put(self, text: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()


def _words(doing: Doing) -> str:
    now = time.time()
    jobs = ", ".join(f"{name} {span(now - since)}" for name, since in doing.jobs.items())
    return shown(f"{doing.what or 'verifying'}: {jobs}" if jobs else f"{doing.what}, {span(now - doing.since)}")


@contextmanager
def under_way(what: str, *, look: Callable[[], Doing | None] | None = None) -> Iterator[Line]:
    """Show what is done, beginning with `what`, until the end; by itself it follows what this process says it does."""
    line = Line(what, look)
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        line.begin()
    try:
        with progress.watched(line.show):
            yield line
    finally:
        line.end()
