"""How many visits of one agent are served at once: over SSH, where sshd counts none, and of those that only wait."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from gatekeeper.home import Home

MOST_EACH = 8
MOST_WAITS = 4
"""Of them, so that an agent that waits for much can still push."""


@contextmanager
def place(home: Home, holder: str, most: int = MOST_EACH) -> Iterator[bool]:
    """Hold one of the holder's places for as long as this lasts, however it ends; yield whether one was free."""
    home.visits.mkdir(mode=0o700, exist_ok=True)
    for number in range(most):
        handle = os.open(home.visits / f"{holder}-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if _taken(handle):
                yield True
                return
        finally:
            os.close(handle)
    yield False


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
