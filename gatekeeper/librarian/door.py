"""The Librarian's local door: var/door.sock, where people's decisions come in and are written down; and its bell.

Hooks ring var/bell.sock, which only wakes: what serves a push gets to no door. A thread of its own answers each, so
that they are open while checks run. They decide nothing and write only the spool.
"""

import json
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from gatekeeper import peer
from gatekeeper.config import standing
from gatekeeper.home import Home
from gatekeeper.model import Actor, Assurance, Decision, RequestId
from gatekeeper.repo import spool
from gatekeeper.repo.ledger import Clock, utc

URGENT = frozenset({"rollback", "freeze", "abort", "apply"})
_LONGEST = 65536
_PATIENCE = 5.0


class Door(Struct):
    """Open from `open` to `close`. `knock(urgent)` is called in the door's thread after each visit."""

    home: Home
    clock: Clock
    knock: Callable[[bool], None]
    _open: bool = False
    _sockets: list[socket.socket] = field(default_factory=list)

    def open(self) -> None:
        """Start to listen; socket files that a dead Librarian left are replaced, for the lock is ours."""
        self._open = True
        listener = self._bound(self.home.door, socket.SOCK_STREAM)
        listener.listen(64)
        for work, line in ((self._serve, listener), (self._listen, self._bound(self.home.bell, socket.SOCK_DGRAM))):
            threading.Thread(target=work, args=(line,), daemon=True, name="door").start()

    def close(self) -> None:
        """Stop listening and take the socket files away."""
        self._open = False
        for line in self._sockets:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()
        self._sockets.clear()
        for path in (self.home.door, self.home.bell):
            path.unlink(missing_ok=True)

    def _bound(self, path: Path, kind: socket.SocketKind) -> socket.socket:
        path.unlink(missing_ok=True)
        line = socket.socket(socket.AF_UNIX, kind)
        line.bind(str(path))
        path.chmod(0o600)
        self._sockets.append(line)
        return line

    def _listen(self, bell: socket.socket) -> None:
        """Wake at each ring, whatever it says."""
        with suppress(OSError):
            while bell.recv(1) or self._open:
                self.knock(False)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                visitor, _ = listener.accept()
            except OSError:
                return
            with visitor, suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
                visitor.settimeout(_PATIENCE)
                self._hear(visitor)

    def _hear(self, visitor: socket.socket) -> None:
        said = _line(visitor)
        asked = said["decide"]
        decision = self._written(asked, _asker(asked, peer.of(visitor).uid))
        visitor.sendall(json.dumps({"v": 1, "taken": decision.key}).encode() + b"\n")
        self.knock(decision.verb in URGENT)

    def _written(self, asked: dict[str, Any], actor: Actor) -> Decision:
        decision = Decision(
            key=spool.new_key(),
            verb=str(asked["verb"]),
            actor=actor,
            at=utc(self.clock()),
            message=str(asked.get("message", "")),
            id=RequestId(str(asked["id"])) if asked.get("id") else None,
            args={str(name): str(value) for name, value in dict(asked.get("args", {})).items()},
        )
        spool.decide(self.home.spool, decision)
        return decision


def ask(home: Home, asked: dict[str, Any]) -> str:
    """Hand a decision to the running Librarian; return its key. Raises OSError when nobody opens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(_PATIENCE)
        line.connect(str(home.door))
        line.sendall(json.dumps({"v": 1, "decide": asked}).encode() + b"\n")
        return str(_line(line)["taken"])


def ourselves() -> Actor:
    """Return who runs this process."""
    return person(os.getuid())


def person(uid: int) -> Actor:
    """Return who a Unix user is; whoever may write the gate's home is its operator."""
    return Actor(standing.user_of(uid), Assurance.KERNEL, "operator" if uid in (0, os.getuid()) else "agent")


def _asker(asked: dict[str, Any], uid: int) -> Actor:
    """Return who decides: whom the peer stands for, when it is our own user, as the doors are, and names somebody."""
    named = asked.get("by")
    return spool.actor_of(named) if isinstance(named, dict) and uid == os.getuid() else person(uid)


def _line(line: socket.socket) -> dict[str, Any]:
    heard = b""
    while not heard.endswith(b"\n") and len(heard) < _LONGEST:
        part = line.recv(4096)
        if not part:
            break
        heard += part
    said = json.loads(heard)
    if not isinstance(said, dict):
        raise TypeError("not an object")
    return said
