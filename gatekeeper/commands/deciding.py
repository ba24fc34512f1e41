"""Takes a decision to the Librarian: through its door when one runs, else this command is one for a heartbeat."""

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from gatekeeper.commands.home import ASKER, gate_in
from gatekeeper.commands.out import print_json
from gatekeeper.commands.plain import plain
from gatekeeper.commands.under_way import Line, under_way
from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home
from gatekeeper.librarian import doing, door
from gatekeeper.model import Actor, Decision, RequestId
from gatekeeper.process import Cancel
from gatekeeper.repo import lock, records, spool
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import utc
from gatekeeper.repo.notice import Notice
from gatekeeper.repo.records import Written

_OPENING = 10.0
_CLOSED = (FileNotFoundError, ConnectionRefusedError)
"""Nobody has heard anything: what was asked may be asked again."""
_GLANCE = 0.2
_PATIENCE = 600.0
_LOOK_BACK = 200


def decide(
    folder: Path,
    verb: str,
    *,
    request: str | None = None,
    message: str = "",
    args: dict[str, str] | None = None,
    as_json: bool,
    **more: Any,
) -> None:
    """Have it carried out, print what came of it (`more` goes into the JSON), and end with its status."""
    home = gate_in(folder)
    asked: dict[str, Any] = {"verb": verb, "id": request, "message": message, "args": args or {}}
    asker: Actor | None = click.get_current_context().meta.get(ASKER)
    with under_way(f"{verb} {request or ''}".strip()) as line:
        written = _here(home, asked, line) if asker is None else _for(asker, home, asked, line)
    status, text = Exit(written.record.data.get("exit", 0)), written.record.subject
    if as_json:
        print_json(event=written.record.event, text=text, exit=int(status), data=written.record.data, **more)
    else:
        click.echo(plain(text), err=status is not Exit.DONE)
        if taken := written.record.data.get("takes_out"):
            click.echo(f"It takes out {', '.join(taken)}.")
        for host in written.record.data.get("lost", ()):
            click.echo(f"Host {host} cannot be reached: it serves what it had, and is brought along when it is.")
    raise click.exceptions.Exit(status)


def _here(home: Home, asked: dict[str, Any], line: Line) -> Written:
    """The lock is taken before the door is open, and a `tick` has no door: either is over soon."""
    deadline = time.monotonic() + _OPENING
    while True:
        try:
            if lock.holder(home.path) is None:
                return _by_ourselves(home, asked, line)
        except GateError as problem:
            if problem.exit is not Exit.LOCKED:
                raise
        try:
            return _through_the_door(home, asked, line)
        except GateError as problem:
            if not isinstance(problem.__cause__, _CLOSED) or time.monotonic() >= deadline:
                raise
        time.sleep(_GLANCE)


def _for(asker: Actor, home: Home, asked: dict[str, Any], line: Line) -> Written:
    """Hand on what somebody decided who came through a door: the Librarian that runs carries it out, or nobody."""
    if lock.holder(home.path) is None:
        raise GateError("The Librarian does not run, so nobody can carry it out.", hints=("gatekeeper run",))
    return _through_the_door(home, {**asked, "by": spool.fields_of(asker)}, line)


def _by_ourselves(home: Home, asked: dict[str, Any], line: Line) -> Written:
    from gatekeeper.librarian import loop, opening  # noqa: PLC0415 - all of a Librarian, where one runs already

    def tell(said: str) -> None:
        line.above(lambda: click.echo(plain(said), err=True))

    with opening.locked(home) as held, closing(Cancel()) as brake:
        decision = Decision(
            key=spool.new_key(),
            verb=asked["verb"],
            actor=door.ourselves(),
            at=utc(time.time()),
            message=asked["message"],
            id=RequestId(asked["id"]) if asked["id"] else None,
            args=asked["args"],
        )
        spool.decide(home.spool, decision)
        loop.beat_once(home, held, brake, tell=tell)
    written = _find(home, decision.key)
    if written is None:
        raise GateError("It was written down, but could not be carried out yet.", hints=("gatekeeper tick",))
    return written


def _through_the_door(home: Home, asked: dict[str, Any], line: Line) -> Written:
    with Notice(home.repo) as notice:
        try:
            key = door.ask(home, asked)
        except OSError as problem:
            raise GateError(
                f"Another Librarian holds the lock, and its door does not answer ({problem}).",
                hints=("gatekeeper status",),
                exit=Exit.LOCKED,
            ) from problem
        deadline = time.monotonic() + _PATIENCE
        while (written := _find(home, key)) is None:
            if time.monotonic() >= deadline:
                raise GateError("It is written down; the Librarian has not come to it yet.", exit=Exit.WAITING)
            line.show(doing.at(home))
            notice.wait(_GLANCE)
        return written


def _find(home: Home, key: str) -> Written | None:
    with Git(home.repo) as git:
        recent = records.walk(git, limit=_LOOK_BACK)
        return next((written for written in recent if written.record.data.get("decision") == key), None)
