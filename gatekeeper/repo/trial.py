"""Trial merges write their objects apart from the repository, unsynced, and are thrown away at each start.

No ref may ever reach them: what ships is copied into the repository, synced like everything there, before a commit
names it. The repository by itself never lacks an object, and never knows of this folder.
"""

import os
import zlib
from collections.abc import Iterable
from pathlib import Path

from gatekeeper import fault
from gatekeeper.model import Oid
from gatekeeper.repo import drafts
from gatekeeper.repo.drafts import Draft
from gatekeeper.repo.git import Git

_AS_A_PACK = 100
"""Objects from which on they are written as one pack, as Git does with what is pushed."""
_OURS = "gatekeeper: merges that ship"
"""Why a pack is kept that nothing may reach yet."""
_SMALL = ("-c", "pack.window=0", "-c", "pack.threads=1", "-c", "pack.compression=1")


def write(trial: Git, one: Draft) -> None:
    """Write a commit for the next merge to stand on, by hand where it may be lost: each costs a merge a third."""
    if trial.apart is None:
        drafts.write_one(trial, one)
        return
    folder = trial.apart / one.oid[:2]
    folder.mkdir(exist_ok=True)
    place = folder / one.oid[2:]
    with fault.step("object: trial"):
        place.with_name(f"tmp_{place.name}").write_bytes(zlib.compress(drafts.whole(one.content), 1))
        place.with_name(f"tmp_{place.name}").replace(place)


def settle(git: Git, trial: Git, trees: Iterable[Oid], *, but: Oid) -> None:
    """Make these trees, and all below them, the repository's own, on disk when this returns; `but` is there already.

    Which objects lie apart is told by where they lie: of every other Git has just said that it is there.
    """
    if trial.apart is None:
        return
    wanted = "".join(f"{tree}\n" for tree in (*dict.fromkeys(trees), f"^{but}")).encode()
    listed = trial.text("rev-list", "--objects", "--no-object-names", "--stdin", stdin=wanted).splitlines()
    here = [oid for oid in listed if os.path.exists(f"{trial.apart}/{oid[:2]}/{oid[2:]}")]  # noqa: PTH110 - thousands
    if not here:
        return
    names = "".join(f"{oid}\n" for oid in here).encode()
    pack = trial.run(*_SMALL, "pack-objects", "--stdout", "-q", stdin=names).output
    with fault.step("objects: merged trees"):
        if len(here) < _AS_A_PACK:
            git.run("unpack-objects", "-q", stdin=pack)
        else:  # kept, for a pack that nothing refers to yet could be dropped by somebody's repack
            git.run("index-pack", "--stdin", f"--keep={_OURS}", stdin=pack)


def let_go(repository: Path) -> None:
    """Let packs be repacked that were kept for a ship; to be called when none is under way."""
    for keep in repository.glob("objects/pack/pack-*.keep"):
        if keep.read_text("utf-8", "replace").strip() == _OURS:
            keep.unlink(missing_ok=True)
