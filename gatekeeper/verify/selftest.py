"""Proves, once a start of the Librarian, that the sandbox of this machine holds: it is attacked from inside."""

import json
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gatekeeper.verify import limits, probes
from gatekeeper.verify.box import Box, broken, environment
from gatekeeper.verify.sandbox import run

_PATIENCE = 30.0
_OF_THE_INTERPRETER = ("PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE")
_PYTHON = Path(sys.base_prefix)


def self_test() -> str | None:
    """Return None when nothing of this machine is within reach of a box, else what is, as a sentence.

    Raises GateError (505) when bubblewrap is missing or cannot make a box here. Clears up after a killed Librarian.
    """
    limits.sweep()
    with TemporaryDirectory(prefix="gate-self-test-") as folder, _listening(folder) as aims:
        tree = Path(folder, "tree")
        tree.mkdir()
        box = Box(tree=tree, read_only=() if _PYTHON.is_relative_to("/usr") else (str(_PYTHON),))
        known = [*environment(box), *_OF_THE_INTERPRETER]
        told = json.dumps({**aims, "environment": known})
        attack = (str(_PYTHON / "bin" / "python3"), "-I", "-S", "-c", Path(probes.__file__).read_text("utf-8"), told)
        ran = run(box, attack, timeout=_PATIENCE)
    found = ran.output.decode("utf-8", "replace").splitlines()
    if not ran.ok:
        raise broken(found[-1] if found else f"its self-test ended with status {ran.status}")
    return f"The sandbox does not hold. Within its reach: {'; '.join(found)}." if found else None


@contextmanager
def _listening(folder: str) -> Iterator[dict[str, Any]]:
    """Give what is there to be reached: a TCP port, a socket file, an abstract socket, a file."""
    abstract = secrets.token_hex(8)
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as named,
        socket.socket(socket.AF_UNIX) as unnamed,
    ):
        for end, place in ((named, f"{folder}/socket"), (unnamed, f"\0{abstract}")):
            end.bind(place)
            end.listen()
        aims = {"port": tcp.getsockname()[1], "socket": f"{folder}/socket", "abstract": abstract}
        yield {**aims, "file": str(_private() or folder)}


def _private() -> Path | None:
    """Return something in this user's home, but not what leads to the Python that the box is lent."""
    try:
        return next((path for path in Path.home().iterdir() if not _PYTHON.is_relative_to(path)), None)
    except (OSError, RuntimeError):
        return None
