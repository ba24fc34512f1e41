"""What was told and mirrored, in `var/alerts.json`. Cheap to lose: at worst it is told, or pushed, again."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from gatekeeper.home import Home
from gatekeeper.policy.alerting import Cause, Known
from gatekeeper.repo.export import write_file

FORMAT = 1
_NOTES_AT_MOST = 100


class Failing(Struct, frozen=True):
    """An address that did not take what was sent: how people are shown it, since when, and why."""

    label: str
    since: float
    why: str


class Mirrored(Struct, frozen=True):
    """How far a mirror is: the release it was brought to, and since when and why it is behind."""

    release: str | None = None
    since: float | None = None
    why: str = ""


class Note(Struct, frozen=True):
    """A record that waits for the audit log."""

    event: str
    subject: str
    at: float
    data: dict[str, Any]


class Page(Struct, frozen=True):
    """Everything that is kept. `beat` is the last whole heartbeat, `pinged` the last that pings told of."""

    format: int = FORMAT
    causes: dict[str, Known] = field(default_factory=dict)
    failing: dict[str, Failing] = field(default_factory=dict)
    mirrors: dict[str, Mirrored] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    beat: float | None = None
    pinged: float | None = None

    def open(self, scope: str) -> tuple[Cause, ...]:
        """Return the causes of this scope that are not over."""
        return tuple(k.cause for k in self.causes.values() if k.over is None and k.cause.scope == scope)

    def noting(self, note: Note) -> "Page":
        """Return the page with one more record to write; of too many the oldest are dropped."""
        return replace(self, notes=(*self.notes, note)[-_NOTES_AT_MOST:])


class Draft(Struct):
    """The page in the hands of whoever holds the book."""

    page: Page


class Book:
    """The file, one holder at a time. What the disk does not take is remembered as long as this process lives."""

    def __init__(self, home: Home) -> None:
        self._path = home.alerts
        self._unsaved: Page | None = None

    @contextmanager
    def open(self) -> Iterator[Draft]:
        """Yield the page to be changed; it is written at the end, if it was."""
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            before = self._unsaved or read(self._path)
            draft = Draft(before)
            yield draft
            if draft.page != before or self._unsaved is not None:
                self._save(draft.page)
        finally:
            os.close(folder)

    def _save(self, page: Page) -> None:
        self._unsaved = page
        with suppress(OSError):
            write_file(self._path, msgspec.json.encode(page) + b"\n", mode=0o600)
            self._unsaved = None


def read(path: "os.PathLike[str]") -> Page:
    """Return what is in the file; an empty page when it is not there, damaged or of another format."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - Path or whatever names one
            page = msgspec.json.decode(file.read(), type=Page)
    except (OSError, msgspec.DecodeError):
        return Page()
    return page if page.format == FORMAT else Page()


def open_causes(page: Page) -> tuple[Cause, ...]:
    """Return what is open, the gravest first."""
    found = [known.cause for known in page.causes.values() if known.over is None]
    return tuple(sorted(found, key=lambda cause: (-cause.level, cause.key)))
