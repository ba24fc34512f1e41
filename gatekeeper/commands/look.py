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
from gatekeeper.model import Reason, Result, State

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


def print_json(**found: Any) -> None:
    """Print the one object that `--json` promises."""
    click.echo(plain.as_json({"schema": 1, **found}))


@contextmanager
def looking(folder: Path) -> Iterator[Gate]:
    """Yield the gate in `folder`, for reading. Raises GateError 20 without one, 22 without any valid sites.toml."""
    with opening.for_reading(gate_in(folder)) as gate:
        yield gate


def reason_json(reason: Reason | None) -> dict[str, Any] | None:
    """Return a reason as `status --json` and `show --json` print it."""
    if reason is None:
        return None
    return {"code": reason.code, "text": reason.text, "next": [list(argv) for argv in reason.next]}


def request_json(result: Result, position: int | None) -> dict[str, Any]:
    """Return a request as `status --json` lists it."""
    return {
        "id": result.id,
        "state": str(result.state),
        "agent": result.agent.name,
        "surfaces": list(result.ask.surfaces),
        "intent": result.ask.intent,
        "tip": result.tip,
        "filed_at": result.filed_at,
        "position": position,
        "reason": reason_json(result.reason),
    }


def mark(state: State) -> str:
    """Return a state as people are shown it: what needs them stands out without colour."""
    return str(state).upper() if state in (State.BLOCKED, State.HELD) else str(state)
