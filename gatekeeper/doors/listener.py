"""Makes the sockets of the local door, or takes over the one that systemd listens on."""

import os
import socket
from pathlib import Path

from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home

_FIRST_HANDED_OVER = 3
_BACKLOG = 64
_GLANCE = 1.0


def place(home: Home, agent: str | None) -> Path:
    """Return where a door's socket is by default: the one for all, or an agent's own, which users here cannot reach."""
    return home.gate_socket if agent is None else home.own_doors / agent / "gate.sock"


def handed_over(pid: str | None, count: str | None) -> socket.socket | None:
    """Return the socket that systemd listens on for us (LISTEN_PID, LISTEN_FDS), or None."""
    if pid != str(os.getpid()) or count != "1":
        return None
    return socket.socket(fileno=_FIRST_HANDED_OVER)


def listen(path: Path, *, own: bool) -> socket.socket:
    """Listen at `path`, open to all who reach it; `own`: for one agent, so its folder lies in one that nobody enters.

    A socket that nobody listens on any more is replaced. GateError 21 when somebody does.
    """
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
        path.parent.chmod(0o755)
    if own:
        path.parent.parent.chmod(0o700)
    if path.exists() and _alive(path):
        raise GateError(f"Another door is open at {path} already.", hints=("gatekeeper status",), exit=Exit.LOCKED)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
    except OSError as problem:
        listener.close()
        words = f"{path} is too long for a socket" if "too long" in str(problem) else str(problem)
        raise GateError(f"The door cannot be opened: {words}.", hints=("gatekeeper socket --path SHORTER",)) from None
    path.chmod(0o666)
    listener.listen(_BACKLOG)
    return listener


def _alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_GLANCE)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
    return True
