"""`gatekeeper shell AGENT`: what sshd runs for an agent's key, instead of whatever the client asked for."""

from pathlib import Path

import click

from gatekeeper.commands import forced


@click.command("shell")
@click.argument("agent", metavar="AGENT")
@click.pass_obj
def shell(folder: Path, agent: str) -> None:
    """Serve AGENT over SSH. Run by sshd as a forced command; what the client asked for is SSH_ORIGINAL_COMMAND.

    Example: gatekeeper --gate /srv/gate shell codex-1
    """
    raise click.exceptions.Exit(forced.serve(str(folder), agent))
