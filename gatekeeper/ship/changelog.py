"""Renders CHANGELOG.md from the version tags: Keep a Changelog, each intent a bullet. Agents' text stays text."""

import re
from datetime import UTC, datetime

from msgspec import Struct

from gatekeeper import messages
from gatekeeper.model import TAGS
from gatekeeper.policy import versions
from gatekeeper.repo.git import Git
from gatekeeper.repo.sign import EMAIL

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
_FORMAT = "%(refname:strip=2)%00%(taggeremail:trim)%00%(taggerdate:unix)%00%(contents:subject)%00%(contents:body)%00%00"


class Entry(Struct, frozen=True):
    """One version: its number without the v, its day (UTC), and what went live with it."""

    version: str
    day: str
    intents: tuple[str, ...]


def entries(git: Git) -> tuple[Entry, ...]:
    """Return every version that the Librarian tagged, newest first."""
    output = git.text("for-each-ref", f"--format={_FORMAT}", f"{TAGS}v*")
    found = []
    for chunk in output.split("\0\0"):
        name, email, seconds, subject, body = [*chunk.lstrip("\n").split("\0"), *[""] * 5][:5]
        version = versions.parse(name)
        if version is not None and email == EMAIL:
            day = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d")
            found.append((version, Entry(name[1:], day, _intents(subject, body))))
    return tuple(entry for _, entry in sorted(found, key=lambda pair: pair[0], reverse=True))


def text(found: tuple[Entry, ...]) -> str:
    """Return the whole file."""
    shown = [
        {"version": entry.version, "day": entry.day, "intents": [_MARKUP.sub(r"\\\1", line) for line in entry.intents]}
        for entry in found
    ]
    return messages.render("CHANGELOG.md", entries=shown)


def _intents(subject: str, body: str) -> tuple[str, ...]:
    bullets = tuple(line[2:] for line in body.splitlines() if line.startswith("- "))
    return bullets if re.fullmatch(r"\d+ requests", subject) and bullets else (subject,)
