"""The operator's decisions: beside a running Librarian they go through its door, without one the command is one."""

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from gatekeeper.commands.home import gate_in
from gatekeeper.commands.look import as_json, print_json
from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home
from gatekeeper.librarian import door, loop, opening
from gatekeeper.librarian.decisions import outcome
from gatekeeper.model import Decision, RequestId
from gatekeeper.process import Cancel
from gatekeeper.repo import records, spool
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import utc
from gatekeeper.repo.records import Written

_GLANCE = 0.2
_PATIENCE = 600.0
_LOOK_BACK = 200
_why = click.option("-m", "--message", required=True, help="Why; it is recorded with your name.")


@click.command("rollback")
@click.argument("version", required=False)
@_why
@click.option("--past-migrations", is_flag=True, help="Go back across a migration; data is never undone.")
@as_json
@click.pass_obj
def rollback(folder: Path, version: str | None, *, message: str, past_migrations: bool, as_json: bool) -> None:
    """Go back at once. The content of an older version ships as a new one; default: the version before this one.

    It works frozen and outside ship windows, and names the requests that it takes out.
    Example: gatekeeper rollback v1.4.1 -m "checkout is broken"
    """
    args = {"version": version or "", **({"past_migrations": "yes"} if past_migrations else {})}
    _decide(folder, "rollback", message=message, args=args, as_json=as_json)


@click.command("freeze")
@_why
@as_json
@click.pass_obj
def freeze(folder: Path, *, message: str, as_json: bool) -> None:
    """Ship nothing until `thaw`. Requests are still filed and verified, and a rollback still works.

    Example: gatekeeper freeze -m "database maintenance"
    """
    _decide(folder, "freeze", message=message, as_json=as_json)


@click.command("thaw")
@as_json
@click.pass_obj
def thaw(folder: Path, *, as_json: bool) -> None:
    """End a freeze. What was verified meanwhile ships.

    Example: gatekeeper thaw
    """
    _decide(folder, "thaw", as_json=as_json)


@click.command("retry")
@click.argument("request", metavar="ID")
@click.option("--fresh", is_flag=True, help="Run all its jobs anew, also those that passed.")
@as_json
@click.pass_obj
def retry(folder: Path, request: str, *, fresh: bool, as_json: bool) -> None:
    """Put a blocked request into the queue again. The check that failed runs anew.

    Example: gatekeeper retry fix-42
    """
    _decide(folder, "retry", request=request, args={"fresh": "yes"} if fresh else {}, as_json=as_json)


@click.command("approve")
@click.argument("request", metavar="ID[@TIP]")
@_why
@as_json
@click.pass_obj
def approve(folder: Path, request: str, *, message: str, as_json: bool) -> None:
    """Lift a hold. It counts for this tip and the held content as it is now; checks still apply.

    Example: gatekeeper approve fix-42@1a2b3c4 -m "the migration is fine"
    """
    name, _, tip = request.partition("@")
    _decide(folder, "approve", request=name, message=message, args={"tip": tip}, as_json=as_json)


@click.command("reject")
@click.argument("request", metavar="ID")
@_why
@as_json
@click.pass_obj
def reject(folder: Path, request: str, *, message: str, as_json: bool) -> None:
    """End a request for good. Its agent is told the message.

    Example: gatekeeper reject fix-42 -m "we keep the old checkout"
    """
    _decide(folder, "reject", request=request, message=message, as_json=as_json)


@click.command("repair")
@_why
@as_json
@click.pass_obj
def repair(folder: Path, *, message: str, as_json: bool) -> None:
    """Put back what a stranger wrote (GATE-502). Refs, hooks and settings become what the newest signed version says.

    What stood there is kept below refs/gate/keep/foreign/. Look first: gatekeeper status, gatekeeper audit verify.
    Example: gatekeeper repair -m "a test wrote to the repository by hand"
    """
    _decide(folder, "repair", message=message, as_json=as_json)


COMMANDS = (rollback, freeze, thaw, retry, approve, reject, repair)


def _decide(
    folder: Path,
    verb: str,
    *,
    request: str | None = None,
    message: str = "",
    args: dict[str, str] | None = None,
    as_json: bool,
) -> None:
    home = gate_in(folder)
    asked: dict[str, Any] = {"verb": verb, "id": request, "message": message, "args": args or {}}
    try:
        written = _by_ourselves(home, asked)
    except GateError as problem:
        if problem.exit is not Exit.LOCKED:
            raise
        written = _through_the_door(home, asked)
    status, text = outcome(written)
    if as_json:
        print_json(event=written.record.event, text=text, exit=int(status), data=written.record.data)
    else:
        click.echo(text, err=status is not Exit.DONE)
        if taken := written.record.data.get("takes_out"):
            click.echo(f"It takes out {', '.join(taken)}.")
    raise click.exceptions.Exit(status)


def _by_ourselves(home: Home, asked: dict[str, Any]) -> Written:
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
        loop.beat_once(home, held, brake, tell=lambda line: click.echo(line, err=True))
    written = _find(home, decision.key)
    if written is None:
        raise GateError("It was written down, but could not be carried out yet.", hints=("gatekeeper tick",))
    return written


def _through_the_door(home: Home, asked: dict[str, Any]) -> Written:
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
        time.sleep(_GLANCE)
    return written


def _find(home: Home, key: str) -> Written | None:
    with Git(home.repo) as git:
        recent = records.walk(git, limit=_LOOK_BACK)
        return next((written for written in recent if written.record.data.get("decision") == key), None)
