"""Reads what a tip asks for from its trailers: GATE-201, 202 and 209. Pure, and shared with the hooks.

Trailers: Surface, Intent, Artifact, Bump, Urgency, Depends-On, and Try, whose only value is `yes`.
"""

from __future__ import annotations

from gatekeeper.policy import repair
from gatekeeper.policy.pushed import Refusal
from gatekeeper.policy.surfaces import ROOT, surfaces_of
from gatekeeper.policy.texts import cleaned, hidden, is_request_id, nearest, nearest_id
from gatekeeper.policy.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from gatekeeper import model
    from gatekeeper.policy.pushed import Facts

NAMES = {
    "surface": "Surface",
    "intent": "Intent",
    "artifact": "Artifact",
    "bump": "Bump",
    "urgency": "Urgency",
    "depends-on": "Depends-On",
    "try": "Try",
}
"""Every trailer of a request by its name in lower case: Git tells none apart by case."""
BUMPS = ("patch", "minor", "major")
LONGEST_INTENT = 200
_LONGEST_ARTIFACT = 128
_SHOWN = 80
_PROBLEMS = ("twice", "misspelt", "rule", "cycle")
_ALNUM = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_ARTIFACT = _ALNUM | frozenset("._:@/+-")


class Wish(NamedTuple):
    """What an admitted tip asks for, defaults filled in; the light twin of `model.Ask`."""

    surfaces: tuple[str, ...]
    intent: str
    artifact: str
    bump: str
    urgency: str | None
    depends_on: str | None
    try_only: bool

    def ask(self) -> model.Ask:
        """Return it as the Librarian's value; imports what the hooks never load."""
        from gatekeeper import model  # noqa: PLC0415

        return model.Ask(
            surfaces=tuple(model.SurfaceName(name) for name in self.surfaces),
            intent=self.intent,
            artifact=self.artifact,
            bump=self.bump,
            urgency=self.urgency,
            depends_on=model.RequestId(self.depends_on) if self.depends_on else None,
            try_only=self.try_only,
        )


def read(facts: Facts, policy: Mapping[str, Any]) -> Wish | Refusal:
    """Return what the tip asks for, or why that cannot be understood."""
    tip = facts.commits[0]
    given: dict[str, str] = {}
    for name, value in tip.trailers:
        key = name.lower()
        if key in given:
            return _twice(facts, NAMES[key])
        if key in NAMES:
            given[key] = value
        elif (meant := _near(key)) is not None:
            return _misspelt(facts, name, meant, value)
    return (
        _surface_fault(facts, policy, given.get("surface"))
        or _intent_fault(facts, given.get("intent", tip.subject))
        or _value_fault(facts, given)
        or _wish(facts, policy, given)
    )


def surfaces(facts: Facts, policy: Mapping[str, Any]) -> tuple[str, ...] | Refusal:
    """Return the surfaces that the tip declares, else those that its change touches; GATE-202 for an unknown one."""
    declared = next((value for name, value in facts.commits[0].trailers if name.lower() == "surface"), None)
    return _surface_fault(facts, policy, declared) or _surfaces(facts, policy, declared)


def _surfaces(facts: Facts, policy: Mapping[str, Any], declared: str | None) -> tuple[str, ...]:
    touched = surfaces_of((entry.path for entry in facts.change.entries), policy["surfaces"])
    return touched if declared is None else _listed(declared)


def _wish(facts: Facts, policy: Mapping[str, Any], given: Mapping[str, str]) -> Wish:
    return Wish(
        surfaces=_surfaces(facts, policy, given.get("surface")),
        intent=given.get("intent", facts.commits[0].subject),
        artifact=given.get("artifact", facts.new),
        bump=given.get("bump", BUMPS[0]),
        urgency=given.get("urgency"),
        depends_on=given.get("depends-on"),
        try_only="try" in given,
    )


def amended(facts: Facts, *trailers: tuple[str, str]) -> tuple[tuple[str, ...], ...]:
    """Return the commands that set trailers of the tip and push it again."""
    return (repair.amend(trailers, empty=is_empty(facts)), repair.push_again(facts.id))


def is_empty(facts: Facts) -> bool:
    """Return whether the tip has its parent's tree, so that Git amends it only with `--allow-empty`."""
    return len(facts.commits) > 1 and facts.commits[0].tree == facts.commits[1].tree


def _listed(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in value.split(",") if (name := part.strip())))


def _near(key: str) -> str | None:
    def squeezed(name: str) -> str:
        return name.replace("-", "").rstrip("s")

    return next((NAMES[known] for known in NAMES if squeezed(known) == squeezed(key)), None)


