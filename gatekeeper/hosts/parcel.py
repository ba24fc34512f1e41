"""The program that a host is given: this very gatekeeper and the libraries that it needs, as one tar with a digest.

A host needs no package registry, and runs what the gate runs.
"""

import gzip
import hashlib
import importlib.metadata
import io
import re
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gatekeeper import assets
from gatekeeper.errors import Exit, GateError

_RUN = """import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "lib"))
from gatekeeper.home import Home
from gatekeeper.hosts.program import main

main(Home(Path(__file__).resolve().parents[1]))
"""
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_WHEEL = "git-gatekeeper"


@cache
def packed() -> tuple[bytes, str]:
    """Return the tar, gzipped, and the digest that stands in it; the same files give the same bytes."""
    files = dict(_files())
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    files["run.py"], files["digest"] = _RUN.encode(), f"{digest.hexdigest()}\n".encode()
    raw = io.BytesIO()
    with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), 0o644
            tar.addfile(entry, io.BytesIO(files[name]))
    return raw.getvalue(), digest.hexdigest()


def _files() -> Iterator[tuple[str, bytes]]:
    package = Path(assets.__file__).parent
    yield from _below(package, "lib/gatekeeper")
    yield from _below(assets.folder("templates"), "lib/gatekeeper/templates")
    for name in sorted(_needed(_WHEEL) - {_WHEEL}):
        for path in importlib.metadata.distribution(name).files or ():
            place = Path(str(path.locate()))
            if ".." not in path.parts and place.is_file() and place.suffix != ".pyc":
                yield f"lib/{path}", place.read_bytes()


def _below(folder: Path, into: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{into}/{path.relative_to(folder)}", path.read_bytes()


def _needed(name: str) -> set[str]:
    """Return a distribution and all that it needs at run time, without extras."""
    found, todo = set[str](), [name]
    while todo:
        one = todo.pop()
        if one in found:
            continue
        found.add(one)
        try:
            requires = importlib.metadata.distribution(one).requires or ()
        except importlib.metadata.PackageNotFoundError:
            raise GateError(f"The installation is incomplete: {one} is missing.", exit=Exit.BUG) from None
        plain = (wish for wish in requires if "extra ==" not in wish and not _elsewhere(wish))
        todo += [match[0].lower() for wish in plain if (match := _NAME.match(wish))]
    return found


def _elsewhere(wish: str) -> bool:
    """Tell whether a requirement is one of other systems or older Pythons only."""
    marker = wish.partition(";")[2]
    return "win32" in marker or "Windows" in marker or "python_version <" in marker
