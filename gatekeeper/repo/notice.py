"""Wakes whoever waits when a ref of a repository moves. The kernel tells it (inotify), and nobody else has to.

So who waits needs no socket of the gate's, and whoever serves a push gains nothing by it.
"""

import ctypes
import os
import select
import struct
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from gatekeeper.model import REQUESTS, RESULTS

_CREATED, _MOVED_TO, _DELETED = 0x100, 0x80, 0x200
_EVENT = struct.Struct("iIII")
_CHUNK = 65536
libc = ctypes.CDLL(None, use_errno=True)


class Notice(AbstractContextManager["Notice"]):
    """Watches requests, results and the log from its making to its end; `works` is False where inotify does not."""

    def __init__(self, repo: Path) -> None:
        self._folders = tuple(repo / name for name in ("refs", "refs/gate", RESULTS, REQUESTS))
        self._handle = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._arm()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle >= 0:
            os.close(self._handle)

    @property
    def works(self) -> bool:
        """Whether a move will be noticed; a machine has only so many watches."""
        return self._handle >= 0 and min(self._watches, default=-1) >= 0

    def wait(self, seconds: float) -> frozenset[str]:
        """Return at the first move, at the latest after `seconds`, with the last part of each name that moved.

        What moved since the last call counts, so look first and call then. A name may stand for a folder; "" is a
        folder that is gone.
        """
        deadline = time.monotonic() + seconds
        watched = [self._handle] if self.works else []
        while select.select(watched, [], [], max(0.0, deadline - time.monotonic()))[0]:
            if moved := frozenset(_moved(os.read(self._handle, _CHUNK))):
                break
        else:
            moved = frozenset()
        self._arm()  # Git takes an empty folder away, and makes it anew
        return moved

    def _arm(self) -> None:
        """Watch each folder that there is; one that is watched already stays so."""
        mask = _CREATED | _MOVED_TO | _DELETED
        there = [folder for folder in self._folders if folder.is_dir()]
        self._watches = [libc.inotify_add_watch(self._handle, os.fsencode(folder), mask) for folder in there]


def _moved(events: bytes) -> Iterator[str]:
    """Yield the name in each event but those of lock files."""
    at = 0
    while at < len(events):
        length = _EVENT.unpack_from(events, at)[3]
        at += _EVENT.size + length
        name = os.fsdecode(events[at - length : at].rstrip(b"\0"))
        if not name.endswith(".lock"):
            yield name
