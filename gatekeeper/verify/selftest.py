"""Proves, once a start of the Librarian, that the sandbox of this machine holds: it is attacked from inside."""

import json
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gatekeeper.verify import limits, own_user, probes
from gatekeeper.verify.box import Box, broken, environment
from gatekeeper.verify.sandbox import run

_PATIENCE = 30.0
_OF_THE_INTERPRETER = ("PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE")
_PYTHON = Path(sys.base_prefix)


def self_test(within: Path | None = None) -> str | None:
    """Return None when nothing of this machine is within reach of a box, else what is, as a sentence.

    Raises GateError (505) when bubblewrap is missing or cannot make a box here. Clears up after a killed Librarian;
    what one leaves in the folder `within` is its caller's to clear.
    """
    limits.sweep()
    with TemporaryDirectory(prefix="gate-self-test-", dir=within) as folder, _listening(Path(folder)) as aims:
        tree, closed = Path(folder, "tree"), Path(aims["closed"])
        tree.mkdir()
        closed.parent.mkdir()
        closed.touch(0o600)
        python = () if _PYTHON.is_relative_to("/usr") else (str(_PYTHON),)
        box = Box(tree=tree, read_only=(*python, str(closed.parent)))
        known = [*environment(box), *_OF_THE_INTERPRETER]
        told = json.dumps({**aims, "environment": known, "own_user": own_user.available() is not None})
        attack = (str(_PYTHON / "bin" / "python3"), "-I", "-S", "-c", Path(probes.__file__).read_text("utf-8"), told)
        ran = run(box, attack, timeout=_PATIENCE)
    found = ran.output.decode("utf-8", "replace").splitlines()
    if not ran.ok:
        raise broken(found[-1] if found else f"its self-test ended with status {ran.status}")
    return f"The sandbox does not hold. Within its reach: {'; '.join(found)}." if found else None


@contextmanager
def _listening(folder: Path) -> Iterator[dict[str, Any]]:
    """Give what is there to be reached: a TCP port, a socket file, an abstract socket, a file, this process."""
    abstract = secrets.token_hex(8)
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as named,
        socket.socket(socket.AF_UNIX) as unnamed,
        _short(folder) as short,
    ):
        for end, place in ((named, f"{short}/socket"), (unnamed, f"\0{abstract}")):
            end.bind(place)
            end.listen()
        aims = {"port": tcp.getsockname()[1], "socket": f"{folder}/socket", "abstract": abstract}
        process = {"pid": os.getpid(), "began": probes.began(os.getpid())}
        yield {**aims, **process, "file": str(_private(folder) or folder / "tree"), "closed": f"{folder}/closed/file"}


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """Give another name of `folder`, since that of a socket holds 107 bytes."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _private(folder: Path) -> Path | None:
    """Return something in this user's home, but not what leads to what the box is lent."""
    try:
        ours = Path.home().iterdir()
        return next((each for each in ours if not any(lent.is_relative_to(each) for lent in (_PYTHON, folder))), None)
    except (OSError, RuntimeError):
        return None
