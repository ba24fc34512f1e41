"""What the gate sends to a worker: Git objects that it lacks, as a pack, and what builds left, as archives.

Reads the repository and the builds; a parcel is a temporary file, read piece by piece.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from gatekeeper.gate import Gate
from gatekeeper.model import Oid
from gatekeeper.repo import packing
from gatekeeper.repo.git import Git
from gatekeeper.verify import store
from gatekeeper.verify.jobs import WHOLE, Work, within
from gatekeeper.verify.wire import PIECE, Inputs, Mount, Part, Piece

_ROOT = "040000"


def inputs(gate: Gate, work: Work, tree: Oid, built: Mapping[str, str]) -> Inputs:
    """Return what lies in a job's folder; `built` maps the keys of builds to the digests of what they left."""
    mounts = tuple(Mount(output, built[key]) for output, key in work.mounts)
    if WHOLE in work.paths:
        return Inputs((Part("", _ROOT, "tree", tree),), mounts)
    tops = [path for path in work.paths if not any(path != other and within(path, other) for other in work.paths)]
    with Git(gate.home.repo, apart=gate.trial.apart) as git:
        found = git.entries(tree, *dict.fromkeys(tops)) if tops else ()
    return Inputs(tuple(Part(entry.path, entry.mode, entry.type, entry.oid) for entry in found), mounts)


def packed(git: Git, oids: Iterable[str], had: Iterable[str], scratch: Path) -> Iterator[Piece]:
    """Yield, as pieces of one pack, all that the oids lead to and what the worker has whole does not hold."""
    wanted = tuple(oids)
    with TemporaryFile(dir=scratch) as file:
        packing.pack(git, wanted, had, file, scratch=scratch)
        yield from _pieces(file, "objects", wanted)


def archived(build: Path, digest: str, scratch: Path) -> Iterator[Piece]:
    """Yield, as pieces of one archive, what a build left."""
    with TemporaryFile(dir=scratch) as file:
        store.archive(build, file)
        yield from _pieces(file, "build", (digest,))


def _pieces(file: IO[bytes], kind: str, names: tuple[str, ...]) -> Iterator[Piece]:
    size, parcel = file.seek(0, 2), secrets.token_hex(8)
    file.seek(0)
    for at in range(0, size, PIECE):
        data = file.read(PIECE)
        yield Piece(parcel, "objects" if kind == "objects" else "build", at, data, at + len(data) == size, names)
