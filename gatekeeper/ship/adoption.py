"""The sites that are being taken from another pm2: which of them it still runs. Knows nothing of how that is done.

A site that is live here is not elsewhere, whatever the book says: a taking that was killed is judged by what is live.
"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct, field

from gatekeeper.errors import GateError
from gatekeeper.home import Home
from gatekeeper.repo.export import write_file
from gatekeeper.ship import runs

FORMAT = 1


class Known(Struct, frozen=True):
    """How a site is found again in that pm2, by its exact name and program, and the folder that it runs in."""

    called: str
    script: str
    cwd: str
    running: bool = True
    """Whether it ran when it was drafted: what was stopped there is not started there."""


class Book(Struct, frozen=True):
    """The PM2_HOME that sites are taken from, and those that are not taken yet, in their order."""

    pm2_home: str
    sites: Mapping[str, Known] = field(default_factory=dict)


def read(home: Home) -> Book | None:
    """Return the book, None when nothing is being adopted. GateError for one of another version of gatekeeper."""
    try:
        told: dict[str, Any] = json.loads(home.adoption.read_bytes())
    except FileNotFoundError:
        return None
    if told.get("v") != FORMAT:
        raise GateError(f"{home.adoption} was written by another version of gatekeeper.", code="GATE-501")
    return Book(told["pm2_home"], {name: Known(**known) for name, known in told["sites"].items()})


def write(home: Home, book: Book) -> None:
    """Write the book durably; one without sites is taken away."""
    if book.sites:
        content = {"v": FORMAT, **msgspec.to_builtins(book)}
        write_file(home.adoption, json.dumps(content, indent=1).encode(), mode=0o600)
    else:
        home.adoption.unlink(missing_ok=True)


def elsewhere(home: Home) -> frozenset[str]:
    """Return the sites that another pm2 still runs."""
    book = read(home)
    if book is None:
        return frozenset()
    live = runs.load(home.live_plan)
    return frozenset(book.sites) - {run.name for run in (live.runs if live else ())}
