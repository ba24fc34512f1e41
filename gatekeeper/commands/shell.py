"""`gatekeeper shell AGENT`: what sshd runs for an agent's key, instead of whatever the client asked for."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from gatekeeper.commands.home import gate_in
from gatekeeper.doors import shell as door
from gatekeeper.model import Actor


@click.command("shell")
@click.argument("agent", metavar="AGENT")
@click.pass_obj
def shell(folder: Path, agent: str) -> None:
    """Serve AGENT over SSH. Run by sshd as a forced command; what the client asked for is SSH_ORIGINAL_COMMAND.

    Example: gatekeeper --gate /srv/gate shell codex-1
    """
    home, asked = gate_in(folder), os.environ.get("SSH_ORIGINAL_COMMAND", "")

    def verb(who: Actor, argv: Sequence[str]) -> int:
        from gatekeeper.commands import visit  # noqa: PLC0415 - a push needs none of the verbs

        return visit.behind(home, who, argv)

    raise click.exceptions.Exit(door.serve(home, agent, asked, os.environ.get("GIT_PROTOCOL"), verb))
