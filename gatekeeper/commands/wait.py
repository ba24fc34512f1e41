"""`gatekeeper wait ID`: blocks until a request has its outcome, and ends with its status."""

import re
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from gatekeeper.commands import completing
from gatekeeper.commands.home import gate_in
from gatekeeper.commands.look import looking
from gatekeeper.commands.out import as_json, print_json
from gatekeeper.commands.show import find
from gatekeeper.commands.under_way import under_way
from gatekeeper.config.units import seconds
from gatekeeper.errors import Exit
from gatekeeper.librarian import doing, shape, survey
from gatekeeper.model import REQUESTS, RESULTS, Result, State
from gatekeeper.policy.answer import shown
from gatekeeper.repo.git import Git
from gatekeeper.repo.notice import Notice

_UNNOTICED, _BLIND = 30.0, 3.0
"""Seconds after which it looks though nothing was noticed: where moves of refs are told, and where they are not."""
_UNHURRIED = 2.0
"""Seconds that others' requests may move before the place in the queue is looked up again."""
_STATUS = {
    State.SHIPPED: Exit.DONE,
    State.BLOCKED: Exit.BLOCKED,
    State.HELD: Exit.BLOCKED,
    State.WITHDRAWN: Exit.WITHDRAWN,
    State.REJECTED: Exit.WITHDRAWN,
    State.EXPIRED: Exit.WITHDRAWN,
    State.ROLLED_BACK: Exit.ROLLED_BACK,
}


@click.command("wait")
@click.argument("request", metavar="ID", shell_complete=completing.requests)
@click.option(
    "--timeout",
    default="9m",
    show_default=True,
    callback=lambda _c, _p, text: _seconds(text),
    metavar="TIME",
    help="How long at most, such as 90s or 9m.",
)
@as_json
@click.pass_obj
def wait(folder: Path, request: str, *, timeout: float, as_json: bool) -> None:
    """Wait for the outcome of a request. Its newest attempt is shipped, blocked or ended.

    It is told by the kernel when refs move, and looks by itself now and then.

    Exit status: 0 shipped, 10 blocked or held, 12 withdrawn, rejected or expired, 13 rolled back, 75 still waiting.

    Example: gatekeeper wait fix-42 --timeout 2m
    """
    home, deadline = gate_in(folder), time.monotonic() + timeout
    glanced, told = "", ""
    shows = under_way(f"waiting for {shown(request)}", look=partial(doing.at, home))
    with Git(home.repo) as git, Notice(home.repo) as notice, shows as line:
        while True:
            if (moved := _glance(git, request)) != glanced or not glanced:
                glanced, (result, position) = moved, _look(folder, request)
                if (said := _line(result, position)) != told and not as_json:
                    line.above(partial(click.echo, said, err=True))
                told = said
            status = status_of(result)
            left = deadline - time.monotonic()
            if status is not None or left <= 0 or _too_early(result, left):
                break
            _rest(notice, request, left)
    _tell(result, position, status if status is not None else Exit.WAITING, as_json=as_json)


def _rest(notice: Notice, request: str, left: float) -> None:
    """Return when there may be something new: at once when it is about the request, soon when it is about others."""
    until = time.monotonic() + min(left, _UNNOTICED if notice.works else _BLIND)
    while (rest := until - time.monotonic()) > 0:
        moved = notice.wait(rest)
        if request in moved:
            return
        if moved:
            until = min(until, time.monotonic() + _UNHURRIED)


def _glance(git: Git, request: str) -> str:
    """Return what moves when anything about the request does: its result, and which requests are open."""
    return git.text("for-each-ref", "--format=%(objectname) %(refname)", f"{RESULTS}{request}", REQUESTS)


def _look(folder: Path, request: str) -> tuple[Result, int | None]:
    with looking(folder) as gate:
        result = find(gate, request)
        places = survey.places(gate, gate.git.refs())
    return result, next((place.position for place in places if place.result.id == result.id), None)


def _line(result: Result, position: int | None) -> str:
    where = f", number {position} in the queue" if position else ""
    why = f": {shown(result.reason.text)}" if result.reason else ""
    return f"{result.id} is {result.state}{where}{why}"


def status_of(result: Result) -> Exit | None:
    """Return the exit status that a request's state means, or None while it is on its way."""
    if result.ask.try_only and result.state is State.VERIFIED:
        return Exit.DONE
    return _STATUS.get(result.state)


def _too_early(result: Result, left: float) -> bool:
    """Nothing can change before `not_before`: there is no point in waiting for less."""
    if result.not_before is None:
        return False
    return datetime.fromisoformat(result.not_before) > datetime.fromtimestamp(time.time() + left, UTC)


def _tell(result: Result, position: int | None, status: Exit, *, as_json: bool) -> None:
    where = f" in {result.version}" if result.version else ""
    why = f": {result.reason.code} {shown(result.reason.text)}" if result.reason else ""
    if as_json:
        print_json(
            id=result.id,
            tip=result.tip,
            state=str(result.state),
            position=position,
            version=result.version,
            reason=shape.of_reason(result.reason),
            not_before=result.not_before,
            exit=int(status),
        )
    else:
        click.echo(f"{result.id} is {result.state}{where}{why}")
    raise click.exceptions.Exit(status)


def _seconds(text: str) -> float:
    found = seconds(text)
    if found is None or not re.search(r"[0-9]", text):
        raise click.BadParameter('write it like "90s", "9m" or "1h"')
    return found
