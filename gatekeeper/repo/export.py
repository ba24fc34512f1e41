"""Writes trees from Git objects to disk: no clone, no checkout, no filters, no attributes.

What is unchanged against a tree that lies on disk already is hard-linked, and then proved by its content.
"""

import hashlib
import os
import shutil
import stat
from pathlib import Path

from msgspec import Struct

from gatekeeper import fault
from gatekeeper.errors import GateError
from gatekeeper.model import Oid
from gatekeeper.repo.git import Entry, Git


class OnDisk(Struct, frozen=True):
    """A tree that was written before: where it lies, and its oid."""

    folder: Path
    tree: Oid


def export(git: Git, tree: Oid, target: Path, *, paths: tuple[str, ...] = (), like: OnDisk | None = None) -> None:
    """Write `tree` (or only `paths` of it) below `target`, which must exist; link what `like` has already.

    Raises GateError when a linked file turns out to have other content than its blob.
    """
    had = {(e.path, e.mode, e.oid) for e in git.entries(like.tree, *paths, deep=True)} if like else set()
    root, source = os.fspath(target), os.fspath(like.folder) if like else ""
    made, own = {""}, {"": True}
    for entry in git.entries(tree, *paths, deep=True):
        inside = entry.path.rpartition("/")[0]
        if inside not in made:
            os.makedirs(f"{root}/{inside}", exist_ok=True)  # noqa: PTH103 - pathlib costs more than the work itself here
            made.add(inside)
        place = f"{root}/{entry.path}"
        linked = (
            (entry.path, entry.mode, entry.oid) in had
            and _holds(source, inside, own)
            and _link(f"{source}/{entry.path}", place, entry)
        )
        if not linked:
            _write(git, place, entry)


def export_entry(git: Git, entry: Entry, target: Path) -> None:
    """Write one entry of a tree, a folder with all that is in it, to its path below `target`."""
    place = target / entry.path
    place.parent.mkdir(parents=True, exist_ok=True)
    if entry.type == "tree":
        place.mkdir(exist_ok=True)
        export(git, entry.oid, place)
    else:
        _write(git, str(place), entry)


def blob_oid(content: bytes) -> Oid:
    """Return the oid that Git gives this content."""
    return Oid(hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest())


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Delete a file or a folder, read-only ones too; nothing there is no error."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        with fault.step(f"remove: {path.parent.name}"):
            for root, _, _ in os.walk(path):
                os.chmod(root, 0o755)  # noqa: PTH101, S103 - about to be deleted
            shutil.rmtree(path)


def write_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that a reader, and the disk after a power cut, has the old content or the new."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")  # the doors write beside the Librarian
    with fault.step(f"draft: {path.name}"):
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(content)
            file.flush()
            os.fsync(handle)
    with fault.step(f"write: {path.name}"):
        draft.replace(path)
        sync_folder(path.parent)


def _holds(folder: str, inside: str, known: dict[str, bool]) -> bool:
    """Tell whether a path lies in the folder itself, not behind a link: there a site may have put anything."""
    if inside not in known:
        above = _holds(folder, inside.rpartition("/")[0], known)
        known[inside] = above and _is_folder(f"{folder}/{inside}")
    return known[inside]


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _link(source: str, place: str, entry: Entry) -> bool:
    """Link an unchanged regular file; False when it must be written anew, because it is gone or was changed."""
    if entry.mode == "120000":
        return False
    try:
        handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            seen = os.fstat(handle)
            if not stat.S_ISREG(seen.st_mode) or blob_oid(file.read()) != entry.oid:
                return False
        if bool(seen.st_mode & 0o100) != (entry.mode == "100755"):
            return False
        os.link(source, place, follow_symlinks=False)
    except OSError:
        return False
    return True


def _write(git: Git, place: str, entry: Entry) -> None:
    if entry.type != "blob":
        raise GateError(
            f"{entry.path} is a {entry.type}: only files and links can be written to disk.", code="GATE-204"
        )
    with fault.step("export"):
        content = git.read(entry.oid)
    if entry.mode == "120000":
        Path(place).symlink_to(content.decode("utf-8", "surrogateescape"))
        return
    mode = 0o755 if entry.mode == "100755" else 0o644
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)
        file.write(content)
