"""`gatekeeper steward`: the small fixed program that runs one site as the site's own user."""

from pathlib import Path

import click

from gatekeeper.commands import completing
from gatekeeper.commands.home import closed_gate_in
from gatekeeper.config import words
from gatekeeper.model import SiteName
from gatekeeper.sites.steward import Steward


@click.command("steward")
@click.argument("site", shell_complete=completing.sites)
@click.pass_obj
def steward(folder: Path, site: str) -> None:
    """Run SITE as the user who runs this: start it as it was published, then do what the Librarian asks.

    Example: gatekeeper --gate /srv/gate steward shop
    """
    complaint = words.name(site)
    if complaint:
        raise click.UsageError(complaint)
    Steward(closed_gate_in(folder), SiteName(site), lambda said: click.echo(f"{site}: {said}", err=True)).serve()
