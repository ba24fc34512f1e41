"""Build outputs on disk: var/builds/<key>/, each path as the build left it, with a digest that proves it."""

import hashlib
import os
import shutil
import stat
import tarfile
from pathlib import Path
from typing import IO, Any

from gatekeeper import fault
from gatekeeper.errors import GateError
from gatekeeper.repo.export import sync_folder

_BLOCK = 1 << 20
_TAME: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Python 3.11.4 learned to refuse what would leave the folder."""


def keep(tree: Path, outputs: tuple[str, ...], store: Path, key: str) -> str:
    """Move a build's outputs from its tree into the store; return their digest.

    Raises GateError when an output is missing or holds a link that leaves the tree.
    """
    draft, final = store / f".{key}", store / key
    shutil.rmtree(draft, ignore_errors=True)
    for output in outputs:
        source = tree / output
        if not source.exists():
            raise GateError(f"The build left no {output}.", code="GATE-402")
        place = draft / output
        place.parent.mkdir(parents=True, exist_ok=True)
        source.rename(place)
        _refuse_strangers(place, draft)
    shutil.rmtree(final, ignore_errors=True)
    with fault.step("keep a build"):
        draft.rename(final)
        sync_folder(store)
    return digest(final)


def digest(folder: Path) -> str:
    """Return a digest of every path, kind, execute bit, link and byte below `folder`."""
    total = hashlib.sha256()
    for path in sorted(_walk(folder)):
        seen = path.lstat()
        name = os.fsencode(path.relative_to(folder))
        if stat.S_ISLNK(seen.st_mode):
            total.update(b"link\0%s\0%s\0" % (name, os.fsencode(path.readlink())))
        elif stat.S_ISREG(seen.st_mode):
            executable = b"x" if seen.st_mode & 0o100 else b"-"
            total.update(b"file\0%s\0%s\0%s\0" % (name, executable, _content(path)))
        else:
            total.update(b"folder\0%s\0" % name)
    return total.hexdigest()


def place(store: Path, key: str, output: str, target: Path) -> None:
    """Put one output of a build into a release: linked, so that it costs no room."""
    source = store / key / output
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, copy_function=os.link)
    else:
        target.hardlink_to(source)


def archive(build: Path, file: IO[bytes]) -> int:
    """Write all that a build left to `file`, for another machine; return its size in bytes."""
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.add(build, arcname=".")
    return file.seek(0, os.SEEK_END)


def unpack(file: IO[bytes], place: Path, wanted: str) -> None:
    """Write what arrived to `place`, which must not exist; GateError, and nothing there, when its digest is another."""
    try:
        with tarfile.open(fileobj=file, mode="r") as tar:
            tar.extractall(place, **_TAME)  # noqa: S202 - it is the gate's, and its digest is asked for next
    except tarfile.TarError as problem:
        shutil.rmtree(place, ignore_errors=True)
        raise GateError(f"What came as build {wanted} cannot be unpacked: {problem}.") from problem
    found = digest(place)
    if found != wanted:
        shutil.rmtree(place)
        raise GateError(f"What came as build {wanted} is {found}.")


def _content(path: Path) -> bytes:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total.update(block)
    return total.digest()


def _walk(folder: Path) -> list[Path]:
    return [Path(root, name) for root, folders, files in os.walk(folder) for name in (*folders, *files)]


def _refuse_strangers(place: Path, draft: Path) -> None:
    """Only files, folders and links within the tree may ship: no devices, sockets, or ways out."""
    for path in (place, *(_walk(place) if place.is_dir() and not place.is_symlink() else ())):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            goal = os.path.normpath(path.parent / path.readlink())
            if path.readlink().is_absolute() or not Path(goal).is_relative_to(draft):
                raise GateError(f"The build left a link that leaves the tree: {path.name}.", code="GATE-402")
        elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise GateError(f"The build left {path.name}, which is neither a file nor a folder.", code="GATE-402")
