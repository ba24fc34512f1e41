"""`gatekeeper keys`: the key that signs records, merges and tags."""

from pathlib import Path

import click

from gatekeeper.commands.deciding import decide
from gatekeeper.commands.out import as_json


@click.group("keys")
def keys() -> None:
    """Replace the key that the gate signs with."""


@keys.command("rotate")
@click.option("-m", "--message", required=True, help="Why; it is recorded with your name.")
@as_json
@click.pass_obj
def rotate(folder: Path, *, message: str, as_json: bool) -> None:
    """Make a new signing key. The old one counts for what it has signed, and signs that the new one follows it.

    Hand keys/allowed_signers out anew; `audit verify` also gets there from a copy that knows the old key only.

    Example: gatekeeper keys rotate -m "kim leaves the team"
    """
    decide(folder, "rotate", message=message, as_json=as_json)
