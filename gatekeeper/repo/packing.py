"""Packs that travel: what makes trees whole elsewhere, without what is there already."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from gatekeeper.repo.git import Git

_HAD = 200
"""How many of the things that the other side has are named to Git."""


def pack(git: Git, wanted: Iterable[str], there: Iterable[str], file: IO[bytes], *, scratch: Path) -> int:
    """Write to `file` all that `wanted` leads to and `there` does not hold; return its size in bytes.

    What the other side has and this repository does not know is passed over.
    """
    asked = "".join(f"{oid}\n" for oid in there).encode()
    lines = git.text("cat-file", "--batch-check=%(objectname)", stdin=asked).splitlines()
    known = [line for line in lines if not line.endswith(" missing")][-_HAD:]
    with TemporaryFile(dir=scratch) as wish:
        wish.write("".join([*(f"{oid}\n" for oid in wanted), *(f"^{oid}\n" for oid in known)]).encode())
        wish.seek(0)
        git.pour("pack-objects", "--revs", "--thin", "--delta-base-offset", "--stdout", "-q", source=wish, sink=file)
    return file.seek(0, 2)
