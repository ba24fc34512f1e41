"""Finds out what a set-up is made for: this gatekeeper, its Python, and how programs are started on this machine."""

import sys
import tomllib
from pathlib import Path

from msgspec.structs import replace

from gatekeeper.config import load
from gatekeeper.config.problems import dotted
from gatekeeper.config.schema import Agent, Config
from gatekeeper.config.written import section
from gatekeeper.home import Home
from gatekeeper.setup.facts import found
from gatekeeper.setup.names import Names
from gatekeeper.setup.wishes import Ground

_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def ground(home: Home, config: Config, name: str) -> Ground:
    """Return what the set-up of a gate is made for."""
    return Ground(
        home=home,
        names=Names(name),
        config=config,
        program=(sys.executable, "-P", "-m", "gatekeeper"),
        python=sys.executable,
        path=_path(config),
        systemd=has_systemd(),
    )


def with_agents(ground: Ground, names: tuple[str, ...], *, owner: str) -> tuple[Ground, str]:
    """Return the ground with more agents, and what to add to sites.toml for them; those it names already need nothing.

    Raises ConfigProblems for names that cannot be an agent's and a Unix user's.
    """
    new = [name for name in dict.fromkeys(names) if name not in ground.config.agents]
    block = "".join(f"\n{section(dotted('agents', name), Agent(owner=owner, unix_user=name))}\n" for name in new)
    text = ground.home.sites_toml.read_text("utf-8") + block
    config = load.from_tables(tomllib.loads(text), file=str(ground.home.sites_toml))
    return replace(ground, config=config), block


def has_systemd() -> bool:
    """Return whether systemd is what starts programs here."""
    return Path("/run/systemd/system").is_dir()


def _path(config: Config) -> str:
    """Return the usual PATH, with the folders of what runs sites in front where they are not among the usual."""
    places = [Path(place).parent for name in ("node", config.pm2.command[0]) if (place := found(name))]
    return ":".join(dict.fromkeys((*(str(place) for place in places if str(place) not in _PATH), *_PATH)))
