"""The roll: who has which requests open, left by the Librarian so that a push need not read every other one.

A hint, and only about whom to ask: what a rule goes by is read from the refs of those named here, and the Librarian
asks again of all. Without a roll that can be read, everything is. Shared with the hooks: standard library only.
"""

from __future__ import annotations

import json

from gatekeeper.policy.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

FILE = "roll.json"
FORMAT = 1
NEWEST = 50
"""How many open requests a push is compared with."""


class Roll(NamedTuple):
    """By agent, the ids that wait in the queue and those that are blocked or held; `release` as commit and version."""

    queued: dict[str, list[str]]
    stuck: dict[str, list[str]]
    newest: list[str]
    release: tuple[str, str]

    def of(self, agent: str) -> list[str]:
        """Return the ids of an agent that were open."""
        return [*self.queued.get(agent, ()), *self.stuck.get(agent, ())]

    def ahead(self, id_: str, fresh: Iterable[str]) -> int:
        """Return how many others wait in the queue, with those that came since."""
        waiting = [one for ids in self.queued.values() for one in ids]
        known = {*waiting, *(one for ids in self.stuck.values() for one in ids)}
        return len({*waiting, *(one for one in fresh if one not in known)} - {id_})


def load(home: str) -> Roll | None:
    """Read the roll; None when there is none, or not one that this version knows."""
    try:
        with open(f"{home}/var/{FILE}", encoding="utf-8") as file:  # noqa: PTH123 - no pathlib in hooks
            told = json.load(file)
        if told["v"] != FORMAT:
            return None
        commit, version = told["release"]
        return Roll(told["queued"], told["stuck"], told["newest"], (commit, version))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def encode(roll: Roll) -> bytes:
    """Return what `load` reads."""
    told: Mapping[str, Any] = {"v": FORMAT, **roll._asdict()}
    return json.dumps(told, sort_keys=True).encode() + b"\n"
