"""Reads the audit log link by link: that each record is whole, in its place, and follows the one before."""

from collections.abc import Iterator

from msgspec import Struct

from gatekeeper.audit import stored
from gatekeeper.audit.finding import Finding
from gatekeeper.audit.stored import Stored
from gatekeeper.errors import GateError
from gatekeeper.model import Oid
from gatekeeper.repo import records
from gatekeeper.repo.git import Git
from gatekeeper.repo.records import Record


class Link(Struct, frozen=True):
    """A record in the commit that holds it."""

    commit: Stored
    record: Record
    place: int
    """Where it stands in the log, counted; its own number says the same in a log that is whole."""


class Chain(Struct, frozen=True):
    """The log as it can be read, oldest first, and what is wrong with it; `base` is the record before the first."""

    links: tuple[Link, ...]
    findings: tuple[Finding, ...]
    places: dict[Oid, int]
    """Where each commit of the log stands."""


def read(git: Git, head: Oid, *, start: tuple[Oid, int] | None = None) -> Chain:
    """Read the log up to `head`: all of it, or what follows the record `start`, whose number is known."""
    after, base = start or (None, 0)
    try:
        order = stored.first_parents(git, head, until=after)
    except GateError as broken:
        return _broken(git, head, broken)
    found = stored.read(git, order)
    findings: list[Finding] = []
    links: list[Link] = []
    places: dict[Oid, int] = {}
    last, shift = after, 0
    for place, oid in enumerate(order, base + 1):
        commit = found[oid]
        record = decoded(commit)
        findings += [Finding(text, place, oid) for text in _faults(commit, record, last, place + shift)]
        places[oid] = place
        if record is not None:
            links.append(Link(commit, record, place))
            shift = record.sequence - place
        last = oid
    return Chain(tuple(links), tuple(findings), places)


def decoded(commit: Stored) -> Record | None:
    """Return the record in a commit, or None when there is none that this gatekeeper can read."""
    try:
        return records.decode(commit.message)
    except (KeyError, ValueError, IndexError, TypeError):
        return None


def _faults(commit: Stored, record: Record | None, last: Oid | None, expected: int) -> Iterator[str]:
    if not commit.intact:
        yield f"record {expected}: its object holds other content than its name says; it was replaced on disk."
        return
    if commit.parents != ((last,) if last else ()):
        yield f"record {expected}: it does not follow the record before it."
    if record is None:
        yield f"record {expected}: it cannot be read as a record of this log."
    elif record.sequence > expected:
        yield f"record {expected}: the next one says it is number {record.sequence}; what stood between was dropped."
    elif record.sequence < expected:
        yield f"record {expected}: it says it is number {record.sequence}; it was inserted, or the order was changed."


def _broken(git: Git, head: Oid, broken: GateError) -> Chain:
    """Read down from the newest record as far as the objects go."""
    links: list[Link] = []
    oid: Oid | None = head
    while oid is not None and (commit := stored.read(git, [oid]).get(oid)) is not None:
        record = decoded(commit)
        if record is None or not commit.intact:
            break
        links.append(Link(commit, record, record.sequence))
        oid = commit.parents[0] if commit.parents else None
    number = links[-1].record.sequence - 1 if links else None
    text = f"record {number}: its object is missing or damaged ({oid}). Git says: {broken.text}"
    places = {link.commit.oid: link.place for link in links}
    return Chain(tuple(reversed(links)), (Finding(text, number, oid or ""),), places)
