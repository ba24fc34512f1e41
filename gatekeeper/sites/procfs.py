"""What the kernel says about processes and ports: /proc, read only. No other source of truth about who runs."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"
_PREFIX = "socket:["


def parents() -> dict[int, int]:
    """Return every living process with its parent; a zombie no longer serves anybody."""
    found = {}
    for pid in _pids():
        with suppress(OSError):
            # the name in brackets may hold spaces and brackets itself
            state, parent = (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[:2]
            if state not in "ZX":
                found[pid] = int(parent)
    return found


def family(root: int, tree: dict[int, int]) -> set[int]:
    """Return `root` and all that descends from it."""
    found, size = {root}, 0
    while len(found) > size:
        size = len(found)
        found |= {pid for pid, parent in tree.items() if parent in found}
    return found


def cwd(pid: int) -> str | None:
    """Return the physical folder a process is in; None when it is gone or another user's."""
    try:
        return str((_PROC / str(pid) / "cwd").readlink()).removesuffix(" (deleted)")
    except OSError:
        return None


def title(pid: int) -> str:
    """Return a process's command line, as it may have rewritten it, printable; empty when it is gone."""
    try:
        raw = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ""
    text = raw.replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def listeners(ports: Iterable[int]) -> dict[int, set[str]]:
    """Return the listening TCP sockets of each port, by inode; both IP families, every address."""
    found: dict[int, set[str]] = {port: set() for port in ports}
    for table in ("tcp", "tcp6"):
        for row in _rows(table):
            port = int(row[1].rpartition(":")[2], 16)
            if row[3] == _LISTEN and port in found:
                found[port].add(row[9])
    return found


def addresses(pids: Iterable[int]) -> list[tuple[str, int]]:
    """Return where processes listen: each address, as the kernel writes it in hexadecimal, and its port."""
    held = set().union(*(sockets(pid) for pid in pids))
    rows = (row for table in ("tcp", "tcp6") for row in _rows(table) if row[3] == _LISTEN and row[9] in held)
    pairs = (row[1].rpartition(":") for row in rows)
    return sorted({(address, int(port, 16)) for address, _, port in pairs})


def environment(pid: int) -> dict[str, str]:
    """Return what a process was started with; empty when it is gone or another user's."""
    try:
        raw = (_PROC / str(pid) / "environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return {}
    return dict(one.split("=", 1) for one in raw.split("\0") if "=" in one)


def owners(port: int) -> set[int]:
    """Return the users that listen on a port: all that is told of the processes of others."""
    listening = (row for table in ("tcp", "tcp6") for row in _rows(table) if row[3] == _LISTEN)
    return {int(row[7]) for row in listening if int(row[1].rpartition(":")[2], 16) == port}


def sockets(pid: int) -> set[str]:
    """Return the inodes of a process's sockets; empty when it is gone or another user's."""
    found = set()
    with suppress(OSError):
        for entry in (_PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                target = str(entry.readlink())
                if target.startswith(_PREFIX):
                    found.add(target[len(_PREFIX) : -1])
    return found


def strangers(ports: Iterable[int], ours: set[int]) -> dict[int, int | None]:
    """Return the ports that a process outside `ours` listens on, with its pid; None for another user's."""
    heard = {port: inodes for port, inodes in listeners(ports).items() if inodes}
    own = set().union(*(sockets(pid) for pid in ours)) if heard else set()
    foreign = {port: inodes - own for port, inodes in heard.items() if inodes - own}
    return {port: _holder(inodes) for port, inodes in foreign.items()}


def describe(pid: int | None) -> str:
    """Say in words who a stranger is."""
    return "another user's process" if pid is None else f"process {pid} ({title(pid)[:80]})"


def _holder(inodes: set[str]) -> int | None:
    return next((pid for pid in _pids() if inodes & sockets(pid)), None)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())


def _rows(table: str) -> Iterator[list[str]]:
    try:
        lines = (_PROC / "net" / table).read_text("ascii").splitlines()
    except FileNotFoundError:  # no IPv6
        return iter(())
    return (line.split() for line in lines[1:])
