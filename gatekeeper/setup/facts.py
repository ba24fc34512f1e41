"""Looks at the machine once, for what the wishes of a set-up are judged by. Changes nothing."""

import os
import pwd
import shutil
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from gatekeeper import assets, process
from gatekeeper.repo import hooks, lock
from gatekeeper.setup.wishes import (
    File,
    Folder,
    Ground,
    HomeOf,
    Hooks,
    NoDaemon,
    Service,
    Sshd,
    Tree,
    Wish,
)
from gatekeeper.sites.pm2 import Pm2

PACKAGES = {
    "git": "git",
    "bwrap": "bubblewrap",
    "newuidmap": "uidmap",
    "slirp4netns": "slirp4netns",
    "setpriv": "util-linux",
    "useradd": "passwd",
}
"""Programs that the enforced set-up cannot do without, and the Debian packages that bring them."""


class Account(Struct, frozen=True):
    """A line of the machine's list of users."""

    uid: int
    gid: int
    home: str
    comment: str


class Seen(Struct, frozen=True):
    """What lies at a path; a link is never followed."""

    uid: int
    gid: int
    mode: int
    link: bool


class Running(Struct, frozen=True):
    """A process, and whose it is."""

    pid: int
    uid: int


class Facts(Struct, frozen=True):
    """What is there. Paths that do not exist have no entry."""

    uid: int
    users: Mapping[str, Account]
    seen: Mapping[Path, Seen]
    strays: Mapping[Path, frozenset[tuple[int, int]]]
    """For each tree the owners (user, group) that occur in it."""
    homes: Mapping[Path, int]
    """Whose the home folders of people are; one that is a link has no entry."""
    texts: Mapping[Path, str]
    subuid: str
    subgid: str
    services: frozenset[str]
    """Units that run, and do so after the next boot."""
    missing: tuple[str, ...]
    """Packages."""
    barred: Mapping[Path, Path]
    """What other users must reach and cannot, with the folder or file that bars them."""
    librarian: Running | None
    daemons: Mapping[Path, Running]
    """Running pm2 daemons by their home."""
    hooks_differ: bool


def look(ground: Ground, wishes: Iterable[Wish], also: Iterable[Path] = ()) -> Facts:
    """Return the facts that these wishes are about; `also` are more paths to look at."""
    wanted = tuple(wishes)
    files = [wish.file for wish in wanted if isinstance(wish, Sshd | Service)]
    paths = [wish.path for wish in wanted if isinstance(wish, Folder | Tree)]
    trees = [wish.path for wish in wanted if isinstance(wish, Tree)]
    homes = [wish.home for wish in wanted if isinstance(wish, NoDaemon)]
    persons = [wish.path for wish in wanted if isinstance(wish, HomeOf)]
    names = [wish.name for wish in wanted if isinstance(wish, Service)]
    return Facts(
        uid=os.geteuid(),
        users=accounts(),
        seen={path: seen for path in (*paths, *also, *(file.path for file in files)) if (seen := see(path))},
        strays={tree: owners(tree, passing_over=ground.home.work) for tree in trees if tree.exists()},
        homes={path: seen.uid for path in persons if (seen := see(path)) and not seen.link},
        texts={file.path: file.path.read_text("utf-8", "replace") for file in files if _readable(file)},
        subuid=_text(Path("/etc/subuid")),
        subgid=_text(Path("/etc/subgid")),
        services=frozenset(name for name in names if _serves(name)),
        missing=missing_packages(),
        barred=barred(reached(ground)),
        librarian=whose(lock.holder(ground.home.path)),
        daemons={home: running for home in homes if (running := daemon(ground.config.pm2.command, home))},
        hooks_differ=any(isinstance(wish, Hooks) and bool(hooks.drift(wish.home)) for wish in wanted),
    )


def accounts() -> dict[str, Account]:
    """Return every user of the machine."""
    return {one.pw_name: Account(one.pw_uid, one.pw_gid, one.pw_dir, one.pw_gecos) for one in pwd.getpwall()}


def see(path: Path) -> Seen | None:
    """Return what lies at a path, the link itself when it is one; None for nothing."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return Seen(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode), stat.S_ISLNK(found.st_mode))


def owners(tree: Path, *, passing_over: Path) -> frozenset[tuple[int, int]]:
    """Return every owner (user, group) that occurs in a tree, following no link and not looking into one folder."""
    found = {_owner(tree)}
    for folder, folders, files in os.walk(tree):
        if Path(folder) == passing_over:
            folders.clear()
            continue
        found |= {_owner(Path(folder, name)) for name in (*folders, *files)}
    return frozenset(one for one in found if one is not None)


def missing_packages() -> tuple[str, ...]:
    """Return the Debian packages whose programs are not there."""
    return tuple(sorted({package for program, package in PACKAGES.items() if found(program) is None}))


def found(program: str) -> str | None:
    """Return where a program is, the folders of the administrator's programs included; a path stands for itself."""
    path = process.clean_environment().get("PATH", "")
    return shutil.which(program, path=f"{path}:/usr/local/sbin:/usr/sbin:/sbin")


def reached(ground: Ground) -> tuple[Path, ...]:
    """Return what the users of the set-up must reach: the gate, this program, its Python, and what runs sites."""
    programs = [Path(place) for name in ("git", "node", ground.config.pm2.command[0]) if (place := found(name))]
    own = [Path(ground.program[0]), Path(assets.__file__), Path(os.__file__)]
    return tuple(
        dict.fromkeys(place for path in (ground.home.path, *own, *programs) for place in (path, path.resolve()))
    )


def barred(paths: Iterable[Path]) -> dict[Path, Path]:
    """Return those paths that not every user can reach, with the first place on the way that says no."""
    return {path: bar for path in paths if (bar := _bar(path)) is not None}


def daemon(command: tuple[str, ...], home: Path) -> Running | None:
    """Return the pm2 daemon of a home, when it runs."""
    return whose(Pm2.at(command, home).daemon())


def whose(pid: int | None) -> Running | None:
    """Return a process with its user; None when it is gone."""
    if pid is not None:
        with suppress(OSError):
            return Running(pid, Path(f"/proc/{pid}").stat().st_uid)
    return None


def _bar(path: Path) -> Path | None:
    for place in (*reversed(path.parents), path):
        with suppress(OSError):
            mode = place.stat().st_mode
            if not mode & (stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH):
                return place
    return None


def _owner(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = path.lstat()
        return found.st_uid, found.st_gid
    return None


def _serves(name: str) -> bool:
    return all(process.run(("systemctl", "--quiet", verb, name)).ok for verb in ("is-enabled", "is-active"))


def _readable(file: File) -> bool:
    return file.path.is_file() and not file.path.is_symlink()


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.is_file() else ""
