"""The end of a gate that nobody follows: sites go on from `live/current`, and the repository is one like any other.

Done again after a kill, it goes on; history, tags and the audit log stay, and can still be verified.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatekeeper.config.force import in_force
from gatekeeper.config.schema import Config
from gatekeeper.home import Home
from gatekeeper.librarian import sealing
from gatekeeper.model import Actor
from gatekeeper.repo import create
from gatekeeper.repo.export import remove, write_file
from gatekeeper.repo.git import Git
from gatekeeper.ship import runs
from gatekeeper.sites import ecosystem
from gatekeeper.sites.pm2 import base_environment

_HIDDEN = "***"


def file(home: Home) -> Path:
    """Return where the file for `pm2 start` is written."""
    return home.path / "ecosystem.json"


def apps(home: Home) -> dict[str, Any]:
    """Return the file's content: every process as it was published last, its secrets included."""
    live = runs.load(home.live_plan)
    if live is None:
        return {"apps": []}
    logs = home.path / in_force(home).config.pm2.home / "logs"
    return ecosystem.render(live.runs, live.stamp, base=base_environment(), logs=logs)


def shown(told: Mapping[str, Any], config: Config) -> str:
    """Return the content for people's eyes: what is not in sites.toml came out of an env file, and is hidden."""
    return json.dumps({"apps": [_masked(app, config) for app in told["apps"]]}, indent=1)


def leave(home: Home, *, by: Actor) -> None:
    """Write the file, seal the gate, and take from the repository what made it a gate's."""
    with sealing.held(home) as token:
        write_file(file(home), json.dumps(apps(home), indent=1).encode() + b"\n", mode=0o600)
        sealing.seal(home, token, by=by, reason="left: no gate follows")
        home.edition.unlink(missing_ok=True)  # from here on nobody takes what is missing for tampering
        with Git(home.repo) as git:
            git.run("update-ref", "-d", create.PLACEHOLDER)
            create.release(git)
        remove(home.repo / "hooks")


def then(home: Home, config: Config, *, set_up: bool) -> tuple[tuple[str, ...], ...]:
    """Return what a person does next, so that the sites come back at a boot."""
    pm2 = config.pm2.command
    if set_up:
        undo = ("sudo", "gatekeeper", "--gate", str(home.path), "setup", "--undo", "--apply")
        return (undo, (*pm2, "start", str(file(home))), (*pm2, "save"), (*pm2, "startup"))
    own = ("env", f"PM2_HOME={home.path / config.pm2.home}", *pm2)
    return ((*own, "save"), (*own, "startup"))


def _masked(app: Mapping[str, Any], config: Config) -> dict[str, Any]:
    open_ = {**base_environment(), **(site.env if (site := config.sites.get(app["name"])) else {})}
    env = {name: value if _is_open(name, value, open_) else _HIDDEN for name, value in app["env"].items()}
    return {**app, "env": env}


def _is_open(name: str, value: str, known: Mapping[str, str]) -> bool:
    return name in ("GATE_SITE", "GATE_VERSION", "GATE_COMMIT") or known.get(name) == value
