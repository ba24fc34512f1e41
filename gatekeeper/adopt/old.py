"""The pm2 that sites are taken from, and the folders they run in: the one part that touches what is not the gate's.

Every method takes and gives plain values, as in JSON, so that it can be asked from another process (`keeper`). It
stops nothing but what it is told by pm2's id, and deletes nothing.
"""

import errno
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from gatekeeper.errors import GateError
from gatekeeper.repo.export import blob_oid, sync_folder
from gatekeeper.sites import procfs
from gatekeeper.sites.pm2 import Pm2
from gatekeeper.sites.target import name_of

_PATIENCE = 60.0
_LARGEST = 1 << 20


class Old(Struct, frozen=True):
    """A pm2 home that is not the gate's, and what of the machine belongs to it."""

    pm2: Pm2

    def look(self) -> dict[str, Any]:
        """Return whose it is, its daemon, its list, its shell's environment and where its processes listen.

        Without a daemon the list is that of the last `pm2 save`. GateError when neither can be had.
        """
        home = self.pm2.home
        if not home.is_dir():
            raise GateError(f"{home} is no folder: PM2_HOME of the sites is wanted, such as /home/deploy/.pm2.")
        daemon = self.pm2.daemon()
        if daemon is None and (home / "rpc.sock").is_socket() and not os.access(home / "rpc.sock", os.W_OK):
            raise _not_ours(home)
        entries = self.pm2.entries() if daemon else _saved(home)
        tree = procfs.parents()
        return {
            "user": name_of(home.stat().st_uid),
            "uid": home.stat().st_uid,
            "daemon": daemon,
            "entries": entries,
            "shell": procfs.environment(daemon) if daemon else {},
            "heard": [
                [int(entry["pid"]), [list(one) for one in procfs.addresses(procfs.family(int(entry["pid"]), tree))]]
                for entry in entries
                if entry.get("pid")
            ],
            "shared": [list(one) for one in procfs.addresses({daemon})] if daemon else [],
        }

    def states(self) -> dict[str, str]:
        """Return pm2's word for each process, by its id; nothing when the daemon is down."""
        if self.pm2.daemon() is None:
            return {}
        return {str(one.pm_id): one.status for one in self.pm2.processes()}

    def ids(self, called: str, script: str, cwd: str) -> list[int]:
        """Return pm2's ids of what has exactly this name, program and folder; nothing when the daemon is down."""
        if self.pm2.daemon() is None:
            return []
        wanted = (called, script, cwd)
        return [one.pm_id for one in self.pm2.processes() if (one.name, one.script, one.cwd) == wanted]

    def family(self) -> list[int]:
        """Return the daemon and all that descends from it."""
        daemon = self.pm2.daemon()
        return sorted(procfs.family(daemon, procfs.parents())) if daemon else []

    def stop(self, ids: Sequence[int]) -> None:
        """Stop processes; they stay on pm2's list. Returns when they have ended."""
        self.pm2.stop(ids, timeout=_PATIENCE)

    def start(self, ids: Sequence[int]) -> None:
        """Start those that do not run as they were started before."""
        states = self.states()
        self.pm2.resume([one for one in ids if states.get(str(one)) not in ("online", "launching")], timeout=_PATIENCE)

    def compare(self, folder: str, files: Mapping[str, str]) -> dict[str, list[Any]]:
        """Compare a running folder with `files` (path, blob): what differs, is missing, or is there besides.

        A folder of which the tree holds nothing, or only a placeholder, is one entry, and is not looked into.
        """
        root = Path(folder)
        differs, seen = [], set[str]()
        extra = list[list[Any]]()
        for path, entry in _walk(root, files):
            if path not in files:
                extra.append([path, entry.is_dir()])
            else:
                seen.add(path)
                if not _same(entry, files[path]):
                    differs.append(path)
        placeholders = {path for path in files if _is_placeholder(path)}
        return {"differs": differs, "missing": sorted(files.keys() - seen - placeholders), "extra": extra}

    def read(self, path: str) -> str | None:
        """Return a small text file, None for anything else."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(handle, "rb") as file:
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return file.read(_LARGEST).decode("utf-8", "replace") if regular else None

    def move(self, source: str, home: str, owner: Sequence[int]) -> bool:
        """Move what a stopped site keeps into the gate, and leave a link in its place; `owner` is who has it then.

        False when it lies on another disk: then the gate's link to it stays. A move that was cut short is completed.
        """
        old, new = Path(source), Path(home)
        if old.is_symlink() or not old.exists():
            if not old.is_symlink() and new.exists() and not new.is_symlink():
                old.symlink_to(new)
            return True
        if old.stat().st_dev != new.parent.stat().st_dev:
            return False
        if new.is_symlink():
            new.unlink()
        try:
            old.rename(new)
        except OSError as problem:
            if problem.errno not in (errno.EXDEV, errno.EBUSY):
                raise
            new.symlink_to(old)
            return False
        old.symlink_to(new)
        sync_folder(new.parent)
        sync_folder(old.parent)
        _hand_over(new, *owner)
        return True


def _walk(root: Path, files: Mapping[str, str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    folders = {parent for path in files if not _is_placeholder(path) for parent in _parents(path)}
    todo = [""]
    while todo:
        below = todo.pop()
        try:
            entries = sorted(os.scandir(root / below), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir(follow_symlinks=False) and path in folders:
                todo.append(path)
            elif entry.name != ".git":
                yield path, entry


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _is_placeholder(path: str) -> bool:
    return path.rpartition("/")[2] in (".gitkeep", ".keep", ".gitignore") and "/" in path


def _same(entry: os.DirEntry[str], oid: str) -> bool:
    try:
        if entry.is_symlink():
            return blob_oid(os.fsencode(os.readlink(entry.path))) == oid  # noqa: PTH115 - its bytes
        return entry.is_file() and blob_oid(Path(entry.path).read_bytes()) == oid
    except OSError:
        return False


def _saved(home: Path) -> list[dict[str, Any]]:
    try:
        return json.loads((home / "dump.pm2").read_bytes())  # type: ignore[no-any-return]
    except PermissionError as problem:
        raise _not_ours(home) from problem
    except (OSError, ValueError) as problem:
        raise GateError(
            f"No pm2 runs in {home}, and there is no list that it saved ({home}/dump.pm2).",
            code="GATE-504",
            hints=("Start the sites there, or name the PM2_HOME that they run in.",),
        ) from problem


def _not_ours(home: Path) -> GateError:
    user = name_of(home.stat().st_uid)
    return GateError(
        f"The pm2 in {home} is {user}'s: only {user} and root can reach it.",
        code="GATE-504",
        hints=(f"A gate of {user}'s own can take its sites, and one of root's.", "gatekeeper init DIR --from REPO"),
    )


def _hand_over(place: Path, uid: int, gid: int) -> None:
    """Give what was moved to who runs the site now. Links are not followed, whoever put them there."""
    if os.geteuid() != 0:
        return
    os.chown(place, uid, gid, follow_symlinks=False)
    for _, folders, names, folder in os.fwalk(place) if place.is_dir() and not place.is_symlink() else ():
        for name in (*folders, *names):
            with suppress(FileNotFoundError):
                os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)
