"""How the commands answer with `--json`: one object on standard output."""

from typing import Any

import click

from gatekeeper.commands import plain

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


def print_json(**found: Any) -> None:
    """Print the one object that `--json` promises."""
    click.echo(plain.as_json({"schema": 1, **found}))
