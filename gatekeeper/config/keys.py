"""Words the agents' SSH keys for sshd, each bound to the one command that serves its agent. Writes nothing."""

import shlex
import sys

from gatekeeper.config.schema import Config
from gatekeeper.home import Home


def authorized(config: Config, home: Home) -> str:
    """Return var/authorized_keys: a line an agent with a key; `restrict` bars forwarding, terminals and ~/.ssh/rc.

    Names and keys were judged when sites.toml was read, so neither can end its line or its quotes.
    """
    lines = (_line(home, name, agent.ssh_key) for name, agent in config.agents.items() if agent.ssh_key is not None)
    return "".join(lines)


def _line(home: Home, name: str, key: str) -> str:
    command = shlex.join((sys.executable, "-P", "-m", "gatekeeper", "--gate", str(home.path), "shell", name))
    kind, body = key.split()[:2]
    return f'restrict,command="{_quoted(command)}" {kind} {body} {name}\n'


def _quoted(command: str) -> str:
    r"""Escape for sshd, which takes `\"` for a quote and leaves every other backslash as it stands."""
    if '\\"' in command or "\n" in command:
        raise ValueError("sshd has no way to write a path like this one")
    return command.replace('"', '\\"')
