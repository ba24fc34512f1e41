"""The Librarian's lock: who holds it may write. It dies with its owner and with the children that inherited it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from gatekeeper.errors import Exit, GateError

_DEAD = 60.0
"""Seconds; a push holds its lock files for milliseconds."""


class Lock(Struct, frozen=True):
    """The token that everything which writes asks for; `fd` is handed to children that must not outlive it."""

    fd: int


@contextmanager
def hold(home: Path) -> Iterator[Lock]:
    """Hold the lock of the gate at `home`; GateError (exit 21) names the process that has it."""
    fd = os.open(home / "var" / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(fd) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield Lock(fd)
    finally:
        os.close(fd)


def holder(home: Path) -> int | None:
    """Return the process id of the Librarian that runs, or None.

    The lock is tried only while a process of that id lives, so that looking never turns a starting one away.
    """
    try:
        fd = os.open(home / "var" / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        pid = _pid(fd)
        if not Path(f"/proc/{pid}").exists():
            return None
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return pid
    finally:
        os.close(fd)
    return None


def clear_own(repository: Path) -> None:
    """Remove lock files that only a Librarian makes; whoever holds its lock knows that the maker is dead."""
    own = (lock for part in ("gate", "tags") for lock in (repository / "refs" / part).rglob("*.lock"))
    for stale in (*own, *(repository / name for name in ("refs/heads/release.lock", "HEAD.lock", "config.lock"))):
        stale.unlink(missing_ok=True)


def clear_shared(repository: Path, *, now: float) -> None:
    """Remove lock files that pushes make as well, once they are so old that no living push can be at work."""
    for lock in (repository / "packed-refs.lock", *(repository / "refs" / "heads" / "request").glob("*.lock")):
        with suppress(FileNotFoundError):
            if now - lock.stat().st_mtime > _DEAD:
                lock.unlink()


def _pid(fd: int) -> int:
    text = os.pread(fd, 32, 0).decode().strip()
    return int(text) if text.isdigit() else 0


def _taken(fd: int) -> GateError:
    return GateError(
        f"Another Librarian (process {_pid(fd)}) holds the lock of this gate.",
        hints=("gatekeeper status",),
        exit=Exit.LOCKED,
    )
