"""Asks the kernel who is at the other end of a Unix socket. It alone knows: nothing that the other side says counts."""

import socket
import struct
from typing import NamedTuple

_CREDENTIALS = struct.Struct("3i")


class Peer(NamedTuple):
    """A process and its user when it connected, or began to listen; no user namespace of its own changes that."""

    pid: int
    uid: int
    gid: int


def of(line: socket.socket) -> Peer:
    """Return the peer of a connected Unix socket."""
    return Peer(*_CREDENTIALS.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)))
