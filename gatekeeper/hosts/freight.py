"""What travels to a host: trees as packs of Git objects, builds' outputs as tars. Each is proved where it arrives.

A host's repository holds the trees of its releases alone, each kept by a ref of the release's name; no commit and no
history gets there.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from gatekeeper import fault, process
from gatekeeper.errors import GateError
from gatekeeper.home import Home
from gatekeeper.hosts.wire import Lack
from gatekeeper.model import Oid
from gatekeeper.repo.export import remove, sync_folder
from gatekeeper.repo.git import Git
from gatekeeper.verify import store

CHUNK = 1 << 18
TREES = "refs/trees/"
_DAY = 86_400.0
_OUTPUTS_STAY = 30 * _DAY


@contextmanager
def draft(folder: Path) -> Iterator[BinaryIO]:
    """Yield a file without a name, for what is under way."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        yield cast(BinaryIO, file)


def repository(folder: Path) -> None:
    """Make the bare repository of a host where there is none."""
    if (folder / "HEAD").is_file():
        return
    done = process.run(("git", "init", "-q", "--bare", "--template=", str(folder)))
    if not done.ok:
        raise GateError(f"git init failed: {done.errors.decode('utf-8', 'replace').strip()}", code="GATE-504")
    with Git(folder) as git:
        for name, value in (("core.fsync", "all"), ("gc.auto", "0"), ("maintenance.auto", "false")):
            git.run("config", name, value)


def lack(git: Git, builds: Path, tree: Oid, outputs: Mapping[str, str]) -> Lack:
    """Return what a host has, and what it lacks."""
    trees = tuple(git.refs(TREES).values())
    missing = (key for key, digest in outputs.items() if store.digest(builds / key) != digest)
    return Lack(tree in trees, trees, tuple(missing))


def take_pack(git: Git, tree: Oid, file: BinaryIO) -> None:
    """Add a pack's objects, and prove that the tree is whole. GateError when it is not."""
    file.seek(0)
    with fault.step("host: pack"):
        with tempfile.TemporaryFile() as said:
            git.pour("index-pack", "--stdin", "--fix-thin", "--strict", source=file, sink=said)
        whole = git.run("rev-list", "--objects", "--quiet", tree, allowed=(0, 1, 128)).ok
    if not whole:
        raise GateError(f"What arrived does not make tree {tree} whole.", code="GATE-504")


def keep(git: Git, release: str, tree: Oid) -> None:
    """Keep a tree for as long as its release stays."""
    git.run("update-ref", TREES + release, tree)


def take_output(builds: Path, key: str, digest: str, file: BinaryIO) -> None:
    """Keep what a build left, once it is proved to be that. GateError when it is something else."""
    file.seek(0)
    draft, final = builds / f".{key}", builds / key
    remove(draft)
    with fault.step("host: output"):
        store.unpack(file, draft, digest)
        remove(final)
        draft.rename(final)
        sync_folder(builds)


def keep_house(home: Home, git: Git) -> None:
    """Once a day: let go of trees whose release is gone, and of outputs that none was made of for long."""
    done = home.var / "kept-house"
    if done.exists() and time.time() - done.stat().st_mtime < _DAY:
        return
    done.touch()
    for ref in git.refs(TREES):
        if not (home.releases / ref.removeprefix(TREES)).is_dir():
            git.run("update-ref", "-d", ref)
    for output in home.builds.glob("[!.]*"):
        if time.time() - output.lstat().st_mtime > _OUTPUTS_STAY:
            remove(output)
    git.run("gc", "--quiet", "--prune=now")


def clear_leftovers(home: Home) -> None:
    """Remove what only a session that was killed can have left: whoever calls has the host's lock."""
    for left in (
        *home.repo.rglob("*.lock"),
        *home.releases.glob(".new-*"),
        *home.builds.glob(".*"),
        *home.var.glob(".*.new"),
    ):
        remove(left)
    for link in home.current.parent.glob(".*.new"):
        link.unlink()
