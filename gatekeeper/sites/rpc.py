"""pm2's own wire: calls to a daemon over its RPC socket, as AMP frames. Knows no site, decides nothing.

The socket takes many calls at once; the answers come out of order and are matched by id. Closing the
connection does not undo a call.
"""

import itertools
import json
import os
import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from msgspec import Struct

from gatekeeper import fault, peer

_VERSION = 1
_LONGEST_PATH = 107
_CHUNK = 1 << 18


class Call(NamedTuple):
    """A method of the daemon and its one argument."""

    method: str
    argument: Any


class Answer(Struct, frozen=True):
    """What a call gave: `error` is the daemon's own words, None when it went well."""

    result: Any = None
    error: str | None = None


def frame(*fields: Any) -> bytes:
    """Return one AMP message: a count, then each field with its length; texts `s:`, all else JSON `j:`."""
    packed = [
        f"s:{field}".encode() if isinstance(field, str) else b"j:" + json.dumps(field).encode() for field in fields
    ]
    head = bytes([_VERSION << 4 | len(packed)])
    return head + b"".join(struct.pack(">I", len(one)) + one for one in packed)


def unframe(buffer: bytearray) -> list[Any] | None:
    """Take the first whole message off `buffer`; None, and nothing taken, when it is not all there yet."""
    if not buffer:
        return None
    fields, at = [], 1
    for _ in range(buffer[0] & 0x0F):
        if len(buffer) < at + 4:
            return None
        end = at + 4 + int.from_bytes(buffer[at : at + 4], "big")
        if len(buffer) < end:
            return None
        fields.append(bytes(buffer[at + 4 : end]))
        at = end
    del buffer[:at]
    return [json.loads(one[2:]) if one[:2] == b"j:" else one[2:].decode() for one in fields]


def fits(path: Path) -> bool:
    """Tell whether a Unix socket can have this path at all."""
    return len(os.fsencode(path)) <= _LONGEST_PATH


class Rpc:
    """One connection to a daemon; a context manager. Every method raises OSError when the daemon goes away."""

    def __init__(self, path: Path, *, timeout: float) -> None:
        self._ids = (f"gate:{number}" for number in itertools.count())
        self._buffer = bytearray()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self.pid = peer.of(self._socket).pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptor back; calls under way go on."""
        self._socket.close()

    def all(self, calls: Sequence[Call], *, timeout: float) -> list[Answer]:
        """Make all calls at once and wait for every answer, in the order of the calls."""
        ids = [self._send(call) for call in calls]
        answers = self._collect(set(ids), until=set(ids), timeout=timeout)
        return [answers[one] for one in ids]

    def post(self, calls: Sequence[Call], *, timeout: float) -> list[Answer | None]:
        """Make all calls at once and wait until the daemon has begun each; None for those still under way.

        The daemon reads in order and refuses at once, so an answer to a later ping proves what was accepted.
        """
        ids = [self._send(call) for call in calls]
        barrier = self._send(Call("ping", {}))
        answers = self._collect({*ids, barrier}, until={barrier}, timeout=timeout)
        return [answers.get(one) for one in ids]

    def _send(self, call: Call) -> str:
        name = next(self._ids)
        with fault.step(f"pm2: {call.method}"):
            self._socket.sendall(frame({"type": "call", "method": call.method, "args": [call.argument]}, name))
        return name

    def _collect(self, wanted: set[str], *, until: set[str], timeout: float) -> dict[str, Answer]:
        got: dict[str, Answer] = {}
        deadline = time.monotonic() + timeout
        while not until <= got.keys():
            message = unframe(self._buffer)
            if message is None:
                self._receive(deadline)
                continue
            body, name = message
            if name in wanted:
                got[name] = _answer(body)
        return got

    def _receive(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the daemon did not answer in time")
        self._socket.settimeout(left)
        data = self._socket.recv(_CHUNK)
        if not data:
            raise ConnectionResetError("the daemon closed the connection")
        self._buffer += data


def _answer(body: Any) -> Answer:
    if "error" in body:
        return Answer(error=str(body["error"]))
    given = body.get("args") or [None]
    return Answer(result=given[0])
