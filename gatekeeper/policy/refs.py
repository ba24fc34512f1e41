"""The rules of the door on what a push names: its refs (GATE-1xx) and its options (GATE-210). Pure.

Shared with the hooks: standard library only, cheap to import.
"""

from __future__ import annotations

from gatekeeper.policy import repair, wishes
from gatekeeper.policy.pushed import Refusal
from gatekeeper.policy.texts import is_request_id, nearest_id
from gatekeeper.policy.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

REQUESTS = "refs/heads/request/"
_LONGEST_VALUE = 200


class Update(NamedTuple):
    """One line of a push: a ref, what it held and what it shall hold (zeros: nothing)."""

    old: str
    new: str
    ref: str

    @property
    def creates(self) -> bool:
        """True when the ref did not exist."""
        return not self.old.strip("0")

    @property
    def deletes(self) -> bool:
        """True when the ref shall be gone."""
        return not self.new.strip("0")

    @property
    def id(self) -> str:
        """The request's id; whatever follows the prefix."""
        return self.ref.removeprefix(REQUESTS)


def updates(lines: bytes) -> tuple[Update, ...] | None:
    """Read what Git tells pre-receive; None when it is no list of updates.

    Git checks the names of refs only afterwards, so a name may hold a line break and forge a second update.
    """
    *full, rest = lines.split(b"\n")
    found = []
    for line in full:
        parts = line.split(b" ", 2)
        if len(parts) != 3 or not (_is_oid(parts[0]) and _is_oid(parts[1]) and parts[2]):
            return None
        old, new, ref = (part.decode("utf-8", "surrogateescape") for part in parts)
        found.append(Update(old, new, ref))
    return tuple(found) if found and not rest else None


def _is_oid(word: bytes) -> bool:
    return len(word) in (40, 64) and not word.strip(b"0123456789abcdef")


def is_request(ref: str) -> bool:
    """Return whether a ref has a request's form, with an id that is valid."""
    return ref.startswith(REQUESTS) and is_request_id(ref.removeprefix(REQUESTS))


def judge_refs(pushed: Sequence[Update] | None) -> Update | Refusal:
    """Return the one update that may go on to be judged by its content: a request filed, updated or withdrawn."""
    if not pushed:
        return Refusal("GATE-104", {"name": "", "meant": ""}, retry="never", field="ref")
    for update in pushed:
        refusal = judge_ref(update, alone=len(pushed) == 1)
        if refusal is not None and refusal.code != "GATE-104":
            return _with_request_alone(refusal, pushed)
    if len(pushed) > 1:
        steps = tuple(repair.push_as(each.new, each.id) for each in pushed if is_request(each.ref) and not each.deletes)
        return Refusal("GATE-105", {"count": len(pushed)}, steps[:5])
    return judge_ref(pushed[0]) or pushed[0]


def judge_ref(update: Update, *, alone: bool = True) -> Refusal | None:
    """Return why this ref is not an agent's to push, or None. `alone`: the push holds nothing else."""
    if update.ref.startswith(REQUESTS):
        return None if is_request(update.ref) else _bad_id(update)
    short = update.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    values = {"ref": update.ref, "name": short, "release": update.ref == "refs/heads/release"}
    if update.ref.startswith("refs/tags/"):
        return Refusal("GATE-102", values, retry="never", field="ref")
    if not update.ref.startswith("refs/heads/"):
        return Refusal("GATE-103", values, retry="never", field="ref")
    steps = () if update.deletes or not alone else (repair.push_as(update.new, f"change-{update.new[:7]}"),)
    return Refusal("GATE-101", values, steps, "never", field="ref")


def _bad_id(update: Update) -> Refusal:
    meant = nearest_id(update.id)
    steps = () if update.deletes else (repair.push_as(update.new, meant),)
    return Refusal("GATE-104", {"name": update.id[:80], "meant": meant}, steps, field="ref")


def _with_request_alone(refusal: Refusal, pushed: Sequence[Update]) -> Refusal:
    """Let a push that held a good request besides a forbidden ref hear how to push the request alone."""
    good = [each for each in pushed if is_request(each.ref) and not each.deletes]
    if not good:
        return refusal
    _, push, *words = repair.push_as(good[0].new, good[0].id)
    return refusal._replace(next=(("git", push, "--no-follow-tags", *words),), retry="after_fix")


def options(names: Sequence[str], update: Update) -> Refusal | None:
    """Refuse push options (GATE-210): Git stores them nowhere, so they could never be shown or audited."""
    if not names:
        return None
    trailers = list({name: (name, value) for name, value in map(_option, names) if name}.values())
    again = repair.push_again(update.id)
    steps = (repair.amend(trailers, empty=False), again) if trailers else (again,)
    first = names[0].partition("=")[0][:80]
    values = {"option": first, "trailer": trailers[0][0] if trailers else ""}
    return Refusal("GATE-210", values, steps, field=first)


def _option(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    known = wishes.NAMES.get(name.strip().lower().replace("_", "-"), "")
    return known, " ".join(value.split())[:_LONGEST_VALUE]
