"""`gatekeeper adopt`: takes the sites of a running pm2 over, one at a time."""

import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import assert_never

import click

from gatekeeper.adopt import draft, takeover, words, write
from gatekeeper.adopt.old import Old
from gatekeeper.adopt.tree import Source
from gatekeeper.commands.home import gate_in
from gatekeeper.commands.plain import plain
from gatekeeper.commands.run import heed_signals
from gatekeeper.config import load, standing
from gatekeeper.config.problems import ConfigProblems
from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home
from gatekeeper.librarian import gates, loop, opening
from gatekeeper.model import FROZEN, RELEASE, SiteName
from gatekeeper.policy.texts import nearest
from gatekeeper.process import Cancel
from gatekeeper.repo import records
from gatekeeper.repo.git import Git
from gatekeeper.repo.lock import Lock
from gatekeeper.ship import adoption, runs
from gatekeeper.ship.adoption import Book
from gatekeeper.ship.protocol import Rebuild, Shipped, Stranded, Undone
from gatekeeper.sites.pm2 import Pm2


@click.command("adopt")
@click.argument("sites", metavar="[SITE]...", nargs=-1)
@click.option("--pm2-home", metavar="DIR", type=click.Path(path_type=Path), help="PM2_HOME of the running sites.")
@click.option("--apply", "take", is_flag=True, help="Take these sites over, or all, one at a time.")
@click.pass_obj
def adopt(folder: Path, *, sites: tuple[str, ...], pm2_home: Path | None, take: bool) -> None:
    """Take the sites of a running pm2 over.

    Writes their sections of sites.toml and their env files, says what could not be known, and prints the cut-over.
    Run again it says where it stands.
    Example: gatekeeper --gate /srv/gate adopt --pm2-home /home/deploy/.pm2
    """
    home = gate_in(folder)
    standing.refuse_root(home)
    book = adoption.read(home)
    if take and book is None:
        raise GateError("Nothing is left to be taken over.", hints=("gatekeeper adopt --pm2-home DIR",))
    place = _pm2_home(home, pm2_home, book)
    old = Old(Pm2.at(_pm2_command(home), place))
    if take and book is not None:
        _apply(home, old, sites, book)
    else:
        _draft(home, old, place)


def _draft(home: Home, old: Old, place: Path) -> None:
    with Git(home.repo) as git:
        drafts = draft.drafts(old, git, RELEASE, _sources(git))
    written = write.write(home, place, drafts.drafts)
    _settle(home)
    book = adoption.read(home)
    standing = _standing(old, book) if book else {}
    _say(words.found(drafts, written, standing))
    _say(words.written_lines(written, str(home.path)))
    _say(words.plan(str(home.path), str(place), drafts, standing))


def _apply(home: Home, old: Old, asked: Sequence[str], book: Book) -> None:
    wanted = _wanted(asked, book)
    config = load.load(home.sites_toml)
    mine = [
        runs.run_of(SiteName(name), config.sites[name], home, secrets={}) for name in wanted if name in config.sites
    ]
    # what a killed adoption started is the gate's own, and is ended before anything else
    takeover.refuse_strangers(mine, old, daemon=gates.fleet(home, config).local.pm2.daemon())
    with opening.locked(home) as held, heed_signals() as bell, closing(Cancel()) as brake:
        bell.arm(brake)
        ended = loop.beat_once(home, held, brake, _tell)
        _settle(home)
        for alarm in ended.alarms:
            click.echo(plain(f"error: {alarm.code} {alarm.text}"), err=True)
        if any(alarm.code == "GATE-502" for alarm in ended.alarms):
            raise click.exceptions.Exit(Exit.TAMPERED)
        for name in wanted:
            if bell.stop.thrown:
                raise click.exceptions.Exit(Exit.INTERRUPTED)
            if name in (adoption.read(home) or Book("")).sites:
                _take(home, held, old, SiteName(name))
    left = adoption.read(home)
    _tell(
        f"left to be taken over: {', '.join(left.sites)}"
        if left
        else "every site is the gate's own: `gatekeeper adopt`"
    )


