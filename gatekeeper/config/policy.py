"""Compiles sites.toml for the doors: var/policy.json is all that a hook reads, so it needs no TOML and no jinja2."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gatekeeper import __version__, messages
from gatekeeper.config import standing
from gatekeeper.config.schema import Config
from gatekeeper.config.standing import Mode
from gatekeeper.model import Oid
from gatekeeper.repo.compiled import POLICY_FORMAT
from gatekeeper.repo.export import write_file


def compile_policy(
    config: Config,
    taken_out: Sequence[tuple[Oid, Oid]] = (),
    *,
    mode: Mode = "advisory",
    source: str = "",
    sealed: str = "",
) -> dict[str, Any]:
    """Return what the doors must know of a configuration.

    `taken_out` are pairs: a commit that a rollback took out of `release`, and one that a tip must hold too for the
    first to be no surprise in it (GATE-211): the rollback's own commit, or the one by which it had landed.
    `mode` is the set-up, and `source` the digest of the sites.toml that this was compiled from; `sealed` is why nothing
    may be pushed at all.
    """
    return {
        "v": POLICY_FORMAT,
        "gatekeeper": __version__,
        "mode": mode,
        "source": source,
        "sealed": sealed,
        "heartbeat": config.gate.heartbeat,
        "surfaces": {name: list(paths) for name, paths in config.surface_paths().items()},
        "protected": list(config.gate.protected),
        "limits": msgspec.to_builtins(config.limits),
        "agents": {
            name: {"role": agent.role, "surfaces": list(agent.surfaces), "max_open": agent.max_open}
            for name, agent in config.agents.items()
        },
        "users": msgspec.to_builtins(standing.users_of(config)),
        "taken_out": [list(pair) for pair in taken_out],
        "templates": messages.compiled(),
    }


def write(home: Path, policy: Mapping[str, Any]) -> None:
    """Put the policy in force for the next push: the old one or the new one, whatever happens."""
    write_file(home / "var" / "policy.json", json.dumps(policy, indent=1).encode() + b"\n", mode=0o600)
