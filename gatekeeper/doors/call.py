"""The visitor's side of the local door: connects, makes sure who answers, and passes on what a verb prints."""

import json
import socket
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from gatekeeper import peer
from gatekeeper.config import standing
from gatekeeper.doors.relay import OUTPUT, STATUS
from gatekeeper.doors.wire import Gone, Wire
from gatekeeper.errors import Exit, GateError

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def ask(path: Path, argv: Sequence[str], output: BinaryIO | None = None) -> int:
    """Have a verb of the command line run behind the door at `path`, print what it prints, return its status.

    With `output` all of it goes there.
    """
    with _connected(path) as line:
        line.sendall(json.dumps({"v": 1, "argv": list(argv)}).encode() + b"\n")
        return _told(Wire(line.fileno(), line.fileno()), output or sys.stdout.buffer, output or sys.stderr.buffer)


def _connected(path: Path) -> socket.socket:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        line.connect(str(path))
        folder = path.parent.stat()
    except OSError as problem:
        line.close()
        raise GateError(
            f"This gate is another user's, and its door {path} is not open to you: {problem.strerror or problem}.",
            hints=("Its operator opens it: gatekeeper socket",),
            exit=Exit.NO_GATE,
        ) from None
    server = peer.of(line).uid
    if server not in (0, folder.st_uid) or folder.st_mode & _OTHERS_WRITE:
        line.close()
        raise GateError(
            f"{path} is not the gate's door: {standing.user_of(server)} listens there.",
            code="GATE-502",
            exit=Exit.TAMPERED,
        )
    return line


def _told(wire: Wire, output: BinaryIO, errors: BinaryIO) -> int:
    try:
        while True:
            said = wire.packet() or b"\0"
            if said[0] == STATUS:
                return int(said[1:])
            stream = output if said[0] == OUTPUT else errors
            stream.write(said[1:])
            stream.flush()
    except (Gone, ValueError):
        raise GateError("The door closed before it had answered.", hints=("gatekeeper status",)) from None
