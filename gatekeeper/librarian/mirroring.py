"""Keeps the mirrors of sites.toml up to each release. A mirror that is late or cannot be reached stops nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from gatekeeper import messages
from gatekeeper.alerts.book import Book, Mirrored, Note
from gatekeeper.gate import Gate
from gatekeeper.model import RELEASE, Oid, Ref
from gatekeeper.policy.alerting import Cause, Level
from gatekeeper.process import Cancel
from gatekeeper.repo import mirror


class Errand(Struct, frozen=True):
    """What is to be pushed where: refs as they stood at one moment, when nothing was being written."""

    folder: Path
    refs: Mapping[Ref, Oid]
    urls: tuple[str, ...]
    timeout: float
    version: str | None


def errand(gate: Gate, book: Book, version: str | None) -> Errand | None:
    """Return what has to be done, or None when every mirror has this release."""
    settings = gate.config.mirror
    refs = gate.git.refs() if settings.urls else {}
    with book.open() as draft:
        known = draft.page.mirrors
        draft.page = replace(draft.page, mirrors={url: known.get(url, Mirrored()) for url in settings.urls})
        behind = tuple(url for url, one in draft.page.mirrors.items() if one.release != refs.get(RELEASE))
    return Errand(gate.home.repo, refs, behind, settings.timeout, version) if behind else None


def carry_out(todo: Errand, book: Book, clock: Callable[[], float], cancel: Cancel) -> None:
    """Push to each mirror in turn, and note how it went."""
    for url in todo.urls:
        wrong = mirror.push(todo.folder, todo.refs, url, timeout=todo.timeout, cancel=cancel)
        if cancel.thrown:
            return
        with book.open() as draft:
            before = draft.page.mirrors.get(url, Mirrored())
            after = _after(before, todo.refs[RELEASE], wrong, clock())
            page = replace(draft.page, mirrors={**draft.page.mirrors, url: after})
            draft.page = page.noting(_note(url, todo, clock())) if wrong is None else page


def causes(book: Book) -> tuple[Cause, ...]:
    """Return what is wrong with mirrors, as far as the last tries tell."""
    with book.open() as draft:
        behind = [(url, one) for url, one in draft.page.mirrors.items() if one.since is not None]
    return tuple(_cause(url, one) for url, one in behind)


def _after(before: Mirrored, release: Oid, wrong: str | None, now: float) -> Mirrored:
    if wrong is None:
        return Mirrored(release)
    return Mirrored(before.release, now if before.since is None else before.since, wrong)


def _note(url: str, todo: Errand, now: float) -> Note:
    what = todo.version or todo.refs[RELEASE][:12]
    return Note("mirrored", f"{what} to {url}", now, {"url": url, "release": todo.refs[RELEASE]})


def _cause(url: str, one: Mirrored) -> Cause:
    text = messages.reason("GATE-504", what=f"the mirror {url}", problem=one.why)
    return Cause(f"mirror/{url}/GATE-504", "GATE-504", text, Level.WARNING, since=one.since)
