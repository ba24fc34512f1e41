"""What the looking commands share: a gate read without its lock, and how a state is shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatekeeper.commands.home import gate_in
from gatekeeper.gate import Gate
from gatekeeper.librarian import gates
from gatekeeper.model import State


@contextmanager
def looking(folder: Path) -> Iterator[Gate]:
    """Yield the gate in `folder`, for reading. Raises GateError 20 without one, 22 without any valid sites.toml."""
    with gates.for_reading(gate_in(folder)) as gate:
        yield gate


def mark(state: State) -> str:
    """Return a state as people are shown it: what needs them stands out without colour."""
    return str(state).upper() if state in (State.BLOCKED, State.HELD) else str(state)
