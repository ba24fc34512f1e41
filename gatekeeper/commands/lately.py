"""What happened since a person looked last. How far they had looked is remembered for each; losing it loses nothing."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from gatekeeper.commands.home import ASKER
from gatekeeper.gate import Gate
from gatekeeper.home import Home
from gatekeeper.librarian.door import ourselves
from gatekeeper.model import LOG, Actor, Oid
from gatekeeper.repo import records
from gatekeeper.repo.ledger import utc
from gatekeeper.repo.records import Record

_MOST = 1000
"""Records that are read at most."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_OID = re.compile(r"[0-9a-f]{40,64}")
_GRAVEST_FIRST = tuple(
    "tampered stranded ship_failed interrupted migration_failed blocked held expired shipped reconfigured converged"  # noqa: SIM905
    " frozen thawed aborted rejected approved put_first retried repaired reloaded resolved applied configured"
    " withdrawn landed tried filed refused started stopped".split()
)
"""What is worth a line; the rest (checks, waiting, mirrors, alerts) is in the log."""
_DECIDED = _GRAVEST_FIRST[_GRAVEST_FIRST.index("frozen") : _GRAVEST_FIRST.index("configured")]
"""By a person, who is named."""


class Event(Struct, frozen=True):
    """Something that happened, and to what."""

    name: str
    what: tuple[str, ...]


class Lately(Struct, frozen=True):
    """What the log holds since `at`; `records` counts all of it, also what is worth no line."""

    at: str
    records: int
    events: tuple[Event, ...]

    @property
    def more(self) -> bool:
        """True when there was too much to read it all."""
        return self.records >= _MOST


def since_last_look(gate: Gate) -> Lately | None:
    """Return what is new to whoever asks; None when they have never looked, or nobody can tell any more."""
    found = _remembered(gate.home)
    if found is None or gate.git.resolve(f"{found[0]}^{{commit}}") is None:
        return None
    new = [written.record for written in records.walk(gate.git, since=found[0], limit=_MOST)]
    return Lately(found[1], len(new), summary(reversed(new)))


def remember(gate: Gate) -> None:
    """Note that whoever asks has seen the log as it is now. Where they can write nowhere, nothing is new to them."""
    log = gate.git.resolve(LOG)
    place = _place(gate.home)
    draft = place.with_name(f".{place.name}.new")
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.write_text(json.dumps({"log": log, "at": utc(gate.clock())}), "utf-8")
        draft.rename(place)


def summary(told: Iterable[Record]) -> tuple[Event, ...]:
    """Return the events worth a line, the gravest first, each with what it happened to, oldest first."""
    found: dict[str, list[str]] = {}
    for record in told:
        found.setdefault(record.event, []).append(_what(record))
    return tuple(Event(name, _counted(found[name])) for name in _GRAVEST_FIRST if name in found)


def of_lately(found: Lately | None) -> dict[str, Any] | None:
    """Return it as `status --json` prints it."""
    if found is None:
        return None
    events = [{"event": event.name, "what": list(event.what)} for event in found.events]
    return {"at": found.at, "records": found.records, "events": events}


def _what(record: Record) -> str:
    data = record.data
    if record.event in ("shipped", "reconfigured", "ship_failed"):
        ids = ", ".join(str(landing.get("id")) for landing in data.get("requests", ()))
        beside = data.get("code") or ("" if data.get("cause") in (None, "train") else data.get("cause")) or ids
        return f"{data.get('version') or record.subject.partition(':')[0]}{f' ({beside})' if beside else ''}"
    if record.event == "refused":
        return str(data.get("code") or "pushes")
    words = (data.get("id"), data.get("code"), f"by {record.actor.name}" if record.event in _DECIDED else None)
    return " ".join(str(word) for word in words if word)


def _counted(what: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{one}{f' x{times}' if times > 1 else ''}".strip() for one, times in Counter(what).items())


def _who() -> Actor:
    """Return for whom this runs: whoever came through a door, or the person behind `sudo`."""
    asker: Actor | None = click.get_current_context().meta.get(ASKER)
    return asker or Actor(os.environ.get("SUDO_USER") or ourselves().name)


def _place(home: Home) -> Path:
    """Who owns the gate's state keeps it there; root, who must leave nothing behind there, with what is root's own."""
    name = _who().name
    name = name if _NAME.fullmatch(name) else sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    if home.var.stat().st_uid == os.geteuid():
        return home.looks / name
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "gatekeeper" / sha256(os.fsencode(home.path)).hexdigest()[:16] / name


def _remembered(home: Home) -> tuple[Oid, str] | None:
    with suppress(OSError, ValueError, KeyError, TypeError, RuntimeError):
        said = json.loads(_place(home).read_bytes())
        log, at = str(said["log"]), str(said["at"])
        return (Oid(log), at) if _OID.fullmatch(log) else None
    return None
