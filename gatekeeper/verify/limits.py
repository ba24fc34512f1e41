"""What one build or check may use: memory and processes by cgroup (or rlimit, where that is not allowed), and disk.

Nothing here starts a job; it says which doors to join, which rlimits to set and when to stop.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from uuid import uuid4

from msgspec import Struct

from gatekeeper import process
from gatekeeper.verify.own_user import as_owner

LimitKind = Literal["cgroup", "rlimit"]

_ROOT = Path("/sys/fs/cgroup")
_NAME = "gate-check-"
_CONTROLLERS = ("memory", "pids")
_NEW_FILES = 1_000_000
_LETTING_GO = 2.0


class Limits(Struct, frozen=True):
    """Bytes and counts; `memory` and `processes` are of the whole job by cgroup, of each process and job by rlimit."""

    memory: int
    processes: int
    file_size: int


class Bounds(Struct, frozen=True):
    """The bounds of one run: which kind, and the cgroups (none by rlimit) that its first process joins."""

    kind: LimitKind
    limits: Limits
    groups: tuple[Path, ...] = ()

    @property
    def doors(self) -> tuple[str, ...]:
        """The files that a process writes its id to."""
        return tuple(str(group / "cgroup.procs") for group in self.groups)

    @property
    def prlimit(self) -> tuple[str, ...]:
        """The command in front of the job's own; it belongs inside the sandbox, where nothing else counts.

        RLIMIT_AS is no use for Node, which reserves gigabytes and touches few; RLIMIT_DATA counts what it can write
        to. RLIMIT_NPROC counts a user namespace by itself, and not at all for root, who has cgroups.
        """
        job = () if self.groups else (f"--data={self.limits.memory}", f"--nproc={self.limits.processes}")
        return ("prlimit", "--core=0", f"--fsize={self.limits.file_size}", *job, "--")

    def reached(self) -> tuple[str, ...]:
        """Return a sentence for each limit that the kernel has enforced; rlimits leave no trace."""
        out_of_memory = _count(self.groups, ("memory.oom_control", "memory.events"), "oom_kill")
        refused = _count(self.groups, ("pids.events",), "max")
        return (
            *((f"The memory limit of {self.limits.memory} bytes was reached.",) if out_of_memory else ()),
            *((f"The limit of {self.limits.processes} processes was reached.",) if refused else ()),
        )


@contextmanager
def bounded(limits: Limits) -> Iterator[Bounds]:
    """Make a cgroup for one run where this user may, and remove it when its last process is gone."""
    groups = _make(limits)
    try:
        yield Bounds("cgroup" if groups else "rlimit", limits, groups)
    finally:
        for group in groups:
            _remove(group, patience=_LETTING_GO)


def sweep() -> None:
    """Remove the cgroups that a killed process of ours left; their names tell whose they are."""
    with contextlib.suppress(OSError):
        for place in _places(Path("/proc/self/cgroup").read_text(), _ROOT):
            for group in place.glob(f"{_NAME}*"):
                if not Path("/proc", group.name.removeprefix(_NAME).partition("-")[0]).exists():
                    _remove(group, patience=0)


def disk_watch(tree: Path, limit: int) -> Callable[[], str | None]:
    """Return what to ask while a job runs: a sentence once it wrote more than `limit` bytes below `tree`.

    The tree stays on disk, because its outputs are kept and node_modules is too big for a tmpfs. The file system's
    own counters are asked first, which costs nothing; only past the limit is the tree walked, since others write
    too. Files deleted while open escape the walk, so four times the limit ends the job whoever it was.
    """
    began, at_first = time.time(), os.statvfs(tree)

    def grown_too_much() -> str | None:
        now = os.statvfs(tree)
        grown = (at_first.f_bfree - now.f_bfree) * now.f_frsize
        if grown > limit and (grown > 4 * limit or _written_since(tree, began) > limit):
            return f"It wrote more than {limit} bytes to disk."
        if at_first.f_ffree - now.f_ffree > _NEW_FILES:
            return f"It made more than {_NEW_FILES} files."
        return None

    return grown_too_much


def _written_since(tree: Path, began: float) -> int:
    """Count with the eyes of who owns the tree now: a folder that is closed to us would be a place to hide in."""
    find = ("find", str(tree), "-newerct", f"@{began:.6f}", "-printf", "%b\n")
    return 512 * sum(map(int, process.run(as_owner(find)).output.split()))


def _make(limits: Limits) -> tuple[Path, ...]:
    """Return the groups made, or none: a limit that cannot be set is worse than one that is known to be missing."""
    made: list[Path] = []
    name = f"{_NAME}{os.getpid()}-{uuid4().hex[:12]}"
    try:
        for place in _places(Path("/proc/self/cgroup").read_text(), _ROOT):
            (place / name).mkdir()
            made.append(place / name)
            _set(place / name, limits)
    except OSError:
        for group in made:
            _remove(group, patience=0)
        return ()
    return tuple(made)


def _places(own: str, root: Path) -> tuple[Path, ...]:
    """Return where groups are made: a folder a controller (v1), or one for both (v2), or none.

    `own` is /proc/self/cgroup. In v2 a group with processes has no groups with limits below it: ours stand beside.
    """
    paths = {names: path for _, names, path in (line.split(":", 2) for line in own.splitlines())}
    if (root / "cgroup.controllers").exists():
        place = (root / paths.get("", "/").lstrip("/")).parent if paths.get("", "/") != "/" else root
        given = (place / "cgroup.subtree_control").read_text().split()
        return (place,) if set(_CONTROLLERS) <= set(given) else ()
    v1 = {name: path for names, path in paths.items() for name in names.split(",") if name in _CONTROLLERS}
    return tuple(root / name / path.lstrip("/") for name, path in v1.items()) if len(v1) == 2 else ()


def _set(group: Path, limits: Limits) -> None:
    wanted = {
        "memory.limit_in_bytes": str(limits.memory),
        "memory.max": str(limits.memory),
        "memory.swap.max": "0",
        "pids.max": str(limits.processes),
    }
    for name, value in wanted.items():
        if (group / name).exists():
            (group / name).write_text(value)


def _remove(group: Path, *, patience: float) -> None:
    """Remove a group; the kernel refuses until it has let go of the last dead process."""
    until = time.monotonic() + patience
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() >= until:
                return
            time.sleep(0.002)
        else:
            return


def _count(groups: tuple[Path, ...], files: tuple[str, ...], key: str) -> int:
    total = 0
    for path in (group / name for group in groups for name in files):
        with contextlib.suppress(OSError):
            words = path.read_text().split()
            total += int(words[words.index(key) + 1]) if key in words else 0
    return total
