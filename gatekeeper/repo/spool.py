"""What hooks and people wrote down for the Librarian: a file each in var/spool, named so that order is time.

What people decided lies in a folder of its own there, which nothing that serves a push can reach.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from msgspec import Struct

from gatekeeper import fault
from gatekeeper.model import Actor, Assurance, Decision, RequestId
from gatekeeper.repo import report
from gatekeeper.repo.export import remove, write_file

DECIDED = "decided"


class Entry(Struct, frozen=True):
    """One file of the spool, parsed; `event` is "broken" when it could not be, or claims to be a person's decision."""

    file: str
    """Its path below the spool."""
    event: str
    fields: dict[str, Any]

    @property
    def actor(self) -> Actor:
        """Who is behind it, as the door found out."""
        return actor_of(self.fields.get("agent") or {})


def read(folder: Path, known: dict[str, Entry] | None = None) -> tuple[Entry, ...]:
    """Return every entry, oldest first; drafts (names with a dot in front) are not there yet.

    Those that are `known` are not read again; the others are put there.
    """
    there = (*folder.glob("[!.]*.json"), *(folder / DECIDED).glob("[!.]*.json"))
    names = [str(path.relative_to(folder)) for path in sorted(there, key=lambda path: path.name)]
    known = {} if known is None else known
    known |= {name: _entry(folder, name) for name in names if name not in known}
    return tuple(known[name] for name in names)


def wish_to_abort(folder: Path) -> Entry | None:
    """Return the first decision of an operator to stop what is under way."""
    entries = (entry for entry in read(folder) if entry.event == "decision")
    return next((e for e in entries if e.fields.get("verb") == "abort" and e.actor.role == "operator"), None)


def drop(folder: Path, files: tuple[str, ...]) -> None:
    """Forget entries that are in the log now; one that is gone already is no error."""
    for name in files:
        with fault.step("spool: drop"):
            remove(folder / name)


def only_counted(folder: Path) -> int:
    """Return how many refusals came while the spool was full, of which nothing but the number is known."""
    try:
        return int(report.plain(str(folder / report.COUNTER)))
    except (OSError, ValueError):
        return 0


def decide(folder: Path, decision: Decision) -> None:
    """Write a person's decision down, durably, for the Librarian to take."""
    fields = {
        "v": 1,
        "event": "decision",
        "verb": decision.verb,
        "id": decision.id,
        "message": decision.message,
        "args": decision.args,
        "at": decision.at,
        "agent": fields_of(decision.actor),
    }
    (folder / DECIDED).mkdir(exist_ok=True)
    write_file(folder / decision.key, json.dumps(fields, sort_keys=True).encode() + b"\n", mode=0o600)


def new_key() -> str:
    """Return the name of a decision that is written now: later ones sort behind it."""
    return f"{DECIDED}/{time.time_ns()}-{os.getpid()}.json"


def decision(entry: Entry) -> Decision:
    """Read a decision back; KeyError when the entry is something else."""
    fields = entry.fields
    return Decision(
        key=entry.file,
        verb=fields["verb"],
        actor=entry.actor,
        at=fields["at"],
        message=fields["message"],
        id=RequestId(fields["id"]) if fields["id"] else None,
        args=dict(fields["args"]),
    )


def fields_of(actor: Actor) -> dict[str, str]:
    """Write an actor as `actor_of` reads one."""
    return {"name": actor.name, "assurance": actor.assurance, "role": actor.role}


def actor_of(fields: dict[str, Any]) -> Actor:
    """Read the actor that a hook or a door wrote; what is missing makes it an unknown agent that only claims."""
    assurance = fields.get("assurance")
    known = assurance if assurance in set(Assurance) else Assurance.CLAIMED
    return Actor(str(fields.get("name", "unknown")), Assurance(known), str(fields.get("role", "agent")))


def _entry(folder: Path, name: str) -> Entry:
    try:
        fields = json.loads(report.plain(str(folder / name)))
    except (OSError, ValueError, RecursionError):
        return Entry(name, "broken", {})
    if not isinstance(fields, dict) or not isinstance(fields.get("agent") or {}, dict):
        return Entry(name, "broken", {})
    event = str(fields.get("event"))
    sound = (event == "decision") == name.startswith(f"{DECIDED}/")
    return Entry(name, event, fields) if sound else Entry(name, "broken", {})
