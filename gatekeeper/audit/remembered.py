"""What the last verification found whole, kept in var/: it spares signatures, and shows when the log was cut since.

Whoever can write it is the Librarian's user, who has the signing key too. Nothing but the verdict on a signature is
taken from it, and only for the very object that it was passed on.
"""

import hashlib
import json
from pathlib import Path

from msgspec import Struct

from gatekeeper.audit.evidence import Evidence, Tag
from gatekeeper.model import LOG, Oid, Version
from gatekeeper.repo.export import write_file

_FORMAT = 1


class Remembered(Struct, frozen=True):
    """The head of a log that was whole, and the tags that were good, by one set of allowed signers."""

    head: Oid | None
    tags: dict[Version, Oid]
    signers: str

    @classmethod
    def of(cls, seen: Evidence) -> "Remembered":
        """Take down what was just found good, in a reading of everything."""
        tags = {tag.version: tag.oid for tag in seen.tags.values() if tag.log}
        return cls(seen.refs.get(LOG), tags, _digest(seen.signers))

    def has_tag(self, tag: Tag) -> bool:
        """Whether this very tag was found good."""
        return self.tags.get(tag.version) == tag.oid

    def has_record(self, seen: Evidence, oid: Oid) -> bool:
        """Whether the record lies before the head that was found good, in the log that holds it still."""
        places = seen.chain.places
        return self.head in places and places[oid] <= places[self.head]


def load(path: Path, signers: Path) -> Remembered | None:
    """Read it back; None when it is absent, of another format, or for other signers."""
    try:
        fields = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(fields, dict) or fields.get("format") != _FORMAT or fields.get("signers") != _digest(signers):
        return None
    return Remembered(Oid(fields["head"]), dict(fields["tags"]), fields["signers"])


def save(path: Path, found: Remembered) -> None:
    """Write it, whole or not at all."""
    fields = {"format": _FORMAT, "head": found.head, "tags": found.tags, "signers": found.signers}
    write_file(path, json.dumps(fields, sort_keys=True).encode() + b"\n", mode=0o600)


def _digest(signers: Path) -> str:
    return hashlib.sha256(signers.read_bytes()).hexdigest() if signers.is_file() else ""
