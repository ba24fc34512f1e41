"""The SSH door: takes what the client asked for apart, and serves what is on the list; a key says who it is."""

import shlex
import sys
from typing import TYPE_CHECKING

from gatekeeper.doors import serve as git
from gatekeeper.doors import visitor
from gatekeeper.doors.places import MOST_EACH, place
from gatekeeper.doors.visitor import Stranger
from gatekeeper.doors.wire import Wire
from gatekeeper.errors import Exit
from gatekeeper.home import Home
from gatekeeper.model import Actor, Assurance

if TYPE_CHECKING:
    from gatekeeper.doors.local import Verb

_STREAMS = Wire(0, 1)


def serve(home: Home, agent: str, asked: str, protocol: str | None, run: "Verb") -> int:
    """Serve one command of a client over the standard streams; return the exit status.

    `run` runs a verb of the command line, and refuses what is not open. Whatever path Git names, it gets this gate's
    repository.
    """
    who = visitor.by_name(visitor.listed(home), agent, Assurance.KEY)
    if isinstance(who, Stranger):
        return _refuse(f"GATE-301 {who.why}")
    with place(home, who.name) as free:
        if not free:
            return _refuse(f"GATE-304 {MOST_EACH} connections of yours are open at this door. Try again later.")
        return _serve(home, who, asked, protocol, run)


def _serve(home: Home, who: Actor, asked: str, protocol: str | None, run: "Verb") -> int:
    match _words(asked):
        case ["git-receive-pack", _]:
            return git.push(home, who, _STREAMS)
        case ["git-upload-pack", _]:
            return git.fetch(home, _STREAMS, protocol)
        case [_, *_] as argv:
            return run(who, argv)
    return _refuse(
        "This key opens no shell; git push, fetch and clone are served, and some verbs, such as `ssh … status`."
    )


def _words(asked: str) -> list[str]:
    try:
        return shlex.split(asked)
    except ValueError:
        return []


def _refuse(text: str) -> int:
    sys.stderr.write(f"error: {text}\n")
    return Exit.REFUSED
