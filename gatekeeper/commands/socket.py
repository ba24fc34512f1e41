"""`gatekeeper socket`: the local door, for agents that are Unix users of this machine."""

import os
import signal
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from types import FrameType

import click

from gatekeeper.commands import visit
from gatekeeper.commands.home import gate_in
from gatekeeper.config.schema import Config
from gatekeeper.doors import listener, visitor
from gatekeeper.doors.local import Keeper
from gatekeeper.errors import Exit, GateError
from gatekeeper.process import Cancel


@click.command("socket")
@click.option("--agent", metavar="NAME", help="A door for this one agent: whoever reaches the socket is it.")
@click.option("--path", metavar="SOCK", type=click.Path(path_type=Path), help="Where (default: in the gate's doors/).")
@click.pass_obj
def socket(folder: Path, agent: str | None, path: Path | None) -> None:
    """Open the local door. Agents push to gate::DIR, and the kernel says who they are; SIGTERM closes it.

    systemd may hand the socket over. A door of one agent is for containers: mount its folder into them.

    Example: gatekeeper --gate /srv/gate socket
    """
    home = gate_in(folder)
    config = visitor.in_force(home)
    if agent is not None:
        _require_listed(config, agent)
    made = listener.handed_over(os.environ.get("LISTEN_PID"), os.environ.get("LISTEN_FDS"))
    place = (path or listener.place(home, agent)).absolute()
    line = made or listener.listen(place, own=agent is not None and path is None)
    with closing(Cancel()) as stop, line:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, partial(_end, stop))
        _tell(f"the door of {home.path} is open at {line.getsockname()}")
        Keeper(home, line, partial(visit.behind, home), _tell, agent).keep(stop)
        if made is None:
            place.unlink(missing_ok=True)
        _tell("the door is closed")


def _require_listed(config: Config, agent: str) -> None:
    if agent not in config.agents:
        raise GateError(f"sites.toml lists no agent {agent!r}.", hints=("gatekeeper agents list",), exit=Exit.NOT_FOUND)


def _end(stop: Cancel, _number: int, _frame: FrameType | None) -> None:
    stop.throw()


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
