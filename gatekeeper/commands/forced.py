"""What sshd runs for an agent's key: one visit over the standard streams. It knows nothing of click."""

import os
from collections.abc import Sequence

from gatekeeper.commands.home import chosen, gate_in
from gatekeeper.doors import shell
from gatekeeper.model import Actor


def serve(folder: str, agent: str) -> int:
    """Serve what the client asked for, which sshd tells in SSH_ORIGINAL_COMMAND; return the exit status.

    Raises GateError where there is no gate.
    """
    home = gate_in(chosen(folder))

    def verb(who: Actor, argv: Sequence[str]) -> int:
        from gatekeeper.commands import visit  # noqa: PLC0415 - a push needs none of the verbs

        return visit.behind(home, who, argv)

    return shell.serve(home, agent, os.environ.get("SSH_ORIGINAL_COMMAND", ""), os.environ.get("GIT_PROTOCOL"), verb)
