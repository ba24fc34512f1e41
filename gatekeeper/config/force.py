"""Which configuration counts: that of sites.toml, or the last valid one. Light: a push at a door waits for it."""

from msgspec import Struct
from msgspec.structs import replace

from gatekeeper.config import load
from gatekeeper.config.problems import ConfigProblems
from gatekeeper.config.schema import Config
from gatekeeper.home import Home
from gatekeeper.repo import compiled


class InForce(Struct, frozen=True):
    """The configuration that counts: that of sites.toml, or the last valid one, and then what is wrong with it."""

    config: Config
    text: str
    problems: ConfigProblems | None = None


def in_force(home: Home) -> InForce:
    """Read sites.toml; an invalid one changes nothing as long as there was a valid one before.

    Nor does it let anybody back in whom a valid one had left out since.
    """
    try:
        return InForce(load.load(home.sites_toml), home.sites_toml.read_text("utf-8"))
    except ConfigProblems as problems:
        if not home.applied_toml.exists():
            raise
        config = _no_wider(load.load(home.applied_toml), home)
        return InForce(config, home.applied_toml.read_text("utf-8"), problems)


def _no_wider(config: Config, home: Home) -> Config:
    """Leave out whom the policy in force had left out: a valid sites.toml that only the doors saw counts on."""
    try:
        listed = compiled.load(str(home.path))["agents"]
    except compiled.Unreadable:
        return config
    kept = {name: agent for name, agent in config.agents.items() if name in listed}
    return replace(config, agents={name: replace(agent, role=listed[name]["role"]) for name, agent in kept.items()})
