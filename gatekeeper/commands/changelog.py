"""`gatekeeper changelog`: what went live, rendered from the tags."""

from pathlib import Path

import click
from msgspec.structs import asdict

from gatekeeper.commands.look import looking
from gatekeeper.commands.out import as_json, print_json
from gatekeeper.ship.changelog import entries, text


@click.command("changelog")
@as_json
@click.pass_obj
def changelog(folder: Path, *, as_json: bool) -> None:
    """Print the changelog. Every version with its day and its intents, newest first.

    Example: gatekeeper changelog
    """
    with looking(folder) as gate:
        found = entries(gate.git)
    if as_json:
        print_json(versions=[asdict(entry) for entry in found])
    else:
        click.echo(text(found), nl=False)
