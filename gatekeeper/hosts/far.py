"""What `gatekeeper host` runs on a host through the operator's own SSH, before any program of ours is there.

Its text is sent whole, so it needs Python's standard library alone. usage: far.py look|install|remove JSON
It prints one JSON object; what it installs comes as a tar on standard input.
"""

import json
import os
import platform
import pwd
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

_TAME: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Python learned it with 3.11.4."""


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """Return what a plan is made from: programs, the user, what of ours is there already."""
    home, user = Path(asked["home"]), _user(asked["user"])
    keys = _keys(user) if user else None
    return {
        "python": list(sys.version_info[:2]),
        "machine": platform.machine(),
        "git": _says("git", "--version"),
        "node": _says("node", "--version"),
        "pm2": shutil.which(asked["pm2"]),
        "user": user.pw_name if user else None,
        "root": os.geteuid() == 0,
        "ours": user is not None and os.geteuid() in (0, user.pw_uid),
        "home": home.is_dir(),
        "writable": _writable(home),
        "free": shutil.disk_usage(_there(home)).free,
        "digest": _read(home / "program" / "digest"),
        "key": keys is not None and asked["line"] in (_read(keys) or "").splitlines(),
    }


def install(asked: dict[str, Any]) -> dict[str, Any]:
    """Put the program in its place by one rename, then open the door to it: never a key without its program."""
    home, user = Path(asked["home"]), _user(asked["user"])
    assert user is not None  # noqa: S101 - the plan says so
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    draft, place, old = home / ".program.new", home / "program", home / ".program.old"
    for left in (draft, old):
        shutil.rmtree(left, ignore_errors=True)
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|gz") as tar:
        tar.extractall(draft, **_TAME)  # noqa: S202 - it is the gate's, and arrived through the operator's own SSH
    if place.exists():
        place.rename(old)
    draft.rename(place)
    shutil.rmtree(old, ignore_errors=True)
    _own(home, user, deep=False)
    _own(place, user, deep=True)
    keys = _keys(user)
    if not keys.parent.exists():
        keys.parent.mkdir(mode=0o700)
        _own(keys.parent, user, deep=False)
    _write(keys, [*_others(keys, asked["mark"]), asked["line"]], user)
    return {"done": True}


def remove(asked: dict[str, Any]) -> dict[str, Any]:
    """Close the door, then take the program away; releases and data stay."""
    home, user = Path(asked["home"]), _user(asked["user"])
    if user is not None and _keys(user).exists():
        _write(_keys(user), _others(_keys(user), asked["mark"]), user)
    shutil.rmtree(home / "program", ignore_errors=True)
    return {"done": True}


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name) if name else pwd.getpwuid(os.geteuid())
    except KeyError:
        return None


def _keys(user: pwd.struct_passwd) -> Path:
    return Path(user.pw_dir) / ".ssh" / "authorized_keys"


def _others(keys: Path, mark: str) -> list[str]:
    return [line for line in (_read(keys) or "").splitlines() if not line.endswith(f" {mark}")]


def _write(path: Path, lines: list[str], user: pwd.struct_passwd) -> None:
    draft = path.with_name(f".{path.name}.new")
    draft.write_text("".join(f"{line}\n" for line in lines))
    draft.chmod(0o600)
    _own(draft, user, deep=False)
    draft.replace(path)


def _own(path: Path, user: pwd.struct_passwd, *, deep: bool) -> None:
    if os.geteuid() == 0:
        for place in (path, *(path.rglob("*") if deep else ())):
            os.chown(place, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _there(path: Path) -> Path:
    return path if path.exists() else _there(path.parent)


def _writable(home: Path) -> bool:
    return os.access(_there(home), os.W_OK | os.X_OK)


def _read(path: Path) -> str | None:
    try:
        return path.read_text().rstrip("\n")
    except OSError:
        return None


def _says(*argv: str) -> str | None:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


if __name__ == "__main__":
    verbs = {"look": look, "install": install, "remove": remove}
    json.dump(verbs[sys.argv[1]](json.loads(sys.argv[2])), sys.stdout)
