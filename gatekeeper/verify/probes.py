"""What the self-test runs inside a box: tries to reach what must be out of reach, and prints what it reached.

Its text is handed to a Python in the box, so it imports the standard library alone.
"""

import contextlib
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Read what to try from the only argument; print one line for each thing that can be reached."""
    aims = json.loads(sys.argv[1])
    for line in reached(aims):
        print(line)  # noqa: T201 - it is read by the self-test


def reached(aims: dict[str, Any]) -> list[str]:
    """Return what can be reached, in a few words each."""
    found = [
        "a TCP port of this machine" if _connects(socket.AF_INET, ("127.0.0.1", aims["port"])) else "",
        "a socket file" if _connects(socket.AF_UNIX, aims["socket"]) else "",
        "an abstract socket" if _connects(socket.AF_UNIX, "\0" + aims["abstract"]) else "",
        "a file of the Librarian's" if _there(aims["file"]) else "",
        "the Librarian's environment" if set(os.environ) - set(aims["environment"]) else "",
        *(f"a place to write, {place}" for place in ("/", "/usr", "/etc", "/proc/sys/kernel") if _writes(place)),
        "the Librarian itself" if _controls(aims["pid"], aims["began"]) else "",
        "what is the Librarian's alone" if aims["own_user"] and _reads(aims["closed"]) else "",
        "a capability" if _capabilities() else "",
    ]
    return [line for line in found if line]


def _connects(family: socket.AddressFamily, place: tuple[str, int] | str) -> bool:
    with socket.socket(family) as end:
        end.settimeout(2)
        with contextlib.suppress(OSError):
            end.connect(place)
            return True
    return False


def _there(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:
        return False


def began(pid: int) -> str | None:
    """Return when a process began, in ticks since the start of the machine: with its id that is the process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19]
    except OSError:
        return None


def _controls(pid: int, since: str | None) -> bool:
    """Return whether it may be sent signals, or its memory read; an id in here may be another's out there."""
    if began(pid) != since:
        return False
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return True
    return _reads(f"/proc/{pid}/mem")


def _reads(path: str) -> bool:
    try:
        with Path(path).open("rb"):
            return True
    except OSError:
        return False


def _writes(place: str) -> bool:
    existing = Path(place, "core_pattern")
    try:
        with existing.open("a") if existing.exists() else Path(place, ".probe").open("w"):
            return True
    except OSError:
        return False


def _capabilities() -> bool:
    lines = Path("/proc/self/status").read_text().splitlines()
    return any(int(line.split()[1], 16) for line in lines if line.startswith(("CapPrm:", "CapEff:", "CapBnd:")))


if __name__ == "__main__":
    main()
