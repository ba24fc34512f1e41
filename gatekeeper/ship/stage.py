"""Writes one release's folder: the full tree from objects, build outputs as verified, links to kept data.

A folder has its final name only when it is complete, read-only and on disk.
"""

import ctypes
import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gatekeeper import fault
from gatekeeper.config.schema import Site
from gatekeeper.model import Oid
from gatekeeper.repo.export import OnDisk, export, sync_folder
from gatekeeper.repo.git import Git
from gatekeeper.verify import store

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Output:
    """One path that a build left: where it belongs in the tree, which build, and the digest of all that it left."""

    path: str
    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A build's output is no longer what the checks saw; it has been thrown away and must be built again."""

    key: str


@dataclass(frozen=True, slots=True)
class Load:
    """What a release's folder is made of."""

    tree: Oid
    outputs: tuple[Output, ...]
    sites: Mapping[str, Site]


def stage(git: Git, load: Load, folder: Path, *, builds: Path, data: Path, like: OnDisk | None) -> Changed | None:
    """Make `folder`; a complete one from an earlier try stays. Returns Changed when it could not be made truthfully."""
    if folder.exists():
        return None
    changed = _prove(load.outputs, builds)
    if changed is not None:
        return changed
    draft = folder.with_name(f".new-{folder.name}")
    remove(draft)
    with fault.step("stage: begin"):
        draft.mkdir(parents=True)
    export(git, load.tree, draft, like=like)
    for output in load.outputs:
        remove(draft / output.path)
        store.place(builds, output.key, output.path, draft / output.path)
        os.utime(builds / output.key)  # housekeeping goes by when it was used last
    scratch = [made for name, site in load.sites.items() for made in _furnish(name, site, draft, data)]
    with fault.step("stage: protect"):
        _protect(draft, scratch)
        _sync_disk(draft)
    with fault.step("stage: name"):
        draft.rename(folder)
        sync_folder(folder.parent)
    return None


def remove(path: Path) -> None:
    """Delete a file or a folder, read-only ones too; nothing there is no error."""
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    if path.is_dir():
        with fault.step(f"remove: {path.parent.name}"):
            for root, _, _ in os.walk(path):
                os.chmod(root, 0o755)  # noqa: PTH101, S103 - about to be deleted
            shutil.rmtree(path)


def _prove(outputs: Iterable[Output], builds: Path) -> Changed | None:
    for key, digest in {output.key: output.digest for output in outputs}.items():
        if store.digest(builds / key) != digest:
            remove(builds / key)
            return Changed(key)
    return None


def _furnish(name: str, site: Site, draft: Path, data: Path) -> Iterable[Path]:
    """Link what the site keeps, make its scratch folders; yield the latter."""
    if not (draft / site.path).is_dir():
        return
    for kept in site.data:
        place, home = draft / site.path / kept, data / name / kept
        _seed(place, home)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(home)
    for scratch in site.writable:
        place = draft / site.path / scratch
        remove(place)
        place.mkdir(parents=True)
        yield place


def _seed(place: Path, home: Path) -> None:
    """At the first ship what the tree has at a data path is where its data starts from; later it is passed over."""
    if not home.exists():
        draft = home.with_name(f".new-{home.name}")
        home.parent.mkdir(parents=True, exist_ok=True)
        remove(draft)
        if place.is_dir():
            shutil.copytree(place, draft, symlinks=True)
        else:
            draft.mkdir()
        with fault.step("seed data"):
            draft.rename(home)
            sync_folder(home.parent)
    remove(place)


def _protect(draft: Path, scratch: list[Path]) -> None:
    """Take the right to write from everything but the scratch folders."""
    for root, folders, files in os.walk(draft, topdown=False):
        for name in (*files, *folders):
            path = Path(root, name)
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode) and path not in scratch:
                path.chmod(stat.S_IMODE(mode) & ~0o222)
    draft.chmod(0o555)


def _sync_disk(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _libc.syncfs(handle) != 0:
            raise OSError(ctypes.get_errno(), f"syncfs of {folder}")
    finally:
        os.close(handle)