def wrong(name: str, problem: str, detail: str, steps: tuple[tuple[str, ...], ...], **more: str) -> Refusal:
    """Return GATE-209; `problem` is one of its template's words, with a detail."""
    values = {**dict.fromkeys(_PROBLEMS, ""), "name": name, "value": "", problem: detail, **more}
    return Refusal("GATE-209", values, steps, field=name)


def _twice(facts: Facts, name: str) -> Refusal:
    values = [value for key, value in facts.commits[0].trailers if key.lower() == name.lower()]
    kept = ", ".join(dict.fromkeys(values)) if name == "Surface" else values[-1]
    return wrong(name, "twice", "yes", _rewritten(facts, name, (name, kept)))


def _misspelt(facts: Facts, name: str, meant: str, value: str) -> Refusal:
    return wrong(name, "misspelt", meant, _rewritten(facts, name, (meant, value)))


def _rewritten(facts: Facts, name: str, right: tuple[str, str]) -> tuple[tuple[str, ...], ...]:
    return (repair.drop(name, empty=is_empty(facts)), *amended(facts, right))


def _surface_fault(facts: Facts, policy: Mapping[str, Any], value: str | None) -> Refusal | None:
    if value is None:
        return None
    known = tuple(sorted(policy["surfaces"]))
    names = _listed(value)
    wrong = next((name for name in names if name not in known and name != ROOT), None)
    if names and wrong is None:
        return None
    touched = surfaces_of((entry.path for entry in facts.change.entries), policy["surfaces"])
    meant = nearest(wrong, (*known, ROOT)) if wrong else None
    right = tuple(meant if meant and name == wrong else name for name in names)
    if not set(touched) <= set(right) <= {*known, ROOT}:  # what helps must be accepted
        meant, right = None, touched
    values = {"name": wrong or "", "meant": meant or "", "known": ", ".join(known), "touched": ", ".join(touched)}
    steps = amended(facts, ("Surface", ", ".join(right)))
    return Refusal("GATE-202", values, steps, field="Surface", allowed=known)


def _intent_fault(facts: Facts, intent: str) -> Refusal | None:
    problem = hidden(intent)
    if problem is None and 0 < len(intent) <= LONGEST_INTENT:
        return None
    better = cleaned(intent, LONGEST_INTENT) or f"Change {facts.id}"
    values = {"hidden": problem or "", "length": len(intent), "longest": LONGEST_INTENT}
    if facts.commits[0].subject:
        steps = amended(facts, ("Intent", better))
    else:  # Git amends no commit without a message
        steps = (("git", "commit", "--amend", "--allow-empty", "-m", better), repair.push_again(facts.id))
    return Refusal("GATE-201", values, steps, field="Intent")


def _value_fault(facts: Facts, given: Mapping[str, str]) -> Refusal | None:
    for key, value in given.items():
        found = _fault(key, value, facts.id)
        if found is not None:
            (rule, better), name = found, NAMES[key]
            drop = (repair.drop(name, empty=is_empty(facts)), repair.push_again(facts.id))
            steps = amended(facts, (name, better)) if better else drop
            refusal = wrong(name, "rule", rule, steps, value=value[:_SHOWN])
            return refusal._replace(allowed=_choices(key))
    return None


def _choices(key: str) -> tuple[str, ...] | None:
    return {"bump": BUMPS, "try": ("yes",)}.get(key)


def _fault(key: str, value: str, request_id: str) -> tuple[str, str | None] | None:  # noqa: PLR0911 - a table
    """Return the rule that a value breaks and what it could be instead (None: nothing, drop the trailer)."""
    match key:
        case "bump" if value not in BUMPS:
            return "patch, minor or major", nearest(value.lower(), BUMPS) or BUMPS[0]
        case "try" if value != "yes":
            return "`yes`, or no such trailer", None
        case "artifact" if not _is_artifact(value):
            rule = "1 to 128 letters, digits and . _ : @ / + -, the first a letter or digit"
            return rule, "".join(char if char in _ARTIFACT else "-" for char in value).lstrip("._:@/+-")[:128] or None
        case "urgency" if hidden(value) or not 0 < len(value) <= LONGEST_INTENT:
            return "one line of 1 to 200 printable characters", cleaned(value, LONGEST_INTENT) or None
        case "depends-on" if value == request_id:
            return "the id of another request, not its own", None
        case "depends-on" if not is_request_id(value):
            return "the id of one request", nearest_id(value)
        case _:
            return None


def _is_artifact(value: str) -> bool:
    return 0 < len(value) <= _LONGEST_ARTIFACT and value[0] in _ALNUM and _ARTIFACT.issuperset(value)
