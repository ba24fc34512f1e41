"""`gatekeeper` and `python -m gatekeeper`: the command line, but for sshd's forced command, which needs none of it.

A push over SSH starts this each time, and waits for all that is imported.
"""

import os
import sys
from contextlib import suppress
from functools import partial
from typing import NoReturn

from gatekeeper.commands import boundary


def main() -> NoReturn:
    """Run what was asked for and end the process with the status of the table in docs/reference.md."""
    match sys.argv[1:]:
        case ["--gate", folder, "shell", agent] if not agent.startswith("-"):
            _forced(folder, agent)
        case _:
            from gatekeeper import cli  # noqa: PLC0415 - it brings click along

            cli.main()


def _forced(folder: str, agent: str) -> NoReturn:
    """Serve one visit of an agent; nothing is left to be done afterwards, so the interpreter is not taken down."""
    from gatekeeper.commands import forced  # noqa: PLC0415

    boundary.forget_git()
    status = boundary.status_of(partial(forced.serve, folder, agent))
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # a client that hung up
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
