"""Finds the gate that a command is about."""

import os
from pathlib import Path

from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home
from gatekeeper.repo import edition

ASKER = "gatekeeper.asker"
"""The key of a click context's `meta` under which a door says for whom the command runs."""


def chosen(given: str | None) -> Path:
    """Return the folder that a person means: the one that is given, GATEKEEPER_HOME, or where they stand."""
    named = given or os.environ.get("GATEKEEPER_HOME")
    return Path(named).absolute() if named else Path.cwd()


def gate_in(folder: Path) -> Home:
    """Return the gate in `folder`. Raises GateError (exit 20) where there is none."""
    home = closed_gate_in(folder)
    if not os.access(home.var, os.R_OK | os.X_OK):
        raise _not_ours(home)
    edition.refuse_newer(home)
    return home


def closed_gate_in(folder: Path) -> Home:
    """Return the gate in `folder` to whoever need not look into it. Raises GateError (exit 20) where there is none."""
    home = Home(folder.resolve())
    if home.repo.is_dir() and home.var.is_dir():
        return home
    raise GateError(
        f"There is no gate in {folder}.",
        hints=(
            "Name it with `gatekeeper --gate DIR …` or GATEKEEPER_HOME, or make one with `gatekeeper init DIR`.",
            "New here? `gatekeeper demo` plays it all on a throw-away gate; `gatekeeper --help` lists the verbs.",
        ),
        exit=Exit.NO_GATE,
    )


def _not_ours(home: Home) -> GateError:
    from gatekeeper.config import standing  # noqa: PLC0415 - rare, and it brings the configuration along

    owner = standing.user_of(home.var.stat().st_uid)
    return GateError(
        f"The state of this gate is {owner}'s, and no door serves this command.",
        hints=(f"sudo -u {owner} gatekeeper --gate {home.path} …",),
        exit=Exit.NO_GATE,
    )
