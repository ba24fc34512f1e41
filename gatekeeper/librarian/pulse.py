"""Tells systemd that the Librarian is ready, alive and at what; without NOTIFY_SOCKET it says nothing to anybody.

Only the thread that does the work calls it, between two steps and while it waits: one that hangs falls silent, and is
started anew. A thread of its own would go on saying that all is well.
"""

import socket
from contextlib import suppress

EVERY = 5.0
"""Seconds after which whoever waits for something says that it still does."""
_address: str | None = None


def speak_to(address: str | None) -> None:
    """Name the socket that listens, as NOTIFY_SOCKET has it; None: nobody does."""
    global _address  # noqa: PLW0603 - a process has one supervisor
    _address = address


def ready(status: str) -> None:
    """Say that the start is over: the lock is held and the door open."""
    _say("READY=1", f"STATUS={status}")


def alive() -> None:
    """Say that the thread which calls this is at work."""
    _say("WATCHDOG=1")


def at(status: str) -> None:
    """Say what is done now, or waited for: `systemctl status` shows it."""
    _say("WATCHDOG=1", f"STATUS={status}")


def stopping() -> None:
    """Say that the end has begun."""
    _say("STOPPING=1", "STATUS=ending what has begun")


def _say(*lines: str) -> None:
    """Send one datagram; a listener that is gone or full is no reason to stop."""
    if _address is None:
        return
    place = "\0" + _address[1:] if _address.startswith("@") else _address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.sendto("\n".join(one.replace("\n", " ") for one in lines).encode(), place)
