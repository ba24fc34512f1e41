"""Writes one release's folder: the full tree from objects, build outputs as verified, links to kept data.

A folder has its final name only when it is complete, read-only and on disk.
"""

import ctypes
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from gatekeeper import fault
from gatekeeper.config.schema import Site
from gatekeeper.model import Oid
from gatekeeper.repo.export import OnDisk, export, remove, sync_folder
from gatekeeper.repo.git import Git
from gatekeeper.verify import store

_libc = ctypes.CDLL(None, use_errno=True)

Furnish = Callable[[str, Site, Path], Mapping[str, Path]]
"""Name, site and where its path lies in the draft; gives each folder in it that is a link, and what to."""


class Output(Struct, frozen=True):
    """One path that a build left: where it belongs in the tree, which build, and the digest of all that it left."""

    path: str
    key: str
    digest: str


class Changed(Struct, frozen=True):
    """A build's output is no longer what the checks saw; it has been thrown away and must be built again."""

    key: str


class Load(Struct, frozen=True):
    """What a release's folder is made of."""

    tree: Oid
    outputs: tuple[Output, ...]
    sites: Mapping[str, Site]


def stage(git: Git, load: Load, folder: Path, *, builds: Path, furnish: Furnish, like: OnDisk | None) -> Changed | None:
    """Make `folder`; a complete one from an earlier try stays. Returns Changed when it could not be made truthfully.

    `furnish` makes a site's folders outside the release; it is given the site as the tree has it.
    """
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
    if any(site.user for site in load.sites.values()):
        _grant(draft)
    scratch = [made for name, site in load.sites.items() for made in _furnish(name, site, draft, furnish)]
    with fault.step("stage: protect"):
        _protect(draft, scratch)
        _sync_disk(draft)
    with fault.step("stage: name"):
        draft.rename(folder)
        sync_folder(folder.parent)
    return None


def _prove(outputs: Iterable[Output], builds: Path) -> Changed | None:
    for key, digest in {output.key: output.digest for output in outputs}.items():
        if store.digest(builds / key) != digest:
            remove(builds / key)
            return Changed(key)
    return None


def _furnish(name: str, site: Site, draft: Path, furnish: Furnish) -> Iterable[Path]:
    """Link what the site keeps, make its scratch folders; yield those that lie in the release itself."""
    place = draft / site.path
    if not place.is_dir():
        return
    links = furnish(name, site, place)
    for inside, home in links.items():
        remove(place / inside)
        (place / inside).parent.mkdir(parents=True, exist_ok=True)
        (place / inside).symlink_to(home)
    for scratch in site.writable:
        if scratch not in links:
            remove(place / scratch)
            (place / scratch).mkdir(parents=True)
            yield place / scratch


def _grant(draft: Path) -> None:
    """Let everybody read the tree, whatever the umask or a build made of it: sites are other users."""
    for root, _, files in os.walk(draft):
        for path in (Path(root), *(Path(root, name) for name in files)):
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode):
                path.chmod(stat.S_IMODE(mode) | (0o555 if mode & 0o100 else 0o444))


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
