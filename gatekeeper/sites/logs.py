"""Keeps what sites print from filling the disk: pm2 itself never shortens its logs."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

MOST = 64 << 20
"""Bytes of one log; the newest of what goes beyond are kept beside it, once."""
_CHUNK = 1 << 20


def shorten(paths: Iterable[Path], *, most: int = MOST) -> None:
    """Begin each log anew that has grown beyond `most`, its newest bytes kept as `NAME.1`; never fails.

    pm2 holds them open and appends, so they are emptied in place. What is printed in that instant may be lost.
    """
    for path in paths:
        with suppress(OSError):
            _shorten(path, most)


def of_daemon(home: Path) -> list[Path]:
    """Return the logs of a pm2 daemon and of its sites."""
    return [home / "pm2.log", *(home / "logs").glob("*.log")]


def _shorten(path: Path, most: int) -> None:
    source = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(source, "rb+") as log:
        size = os.fstat(source).st_size
        if size <= most:
            return
        log.seek(size - most)
        kept = path.with_name(f"{path.name}.1")
        kept.unlink(missing_ok=True)
        try:
            with kept.open("xb") as copy:
                while chunk := log.read(_CHUNK):
                    copy.write(chunk)
        finally:  # a disk that is full has no room for a copy, and needs the log's
            log.truncate(0)
