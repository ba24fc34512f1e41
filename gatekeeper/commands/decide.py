"""The operator's decisions, a verb each. `commands.deciding` takes them to the Librarian."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from gatekeeper.commands import completing
from gatekeeper.commands.deciding import decide
from gatekeeper.commands.home import ASKER, gate_in
from gatekeeper.commands.out import as_json, print_json
from gatekeeper.errors import Exit, GateError
from gatekeeper.librarian.door import ourselves
from gatekeeper.policy import moments
from gatekeeper.policy.answer import shown
from gatekeeper.repo.ledger import utc


def _said(_context: click.Context, _param: click.Parameter, why: str) -> str:
    if not why.strip():
        raise click.BadParameter("say why, in a few words: it is recorded, and whoever is concerned reads it")
    return why


_why = click.option("-m", "--message", required=True, callback=_said, help="Why; it is recorded with your name.")


@click.command("rollback")
@click.argument("version", required=False, shell_complete=completing.versions)
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
    decide(folder, "rollback", message=message, args=args, as_json=as_json)


@click.command("freeze")
@_why
@click.option("--until", metavar="WHEN", help='When it ends by itself: "8h", "07:30" or "2026-01-31T07:30".')
@as_json
@click.pass_obj
def freeze(folder: Path, *, message: str, until: str | None, as_json: bool) -> None:
    """Ship nothing until `thaw`, or until WHEN. Requests are still filed and verified, and a rollback still works.

    A time without a zone is one of the gate's own `timezone`.

    Example: gatekeeper freeze --until 07:30 -m "nobody is awake"
    """
    args = {"until": _moment(folder, until)} if until else {}
    decide(folder, "freeze", message=message, args=args, as_json=as_json)


@click.command("thaw")
@click.option("--unseal", is_flag=True, help="Let a gate that `backup --final` or `setup --leave` ended go on.")
@click.option("-m", "--message", default="", help="Why; it is recorded with your name.")
@as_json
@click.pass_obj
def thaw(folder: Path, *, unseal: bool, message: str, as_json: bool) -> None:
    """End a freeze, also that of `abort`. What was verified meanwhile ships.

    With --unseal, and a message, take off the seal: only when no other gate has taken this one's place.
    Example: gatekeeper thaw
    """
    if unseal:
        _unseal(folder, message, as_json=as_json)
    else:
        decide(folder, "thaw", message=message, as_json=as_json)


@click.command("abort")
@click.option("-m", "--message", default="", help="Why; it is recorded with your name.")
@as_json
@click.pass_obj
def abort(folder: Path, *, message: str, as_json: bool) -> None:
    """Stop what is under way. A ship that is not past its commit point goes back, checks are cancelled.

    The requests stay in the queue, and nothing is verified or shipped until `gatekeeper thaw`.

    Example: gatekeeper abort -m "wrong branch"
    """
    decide(folder, "abort", message=message, as_json=as_json)


@click.command("retry")
@click.argument("request", metavar="ID", shell_complete=completing.open_requests)
@click.option("--fresh", is_flag=True, help="Run all its jobs anew, also those that passed.")
@as_json
@click.pass_obj
def retry(folder: Path, request: str, *, fresh: bool, as_json: bool) -> None:
    """Put a blocked request into the queue again. The check that failed runs anew; so does a ship that was held.

    What a rollback took out is filed again.

    Example: gatekeeper retry fix-42
    """
    decide(folder, "retry", request=request, args={"fresh": "yes"} if fresh else {}, as_json=as_json)


@click.command("approve")
@click.argument("request", metavar="ID[@TIP]", shell_complete=completing.open_requests)
@_why
@as_json
@click.pass_obj
def approve(folder: Path, request: str, *, message: str, as_json: bool) -> None:
    """Lift a hold. It counts for this tip and the held content as it is now; checks still apply.

    Its size, what is held, and what its checks have said so far are shown first.

    Example: gatekeeper approve fix-42@1a2b3c4 -m "the migration is fine"
    """
    name, tip = _at_tip(request)
    from gatekeeper.commands import approval  # noqa: PLC0415 - the other verbs only hand on what is decided
    from gatekeeper.commands.look import looking  # noqa: PLC0415

    with looking(folder) as gate:
        sheet = approval.sheet(gate, name)
    if sheet is not None and not as_json:
        for line in approval.lines(sheet):
            click.echo(line)
    decide(folder, "approve", request=name, message=message, args={"tip": tip}, as_json=as_json, shown=sheet)


@click.command("reject")
@click.argument("request", metavar="ID", shell_complete=completing.open_requests)
@_why
@as_json
@click.pass_obj
def reject(folder: Path, request: str, *, message: str, as_json: bool) -> None:
    """End a request for good. Its agent is told the message.

    Example: gatekeeper reject fix-42 -m "we keep the old checkout"
    """
    decide(folder, "reject", request=request, message=message, as_json=as_json)


@click.command("next")
@click.argument("request", metavar="ID[@TIP]", shell_complete=completing.open_requests)
@_why
@as_json
@click.pass_obj
def next_(folder: Path, request: str, *, message: str, as_json: bool) -> None:
    """Put a request at the head of the queue and past the ship windows, until it ships.

    It counts for this tip; checks, holds and a freeze still apply. What it depends on goes along.

    Example: gatekeeper next fix-42 -m "checkout is down"
    """
    name, tip = _at_tip(request)
    decide(folder, "next", request=name, message=message, args={"tip": tip}, as_json=as_json)


@click.command("revert")
@click.argument("request", metavar="ID", shell_complete=completing.requests)
@_why
@as_json
@click.pass_obj
def revert(folder: Path, request: str, *, message: str, as_json: bool) -> None:
    """Take one shipped request out. The inverse of its change is filed as request revert-ID, in your name.

    What landed since stays; where that stands on it, the files in conflict are named and nothing is changed.

    Example: gatekeeper revert fix-42 -m "it counts orders twice"
    """
    decide(folder, "revert", request=request, message=message, as_json=as_json)


@click.command("reload")
@click.argument("site", metavar="SITE", shell_complete=completing.sites)
@click.option("-m", "--message", default="", help="Why; it is recorded with your name.")
@as_json
@click.pass_obj
def reload(folder: Path, site: str, *, message: str, as_json: bool) -> None:
    """Restart one site on what is live, and prove that it is healthy. A changed env file is shipped first.

    Example: gatekeeper reload shop -m "new mail password"
    """
    decide(folder, "reload", message=message, args={"site": site}, as_json=as_json)


@click.command("repair")
@_why
@as_json
@click.pass_obj
def repair(folder: Path, *, message: str, as_json: bool) -> None:
    """Put back what a stranger wrote (GATE-502). Refs, hooks and settings become what the newest signed version says.

    What stood there is kept below refs/gate/keep/foreign/. Look first: gatekeeper status, gatekeeper audit verify.

    Example: gatekeeper repair -m "a test wrote to the repository by hand"
    """
    decide(folder, "repair", message=message, as_json=as_json)


COMMANDS = (rollback, freeze, thaw, abort, retry, approve, reject, next_, revert, reload, repair)


def _unseal(folder: Path, message: str, *, as_json: bool) -> None:
    """No Librarian runs here that could be asked, so this is done on the machine itself."""
    if ASKER in click.get_current_context().meta:
        raise GateError("A seal is taken off on the machine itself, by who may write the gate.", exit=Exit.REFUSED)
    if not message:
        raise click.UsageError("Say why with -m: another gate may have taken this one's place.")
    home = gate_in(folder)
    from gatekeeper.librarian import sealing  # noqa: PLC0415 - rare

    with sealing.held(home) as token:
        done = sealing.unseal(home, token, by=ourselves(), reason=message)
    text = "The gate goes on here: gatekeeper run" if done else "The gate is not sealed."
    if as_json:
        print_json(event="unsealed" if done else None, text=text, exit=int(Exit.DONE))
    else:
        click.echo(text)


def _at_tip(request: str) -> tuple[str, str]:
    """Take `ID@TIP` apart; a tip that was forgotten behind its sign is none to be guessed."""
    name, sign, tip = request.partition("@")
    if sign and not tip:
        raise click.BadParameter(
            f"name the tip behind the @, as `gatekeeper show {shown(name)}` does, or leave out both"
        )
    return name, tip


def _moment(folder: Path, text: str) -> str:
    from gatekeeper.config.force import in_force  # noqa: PLC0415 - as above

    zone = ZoneInfo(in_force(gate_in(folder)).config.gate.timezone)
    found = moments.moment(text, datetime.now(UTC).astimezone(zone))
    if found is None:
        raise click.BadParameter('write a time to come, like "8h", "07:30" or "2026-01-31T07:30"')
    return utc(found.timestamp())
