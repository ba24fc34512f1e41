"""Composes what a push hears when it was accepted. Shared with the hooks: standard library only."""

from __future__ import annotations

import json
import os
import time

from gatekeeper.policy import answer
from gatekeeper.policy.values import TYPE_CHECKING
from gatekeeper.repo.facts import REQUESTS, RESULTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from gatekeeper.policy.pushed import Facts, Other
    from gatekeeper.policy.wishes import Wish
    from gatekeeper.repo.around import Around
    from gatekeeper.repo.objects import Git

_COMPARED = 50
"""How many paths are looked at for overlaps: the answer must stay quick."""
_NAMED = 3
_GRACE = 60


def accepted(
    git: Git, home: str, facts: Facts, policy: Mapping[str, Any], wish: Wish, *, event: str, around: Around
) -> str:
    """Return the whole answer to a request that was filed or updated (`event`)."""
    position = around.position
    wait = ["request-deploy", "--wait", facts.id]
    values = {
        "id": facts.id,
        "done": event,
        "place": _ordinal(position),
        "intent": wish.intent,
        "surfaces": ", ".join(wish.surfaces),
        "base": around.base or _base(git, facts),
        "overlaps": _overlaps(git, facts, policy, around.newest),
        "urgency": wish.urgency or "",
        "try_only": wish.try_only,
        "waits_for": wish.depends_on or "",
        "waits_for_unknown": wish.depends_on not in [other.id for other in facts.others],
        "command": answer.typed(wait),
        **_heartbeat(home),
    }
    human = answer.render(policy["templates"]["push/filed"], values)
    line = answer.machine(
        event,
        facts.id,
        state="queued",
        position=position,
        retry="never",
        next=[wait],
        result_ref=RESULTS + facts.id,
    )
    return "".join(f"{answer.brief(text)}\n" for text in (*human.splitlines(), line))


def withdrawn(policy: Mapping[str, Any], request_id: str) -> str:
    """Return the whole answer to a deletion."""
    human = answer.render(policy["templates"]["push/withdrawn"], {"id": request_id})
    ref = RESULTS + request_id
    line = answer.machine("withdrawn", request_id, state="withdrawn", retry="never", next=[], result_ref=ref)
    return f"{human}\n{line}\n"


def _ordinal(number: int) -> str:
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _base(git: Git, facts: Facts) -> str:
    """Name the newest version that the request started from; its commit when that has none."""
    if facts.base is None:
        return "none"
    tag = git(["log", "-1", "--format=%(describe:tags=true,abbrev=0,match=v[0-9]*)", facts.base, "--"], b"")
    return tag.decode("utf-8", "replace").strip() or facts.base[:12]


def _heartbeat(home: str) -> dict[str, object]:
    """Tell whether somebody comes: without its bell a Librarian is not there, whatever a `tick` by hand left."""
    try:
        os.stat(f"{home}/var/bell.sock")  # noqa: PTH116 - no pathlib in hooks
        with open(f"{home}/var/heartbeat.json", encoding="utf-8") as file:  # noqa: PTH123 - no pathlib in hooks
            due = str(json.load(file)["next"])
    except (OSError, ValueError, KeyError, TypeError):
        due = ""
    if [due[at : at + 1] for at in (10, 13, 19)] != ["T", ":", "Z"]:
        return {"running": False, "due": "", "late": False}
    late = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - _GRACE)) > due
    return {"running": True, "due": f"{due[11:16]} UTC", "late": late}


def _overlaps(git: Git, facts: Facts, policy: Mapping[str, Any], others: Sequence[Other]) -> list[str]:
    """Return a sentence for each other open request that changes one of our paths."""
    paths = [entry.path for entry in facts.change.entries][:_COMPARED]
    if not others or not paths:
        return []
    tips = [REQUESTS + other.id for other in others]
    without = ["--not", facts.release] if facts.release else []
    shown = ["--name-only", "-z", "--no-renames", "--source", "--format=%x00%S"]
    text = git(["log", *shown, *tips, *without, "--", *paths], b"").decode("utf-8", "surrogateescape")
    touched = _touched(text.split("\0"), set(paths))
    return [
        _overlap(policy, other, touched[REQUESTS + other.id]) for other in others if REQUESTS + other.id in touched
    ][:_NAMED]


def _touched(words: list[str], paths: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    ref = ""
    for word in words:
        name = word.strip("\n")
        if name.startswith(REQUESTS):
            ref = name
        elif name in paths and name not in found.setdefault(ref, []):
            found[ref].append(name)
    return found


def _overlap(policy: Mapping[str, Any], other: Other, paths: list[str]) -> str:
    values = {"path": paths[0], "more": len(paths) - 1, "id": other.id, "agent": other.agent or ""}
    return answer.render(policy["templates"]["push/overlap"], values)
