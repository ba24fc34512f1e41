"""`gatekeeper shell AGENT`: what sshd runs for an agent's key, instead of whatever the client asked for."""

import os
from functools import partial
from pathlib import Path

import click

from gatekeeper.commands import visit
from gatekeeper.commands.home import gate_in
from gatekeeper.doors import shell as door


@click.command("shell")
@click.argument("agent", metavar="AGENT")
@click.pass_obj
def shell(folder: Path, agent: str) -> None:
    """Serve AGENT over SSH. Run by sshd as a forced command; what the client asked for is SSH_ORIGINAL_COMMAND.

    Example: gatekeeper --gate /srv/gate shell codex-1
    """
    home, asked = gate_in(folder), os.environ.get("SSH_ORIGINAL_COMMAND", "")
    verbs = (visit.VERBS, partial(visit.behind, home))
    raise click.exceptions.Exit(door.serve(home, agent, asked, os.environ.get("GIT_PROTOCOL"), verbs))
