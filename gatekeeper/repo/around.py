"""Finds the open requests that have a say in one push: its agent's, those it needs, and those that it may overlap.

With a roll that is as many as these, however many are open. Shared with the hooks: standard library only.
"""

from __future__ import annotations

from gatekeeper.policy import admission
from gatekeeper.policy.values import TYPE_CHECKING, NamedTuple
from gatekeeper.repo import facts, report, roll

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gatekeeper.policy.pushed import Claim, Facts, Other
    from gatekeeper.repo.facts import Owners
    from gatekeeper.repo.objects import Git
    from gatekeeper.repo.report import Note
    from gatekeeper.repo.roll import Roll

_WAITING = ("blocked", "held")


class Around(NamedTuple):
    """What the answer tells of the others; `base` is the version that the request rests on, where it is at hand."""

    position: int
    newest: tuple[Other, ...]
    base: str


def look(git: Git, listed: Roll | None, notes: Sequence[Note], known: Facts, who: Claim) -> tuple[Facts, Around]:
    """Return the facts with the others that the rules ask for, and what is told of them.

    `notes` are what was written down of pushes that the Librarian has not seen: those are on no roll yet.
    """

    def owners(tips: Mapping[str, str]) -> dict[str, str]:
        return report.owners(notes, tips)

    if listed is None:
        others = facts.everybody(git, known.id, owners)
        waiting = sum(other.state not in _WAITING for other in others)
        return known._replace(others=others), Around(1 + waiting, others[-roll.NEWEST :], "")
    fresh = list(dict.fromkeys(note["id"] for note in notes))
    newest = {*[*listed.newest, *fresh][-roll.NEWEST :]}
    like = () if known.owner in (None, who.name) else admission.like(known.id)
    ids = {*listed.of(who.name), *fresh, *newest, *like} - {known.id}
    others = facts.beside(git, sorted(ids), owners)
    if need := _need(known):
        others = _with_needed(git, need, others, fresh, owners)
    version = listed.release[1] if known.base == listed.release[0] else ""
    seen = tuple(other for other in others if other.id in newest)
    return known._replace(others=others), Around(1 + listed.ahead(known.id, fresh), seen, version)


def _need(known: Facts) -> str | None:
    trailers = known.commits[0].trailers if known.commits else ()
    return next((value for key, value in trailers if key.lower() == "depends-on"), None)


def _with_needed(
    git: Git, need: str | None, others: Sequence[Other], fresh: Sequence[str], owners: Owners
) -> tuple[Other, ...]:
    """Add those that it needs, one behind the other; what one that is not filed needs, its trailers tell."""
    known = {other.id: other for other in others}
    told = facts.open_requests(git, *fresh).depends_on if fresh else {}
    known |= {id_: known[id_]._replace(depends_on=told[id_] or None) for id_ in told if id_ in known}
    met = set[str]()
    while need and need not in met:
        met.add(need)
        if need not in known:
            known |= {other.id: other for other in facts.beside(git, [need], owners)}
        need = known[need].depends_on if need in known else None
    return tuple(known.values())
