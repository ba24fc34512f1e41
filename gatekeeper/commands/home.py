"""Finds the gate that a command is about."""

from pathlib import Path

from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home


def gate_in(folder: Path) -> Home:
    """Return the gate in `folder`. Raises GateError (exit 20) where there is none."""
    home = Home(folder.resolve())
    if home.repo.is_dir() and home.var.is_dir():
        return home
    raise GateError(
        f"There is no gate in {folder}.",
        hints=("Name it with `gatekeeper --gate DIR …` or GATEKEEPER_HOME, or make one with `gatekeeper init DIR`.",),
        exit=Exit.NO_GATE,
    )
