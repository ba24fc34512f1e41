"""The audit log: a chain of commits at refs/gate/log, one a record. This module alone writes and parses them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, field

from gatekeeper.model import LOG, Actor, Assurance, Oid
from gatekeeper.repo import drafts
from gatekeeper.repo.drafts import Draft
from gatekeeper.repo.git import Git
from gatekeeper.repo.sign import Signer

FORMAT = 1


class Record(Struct, frozen=True):
    """One entry: what happened, when (UTC), on whose word, in which set-up; `data` is the event's own JSON."""

    event: str
    subject: str
    sequence: int
    at: str
    actor: Actor
    mode: str
    data: dict[str, Any] = field(default_factory=dict)


class Written(Struct, frozen=True):
    """A record in its commit."""

    oid: Oid
    record: Record


def write(signer: Signer, empty_tree: Oid, record: Record, *, parent: Oid | None, at: float) -> Oid:
    """Write the record as a signed commit on `parent`, which is there; the ref is the caller's to move."""
    parents = () if parent is None else (parent,)
    return signer.commit(tree=empty_tree, parents=parents, message=encode(record), at=at)


def draft(empty_tree: Oid, record: Record, *, parent: Oid | None, at: float) -> Draft:
    """Compose the record as an unsigned commit on `parent`, to be written with others."""
    parents = () if parent is None else (parent,)
    return drafts.draft(tree=empty_tree, parents=parents, message=encode(record), at=at)


def moment(at: float) -> str:
    """Return an instant as records write it: UTC, whole seconds."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def encode(record: Record) -> str:
    """Return the message: a line for `git log`, then one line of JSON with sorted keys."""
    fields = {
        "format": FORMAT,
        "seq": record.sequence,
        "at": record.at,
        "event": record.event,
        "actor": {"name": record.actor.name, "assurance": record.actor.assurance, "role": record.actor.role},
        "mode": record.mode,
        "data": record.data,
    }
    subject = " ".join(record.subject.split())
    return f"{record.event}: {subject}\n\n{json.dumps(fields, sort_keys=True)}\n"


def decode(message: str) -> Record:
    """Parse what `encode` wrote; KeyError or ValueError when it is something else or of a newer format."""
    head, body = message.split("\n\n", 1)
    fields = json.loads(body)
    if fields["format"] != FORMAT:
        raise ValueError(f"a record of format {fields['format']}, this gatekeeper knows {FORMAT}")
    actor = fields["actor"]
    return Record(
        event=fields["event"],
        subject=head.split(": ", 1)[1],
        sequence=fields["seq"],
        at=fields["at"],
        actor=Actor(actor["name"], Assurance(actor["assurance"]), actor["role"]),
        mode=fields["mode"],
        data=fields["data"],
    )


def walk(git: Git, *, limit: int | None = None, since: Oid | None = None, words: str = "") -> Iterator[Written]:
    """Yield records from the newest back, of at most `limit`, and none that `since` reaches.

    Only those are read that hold `words` somewhere, as JSON writes them.
    """
    if git.resolve(LOG) is None:
        return
    bounds = (*(("-n", str(limit)) if limit else ()), LOG, *((f"^{since}",) if since else ()))
    output = git.run("log", "-z", "--first-parent", "--format=%H%n%B", *bounds).output.decode("utf-8", "replace")
    for chunk in output.split("\0"):
        if chunk and words in chunk:
            oid, message = chunk.split("\n", 1)
            yield Written(Oid(oid), decode(message))


def newest(git: Git) -> Written | None:
    """Return the last record, or None in a log that is empty."""
    return next(walk(git, limit=1), None)
