"""What Git finds around it behind a door, as arguments of bubblewrap: the repository, read-only but for requests.

The second of three refusals of a write to `release`, tags and `refs/gate`; it rests on no hook and no setting.
"""

import os
import sys
from functools import cache
from pathlib import Path
from shutil import which

from gatekeeper import process
from gatekeeper.home import Home
from gatekeeper.verify.box import System, system

_WRITABLE = ("objects", "refs/heads/request", "logs/refs/heads/request")
_READ = ("hooks", "known", "refs", "logs", "HEAD", "config")
_ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime")
_LIVE = "/gate.git"
_SCRATCH = 64 << 20


def receive_pack(home: Home) -> tuple[str, ...]:
    """Return the command that serves a push. Only objects, request refs, the spool and the answers can be written.

    No decision can be made in here: the Librarian's door, and the folder of what people decided, are not there.
    The repository's own folder is a throw-away one, for the file that a push from a shallow clone needs there.
    Deleting a ref rewrites packed-refs, which cannot be had in here: the door does that by itself.
    """
    for place in (*(home.repo / name for name in _WRITABLE), home.decided):
        place.mkdir(parents=True, exist_ok=True)
    var = ("policy.json", "heartbeat.json", "roll.json", "bell.sock")
    return (
        *_around(home, system()),
        *(word for name in _WRITABLE for word in _mount("--bind", home.repo / name)),
        *_mount("--ro-bind", home.repo / "objects" / "info"),
        *(word for place in (home.spool, home.var / "answers") for word in _mount("--bind", place)),
        *("--tmpfs", str(home.decided), "--remount-ro", str(home.decided)),
        *(word for name in var for word in _mount("--ro-bind-try", home.var / name)),
        *_command(home, "receive-pack"),
    )


def upload_pack(home: Home) -> tuple[str, ...]:
    """Return the command that serves a fetch. Nothing can be written."""
    return (
        *_around(home, system()),
        *_mount("--ro-bind", home.repo / "objects"),
        *_command(home, "upload-pack", "--strict", "--timeout=600"),
    )


def environment(**more: str) -> dict[str, str]:
    """Return all that Git behind a door knows of the world; nothing of it comes from the client but `more`."""
    return {
        "PATH": f"{_git().parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_NO_REPLACE_OBJECTS": "1",
        **more,
    }


def _around(home: Home, here: System) -> tuple[str, ...]:
    return (
        *(here.bwrap, "--unshare-all", "--unshare-user", *(("--disable-userns",) if here.bars_userns else ())),
        *("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "gate-door"),
        *("--ro-bind", "/usr", "/usr"),
        *(word for name, target in here.links for word in ("--symlink", target, name)),
        *(word for name in here.folders for word in ("--ro-bind", name, name)),
        *(word for name in _ETC for word in ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")),
        *(word for place in _installed() for word in _mount("--ro-bind", place)),
        *("--dev", "/dev", "--size", str(_SCRATCH), "--tmpfs", str(home.repo)),
        *("--ro-bind", str(home.repo), _LIVE, "--symlink", f"{_LIVE}/packed-refs", str(home.repo / "packed-refs")),
        *(word for name in _READ for word in _mount("--ro-bind-try", home.repo / name)),
    )


def _command(home: Home, *words: str) -> tuple[str, ...]:
    return ("--remount-ro", "/", "--chdir", str(home.repo), "--", str(_git()), *words, str(home.repo))


def _mount(how: str, place: Path) -> tuple[str, ...]:
    return (how, str(place), str(place))


@cache
def _installed() -> tuple[Path, ...]:
    """Return where Git, and the Python of the hooks, lie when that is not below /usr."""
    wanted = {_git().parent.parent, Path(sys.base_prefix).resolve()}
    return tuple(sorted(place for place in wanted if not place.is_relative_to("/usr")))


@cache
def _git() -> Path:
    found = which("git", path=process.clean_environment().get("PATH"))
    return Path(found or "/usr/bin/git").resolve()
