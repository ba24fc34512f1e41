"""The SSH door: takes what the client asked for apart, and serves what is on the list; a key says who it is."""

import shlex
import sys

from gatekeeper.doors import serve as git
from gatekeeper.doors import visitor
from gatekeeper.doors.visitor import Stranger
from gatekeeper.doors.wire import Wire
from gatekeeper.errors import Exit
from gatekeeper.home import Home
from gatekeeper.model import Assurance
from gatekeeper.policy.answer import brief


def serve(home: Home, agent: str, asked: str, protocol: str | None) -> int:
    """Serve one command of a client over the standard streams; return the exit status."""
    who = visitor.by_name(visitor.in_force(home), agent, Assurance.KEY)
    if isinstance(who, Stranger):
        return _refuse(f"GATE-301 {who.why}")
    match _words(asked):
        case ["git-receive-pack" | "git receive-pack", _]:
            return git.push(home, who, Wire(0, 1))
        case ["git-upload-pack" | "git upload-pack", _]:
            return git.fetch(home, Wire(0, 1), protocol)
    return _refuse(f"`{brief(asked)}` is not served here; git push, fetch and clone are.")


def _words(asked: str) -> list[str]:
    try:
        return shlex.split(asked)
    except ValueError:
        return []


def _refuse(text: str) -> int:
    sys.stderr.write(f"error: {text}\n")
    return Exit.REFUSED
