"""What the Librarian and a host say to each other: one call, one answer, over one stream that is kept.

A message is framed as a steward's is. An empty one is a sign of life: the host gives one while it works, the gate one
while a ship is undecided. Bytes that follow a call are as many as it says.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from gatekeeper.model import Argv, Oid, SiteName, Version
from gatekeeper.ship.runs import LivePlan
from gatekeeper.ship.stage import Load
from gatekeeper.sites import wire
from gatekeeper.sites.run import SiteRun, Stamp

FORMAT = 1

ALIVE = b""
PACE = 2.0
"""Seconds between two signs of life."""
SILENCE = 12.0
"""Seconds without one after which the other side counts as cut off."""


class Verb(Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked; most mean what the Target's method of that name means."""


class Hello(Verb, frozen=True, tag="hello"):
    """Say who you are: a Greeting."""


class Needs(Verb, frozen=True, tag="needs"):
    """Say what is missing to stage a tree: a Lack."""

    tree: Oid
    outputs: Mapping[str, str]
    """Keys of builds, each with the digest of what it left."""


class Pack(Verb, frozen=True, tag="pack"):
    """A pack of `size` bytes follows that makes the tree whole."""

    tree: Oid
    size: int


class Output(Verb, frozen=True, tag="output"):
    """A tar of `size` bytes follows: all that a build left, of this digest."""

    key: str
    digest: str
    size: int


class Preflight(Verb, frozen=True, tag="preflight"):
    """Raise what a ship would stumble on."""

    live: LivePlan
    free: int


class Stage(Verb, frozen=True, tag="stage"):
    """Make the release, of what has arrived: None, or the key of a build whose output was changed."""

    load: Load
    live: LivePlan


class Migrate(Verb, frozen=True, tag="migrate"):
    """Run a migration; it ends with the line."""

    run: SiteRun
    stamp: Stamp
    argv: Argv
    release: str


class Switch(Verb, frozen=True, tag="switch"):
    """From here on the ship is undecided, until it is published, discarded or brought back."""

    live: LivePlan


class Reload(Verb, frozen=True, tag="reload"):
    """Have the sites follow `current`."""

    runs: tuple[SiteRun, ...]
    stamp: Stamp
    only: tuple[str, ...] | None


class Judge(Verb, frozen=True, tag="health"):
    """Follow the sites until each is well, hopeless or late."""

    runs: tuple[SiteRun, ...]
    stamp: Stamp
    release: str


class Converge(Verb, frozen=True, tag="converge"):
    """Point `current` at the release and bring the sites to it."""

    runs: tuple[SiteRun, ...]
    stamp: Stamp
    release: str
    only: tuple[str, ...] | None


class Publish(Verb, frozen=True, tag="publish"):
    """The ship has come to its good end."""

    live: LivePlan


class Discard(Verb, frozen=True, tag="discard"):
    """The ship has come to nothing; the sites are back already."""

    release: str
    live: str | None


class Observe(Verb, frozen=True, tag="observe"):
    """Say what is there."""

    runs: tuple[SiteRun, ...]


class Ask(Verb, frozen=True, tag="ask"):
    """Ask the sites' health addresses once."""

    runs: tuple[SiteRun, ...]
    versions: Mapping[SiteName, Version]


class Astray(Verb, frozen=True, tag="astray"):
    """Say where `current` leads when neither the gate nor a ship of its led it there."""

    release: str


class Lacking(Verb, frozen=True, tag="lacking"):
    """Say whether the release is not there."""

    release: str


class Orphaned(Verb, frozen=True, tag="orphaned"):
    """Say whether the daemon that runs the site is gone."""

    run: SiteRun


class StopAll(Verb, frozen=True, tag="stop"):
    """Stop what this gate started: nothing is live."""


class Prune(Verb, frozen=True, tag="prune"):
    """Keep house."""

    keep: int
    used: tuple[str, ...]


Looking = Hello | Needs | Observe | Ask | Judge | Astray | Lacking | Orphaned
"""What changes nothing: anybody who may look may ask it, beside a ship too."""
Changing = (
    Pack | Output | Preflight | Stage | Migrate | Switch | Reload | Converge | Publish | Discard | StopAll | Prune
)
Asked = Looking | Changing


class Call(Struct, frozen=True, forbid_unknown_fields=True):
    """One verb; `pm2` and `pm2_home` are how pm2 is called, and where its home lies below the host's."""

    v: int
    pm2: Argv
    pm2_home: str
    asked: Asked


class Greeting(Struct, frozen=True):
    """Which gatekeeper a host has, and what its last ships left: folders of releases."""

    gatekeeper: str
    published: str | None
    undecided: str | None
    """A release that it was switched to and never heard the end of."""


class Lack(Struct, frozen=True):
    """What a host has of a tree and of builds' outputs."""

    whole: bool
    """It has the tree already."""
    trees: tuple[Oid, ...]
    """Trees that it has whole: what they share with the one that it needs need not travel."""
    outputs: tuple[str, ...]
    """Keys of builds whose output it does not have."""


def call(message: bytes) -> Call:
    """Read a call. Raises ValueError for what is none, or of another format."""
    read = msgspec.json.decode(message, type=Call, dec_hook=wire.path)
    if read.v != FORMAT:
        raise ValueError(f"format {read.v} is not {FORMAT}")
    return read


def of(asked: Asked, pm2: Argv, pm2_home: str) -> bytes:
    """Return a call as it travels."""
    return wire.encode(Call(FORMAT, pm2, pm2_home, asked))


def whole(value: Any) -> tuple[str, ...] | None:
    """Return what narrows a call, as it travels."""
    return None if value is None else tuple(value)
