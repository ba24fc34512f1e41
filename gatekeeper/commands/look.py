"""What the looking commands share: a gate read without its lock, and how its values look as JSON."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from gatekeeper.commands import plain
from gatekeeper.commands.home import gate_in
from gatekeeper.gate import Gate
from gatekeeper.librarian import opening
from gatekeeper.model import State

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


def print_json(**found: Any) -> None:
    """Print the one object that `--json` promises."""
    click.echo(plain.as_json({"schema": 1, **found}))


@contextmanager
def looking(folder: Path) -> Iterator[Gate]:
    """Yield the gate in `folder`, for reading. Raises GateError 20 without one, 22 without any valid sites.toml."""
    with opening.for_reading(gate_in(folder)) as gate:
        yield gate


def mark(state: State) -> str:
    """Return a state as people are shown it: what needs them stands out without colour."""
    return str(state).upper() if state in (State.BLOCKED, State.HELD) else str(state)
