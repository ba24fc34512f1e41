"""Writes what was drafted into the gate: sections of sites.toml, env files, the book. What is there already stays."""

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from gatekeeper.adopt.draft import Draft
from gatekeeper.adopt.theirs import Theirs
from gatekeeper.config.load import check, from_tables
from gatekeeper.config.problems import ConfigProblems, dotted
from gatekeeper.config.schema import Build
from gatekeeper.config.written import section
from gatekeeper.home import Home
from gatekeeper.repo.export import write_file
from gatekeeper.ship import adoption
from gatekeeper.ship.adoption import Book, Known


class Written(Struct, frozen=True):
    """The sites that got a section now, those that had one, and the env files that were written."""

    sites: tuple[str, ...]
    had: tuple[str, ...]
    env_files: tuple[Path, ...]


def write(home: Home, pm2_home: Path, drafts: Sequence[Draft]) -> Written:
    """Write all of it; the book first, so that a Librarian that runs leaves these sites alone. Raises ConfigProblems.

    Secrets are in the env files alone, mode 0600.
    """
    text = home.sites_toml.read_text("utf-8")
    tables = _tables(text, home)
    had = frozenset(tables.get("sites", {}))
    new = [draft for draft in drafts if draft.theirs.name not in had]
    builds = _new_builds(new, tables.get("builds", []))
    parts = [section("[builds]", build) + "\n" for build in builds]
    parts += [_site(draft) for draft in new]
    whole = "\n".join([text.rstrip("\n") + "\n", *parts]) if parts else text
    from_tables(tomllib.loads(whole), file=str(home.sites_toml))
    _note(home, pm2_home, drafts, new)
    env_files = tuple(path for draft in new if (path := _env_file(home, draft)))
    if parts:
        write_file(home.sites_toml, whole.encode(), mode=home.sites_toml.stat().st_mode & 0o777)
    return Written(tuple(one.theirs.name for one in new), tuple(sorted(had)), env_files)


def _tables(text: str, home: Home) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError:
        raise ConfigProblems(check(home.sites_toml)) from None


def _new_builds(drafts: Iterable[Draft], there: object) -> list[Build]:
    """Return each build once, without those whose output a build of sites.toml makes already."""
    made = {
        (str(one.get("cwd", ".")), output)
        for one in (there if isinstance(there, list) else [])
        for output in one.get("outputs", [])
    }
    found: dict[str, Build] = {}
    for draft in drafts:
        for build in draft.builds:
            if not any((build.cwd, output) in made for output in build.outputs):
                found[build.name] = build
    return list(found.values())


def _site(draft: Draft) -> str:
    notes = [f"# Taken from pm2, where {draft.theirs.called} ran in {draft.theirs.cwd}."]
    notes += [f"# To look at: {text}" for text in draft.unsure]
    return "\n".join([*notes, section(dotted("sites", draft.theirs.name), draft.site)]) + "\n"


def _note(home: Home, pm2_home: Path, drafts: Sequence[Draft], new: Sequence[Draft]) -> None:
    """Put the new ones into the book; one that was in it stays in its place, as what it ran from may have changed."""
    book = adoption.read(home)
    fresh = {one.theirs.name for one in new}
    kept = dict(book.sites) if book is not None and book.pm2_home == str(pm2_home) else {}
    for draft in drafts:
        theirs = draft.theirs
        if theirs.name in fresh or theirs.name in kept:
            kept[theirs.name] = _known(theirs, kept.get(theirs.name))
    adoption.write(home, Book(str(pm2_home), kept))


def _known(theirs: Theirs, before: Known | None) -> Known:
    """Keep that it ran: an adoption that was killed may have stopped it."""
    running = theirs.running or (before is not None and before.running)
    return Known(theirs.called, theirs.script, theirs.cwd, running)


def _env_file(home: Home, draft: Draft) -> Path | None:
    """Write an env file, unless there is one: what a person put there counts."""
    if draft.site.env_file is None:
        return None
    path = home.path / draft.site.env_file
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        return None
    lines = [f"{name}={_quoted(value)}" for name, value in draft.secrets.items()]
    write_file(path, ("\n".join(lines) + "\n").encode(), mode=0o600)
    return path


def _quoted(value: str) -> str:
    """Quote what would lose its own quotes when it is read back; nothing in it is ever escaped."""
    return f'"{value}"' if value[:1] in ("'", '"') or value[:1] == "#" else value
