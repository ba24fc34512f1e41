"""How many visits of one agent the SSH door serves at once: sshd starts a process for each and counts none."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from gatekeeper.home import Home

MOST_EACH = 8


@contextmanager
def place(home: Home, agent: str) -> Iterator[bool]:
    """Hold one of the agent's places for as long as this lasts, however it ends; yield whether one was free."""
    home.visits.mkdir(mode=0o700, exist_ok=True)
    for number in range(MOST_EACH):
        handle = os.open(home.visits / f"{agent}-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
