"""Reads var/policy.json, what the doors judge by. Shared with the hooks: standard library only, no pathlib."""

from __future__ import annotations

import json

from gatekeeper.policy.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

POLICY_FORMAT = 1


class Unreadable(Exception):  # noqa: N818 - the policy is, and the sentence says why
    """The compiled policy cannot be used; nothing may be accepted without one."""


def load(home: str) -> dict[str, Any]:
    """Read the policy; Unreadable when it is missing, broken, or of a format that this gate does not know."""
    try:
        with open(f"{home}/var/policy.json", encoding="utf-8") as file:  # noqa: PTH123 - no pathlib in hooks
            policy = json.load(file)
    except (OSError, ValueError) as problem:
        raise Unreadable(f"var/policy.json cannot be read ({type(problem).__name__})") from problem
    if not isinstance(policy, dict) or policy.get("v") != POLICY_FORMAT:
        raise Unreadable("var/policy.json has a format that these hooks do not know")
    return policy
