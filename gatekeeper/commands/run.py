"""`gatekeeper run` and `gatekeeper tick`: the Librarian, for good or for one heartbeat."""

import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType

import click

from gatekeeper import process
from gatekeeper.commands.home import gate_in
from gatekeeper.commands.out import as_json, print_json
from gatekeeper.commands.plain import plain
from gatekeeper.commands.under_way import under_way
from gatekeeper.errors import Exit
from gatekeeper.home import Home
from gatekeeper.librarian import gates, loop, opening, pulse
from gatekeeper.librarian.foresight import foresee
from gatekeeper.librarian.loop import Bell
from gatekeeper.process import Cancel


@click.command("run")
@click.pass_obj
def run(folder: Path) -> None:
    """Be the Librarian. A heartbeat now, at every wake-up and every `heartbeat`; Ctrl-C or SIGTERM ends it safely.

    Example: gatekeeper --gate /srv/gate run
    """
    home = gate_in(folder)
    pulse.speak_to(process.own_environment().get("NOTIFY_SOCKET"))
    with opening.locked(home) as held, heed_signals() as bell:
        _log(f"the Librarian of {home.path} runs; Ctrl-C stops it")
        loop.run(home, held, bell, tell=_log)
        _log("the Librarian has stopped; the sites go on")


@click.command("tick")
@click.option("--dry-run", is_flag=True, help="Print the steps and why, and change nothing.")
@as_json
@click.pass_obj
def tick(folder: Path, *, dry_run: bool, as_json: bool) -> None:
    """Do one heartbeat and print what it did. Exit status 1 when something needs a person.

    Example: gatekeeper --gate /srv/gate tick --dry-run
    """
    home = gate_in(folder)
    if dry_run:
        _foretell(home, as_json=as_json)
        return
    did = list[str]()

    def tell(said: str) -> None:
        did.append(said)
        if not as_json:
            line.above(partial(click.echo, plain(said)))

    with (
        under_way("taking the lock") as line,
        opening.locked(home) as held,
        heed_signals() as bell,
        closing(Cancel()) as brake,
    ):
        bell.arm(brake)
        ended = loop.beat_once(home, held, brake, tell=tell)
    if as_json:
        alarms = [{"code": alarm.code, "text": alarm.text} for alarm in ended.alarms]
        print_json(did=did, rest=ended.rest, alarms=alarms)
    else:
        click.echo(plain(f"at rest: {ended.rest}"))
    for alarm in ended.alarms:
        click.echo(plain(f"error: {alarm.code} {alarm.text}"), err=True)
    if bell.stop.thrown:
        raise click.exceptions.Exit(Exit.INTERRUPTED)
    if ended.alarms:
        raise click.exceptions.Exit(Exit.FAILED)


def _foretell(home: Home, *, as_json: bool) -> None:
    with gates.for_reading(home) as gate:
        lines = foresee(gate)
    if as_json:
        print_json(steps=list(lines))
        return
    for line in lines:
        click.echo(plain(line))
    click.echo("nothing was changed")


@contextmanager
def heed_signals() -> Iterator[Bell]:
    """Yield a bell that SIGTERM and SIGINT end; what they interrupt is left in a state that the next start knows."""
    with closing(Cancel()) as stop, closing(Cancel()) as rung, closing(Cancel()) as pressing:
        bell = Bell(stop, rung, pressing)

        def end(_number: int, _frame: FrameType | None) -> None:
            bell.end()

        before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield bell
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _log(line: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {plain(line)}\n")
    sys.stderr.flush()