def _take(home: Home, held: Lock, old: Old, name: SiteName) -> None:
    """Take one site over, or say why not and end; the old one runs again then."""
    known = (adoption.read(home) or Book("")).sites[name]
    with gates.opened(home, held) as (gate, problems):
        if problems is not None:
            raise problems
        if gate.git.resolve(FROZEN) is not None:
            raise GateError("The gate is frozen, so nothing was touched.", code="GATE-408", hints=("gatekeeper thaw",))
        if runs.load(home.live_plan) is None:
            raise GateError("`release` is not live yet, so nothing was touched: gatekeeper tick says why.")
        if name not in gate.config.sites:
            raise GateError(
                f"sites.toml has no [sites.{name}] any more.", hints=("gatekeeper adopt",), exit=Exit.CONFIG
            )
        if unproven := takeover.unproven(gate, name):
            text = f"{name} was not touched: on `release` {', '.join(unproven)} did not pass."
            raise GateError(text, code="GATE-402", hints=("gatekeeper tick",))
        began = time.monotonic()
        _tell(f"taking {name} over")
        outcome, away = takeover.take(gate, old, name, known)
    match outcome:
        case Shipped():
            _settle(home)
            gone = "" if away is None else f"; {away:.2f} s without anybody on its port"
            _tell(f"{name} is the gate's own and healthy, after {time.monotonic() - began:.1f} s{gone}")
        case Undone(_, reason) | Stranded(reason):
            raise GateError(f"{name} runs as before, in its old pm2. {reason.text}", code=reason.code)
        case Rebuild(key):
            raise GateError(
                f"{name} was not touched: build {key[:12]} is made again.", hints=("gatekeeper adopt --apply",)
            )
        case _:
            assert_never(outcome)


def _settle(home: Home) -> None:
    """Take off the book what is live here: also what a killed adoption had just finished."""
    book = adoption.read(home)
    if book is not None:
        left = adoption.elsewhere(home)
        adoption.write(home, Book(book.pm2_home, {name: known for name, known in book.sites.items() if name in left}))


def _standing(old: Old, book: Book) -> dict[str, str]:
    """Say of each site that is not taken yet how it is in its old pm2."""
    states = old.states()
    said = {}
    for name, known in book.sites.items():
        ids = old.ids(known.called, known.script, known.cwd)
        found = sorted({states.get(str(one), "gone") for one in ids})
        said[name] = f"{' and '.join(found)} in its old pm2" if found else "not in its old pm2"
    return said


def _wanted(asked: Sequence[str], book: Book) -> list[str]:
    for name in asked:
        if name not in book.sites:
            near = nearest(name, book.sites)
            hint = (
                f'Did you mean "{near}"? Names are matched whole.' if near else f"There are: {', '.join(book.sites)}."
            )
            raise GateError(f"No site {name!a} is left to be taken over. {hint}", exit=Exit.NOT_FOUND)
    return list(asked or book.sites)


def _pm2_home(home: Home, given: Path | None, book: Book | None) -> Path:
    if given is None and book is None:
        raise GateError(
            "Which pm2? Name the PM2_HOME of the running sites.",
            hints=("gatekeeper adopt --pm2-home /home/deploy/.pm2",),
            exit=Exit.USAGE,
        )
    place = given.absolute() if given else Path(book.pm2_home if book else "")
    if place.resolve().is_relative_to(home.path):
        raise GateError(f"{place} is the gate's own pm2.", exit=Exit.USAGE)
    return place


def _pm2_command(home: Home) -> tuple[str, ...]:
    """Return how pm2 is called, also when sites.toml is no whole configuration yet."""
    try:
        return load.load(home.sites_toml).pm2.command
    except ConfigProblems:
        return ("pm2",)


def _sources(git: Git) -> tuple[Source, ...]:
    """Return the repositories that `release` was made of, as the record of the import has them."""
    imported = [one.record for one in records.walk(git) if one.record.event == "imported"]
    told = imported[-1].data.get("sources", []) if imported else []
    return tuple(Source(str(one["folder"]), str(one["below"])) for one in told)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(plain(line))


def _tell(line: str) -> None:
    click.echo(plain(line))
