"""`gatekeeper alert`: what is open and who is told, and the proof that telling them works."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from gatekeeper.alerts import book, post, words
from gatekeeper.alerts.addresses import Address, Addresses, Kind
from gatekeeper.alerts.book import Page, open_causes
from gatekeeper.alerts.desk import Desk
from gatekeeper.alerts.words import Place
from gatekeeper.commands.home import gate_in
from gatekeeper.commands.out import as_json, print_json
from gatekeeper.config import standing
from gatekeeper.config.force import in_force
from gatekeeper.errors import Exit, GateError
from gatekeeper.librarian import shape
from gatekeeper.policy.answer import shown
from gatekeeper.repo.ledger import utc
from gatekeeper.ship import runs


@click.group("alert", invoke_without_command=True)
@as_json
@click.pass_context
def alert(context: click.Context, *, as_json: bool) -> None:
    """Show what is open, who is told of it, and which addresses do not work.

    Example: gatekeeper --gate /srv/gate alert
    """
    if context.invoked_subcommand is not None:
        return
    home = gate_in(context.obj)
    page, settings = book.read(home.alerts), in_force(home).config.gate
    known = Desk(home, time.time).addresses(settings)
    if as_json:
        print_json(**_json(page, known))
        return
    for line in _lines(page, known, settings.alerts_file):
        click.echo(line)


@alert.command("test")
@as_json
@click.pass_obj
def test(folder: Path, *, as_json: bool) -> None:
    """Send a message to every address now, and say of each whether it arrived. Exit status 1: one did not.

    Example: gatekeeper --gate /srv/gate alert test
    """
    home = gate_in(folder)
    standing.refuse_root(home)
    settings, desk = in_force(home).config.gate, Desk(home, time.time)
    known = desk.addresses(settings)
    everybody = (*known.people, *known.pings)
    if not everybody and not known.problems:
        text = f"Nobody is told: {settings.alerts_file} names no address."
        raise GateError(text, hints=("Its form: docs/reference.md, Alerts.",), exit=Exit.NOT_FOUND)
    live = runs.load(home.live_plan)
    place = Place(home, live.stamp.version if live else None)
    said = post.send([words.trial(one, place) for one in everybody])
    desk.note_trial(said, everybody)
    if as_json:
        told = [{"address": one.label, "ok": said[one.id] is None, "problem": said[one.id]} for one in everybody]
        print_json(addresses=told, problems=list(known.problems))
    else:
        _say(everybody, said, known.problems)
    if known.problems or any(said.values()):
        raise click.exceptions.Exit(Exit.FAILED)


def _say(everybody: tuple[Address, ...], said: Any, problems: tuple[str, ...]) -> None:
    for one in everybody:
        wrong = said[one.id]
        click.echo(f"{'ok    ' if wrong is None else 'FAILED'} {one.label}{f': {shown(wrong)}' if wrong else ''}")
    for problem in problems:
        click.echo(f"FAILED {problem}")


def _json(page: Page, known: Addresses) -> dict[str, Any]:
    present = [(one, page.failing.get(one.id)) for one in (*known.people, *known.pings)]
    return {
        "open": [shape.of_cause(cause) for cause in open_causes(page)],
        "addresses": [{"address": one.label, "failing": failing.why if failing else None} for one, failing in present],
        "problems": list(known.problems),
    }


def _lines(page: Page, known: Addresses, file: str) -> Iterator[str]:
    causes = open_causes(page)
    yield f"OPEN     {len(causes)}" if causes else "open     nothing"
    for cause in causes:
        yield f"  {cause.level.name:<8} {cause.code}{f' {cause.id}' if cause.id else ''}  {shown(cause.text)}"
    everybody = (*known.people, *known.pings)
    yield f"TOLD     {len(everybody)}" if everybody else f"told     nobody: {file} names no address"
    yield from (_address(one, page) for one in everybody)
    yield from (f"  PROBLEM  {problem}" for problem in known.problems)


def _address(one: Address, page: Page) -> str:
    what = "each heartbeat" if one.kind is Kind.PING else f"{one.level.name.lower()} and graver"
    failing = page.failing.get(one.id)
    state = f"FAILING since {utc(failing.since)}: {shown(failing.why)}" if failing else "ok"
    return f"  {one.label:<24} {what:<18} {state}"
