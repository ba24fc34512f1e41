"""Tells which set-up a gate is in: "enforced" only while every fact behind that word holds. Changes nothing."""

import json
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from gatekeeper.config import load
from gatekeeper.config.problems import ConfigProblems
from gatekeeper.config.schema import Config
from gatekeeper.errors import GateError
from gatekeeper.home import Home

Mode = Literal["advisory", "enforced"]
SETUP_FORMAT = 1
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_AT_ALL = stat.S_IRWXG | stat.S_IRWXO


def mode(home: Home, config: Config | None = None) -> Mode:
    """Return the set-up that the gate is in now; `config` spares reading sites.toml."""
    return "advisory" if shortfalls(home, config) else "enforced"


def shortfalls(home: Home, config: Config | None = None, *, uid: int | None = None) -> tuple[str, ...]:
    """Return why the gate is not in the enforced set-up, a sentence each; none: it is.

    `uid` is the user as which the Librarian runs, by default this process's own.
    """
    us = os.geteuid() if uid is None else uid
    if us == 0:
        return ("The Librarian runs as root.",)
    if (said := _ownership(home, us)) or (said := _set_up(home)):
        return said
    try:
        config = config or _config(home)
    except ConfigProblems:
        return ("There is no valid sites.toml.",)
    return (*_agents(config, us), *_sites(config, us))


def _ownership(home: Home, us: int) -> tuple[str, ...]:
    barred = {home.path: _OTHERS_WRITE} | dict.fromkeys((home.repo, home.var, home.key.parent), _OTHERS_AT_ALL)
    return tuple(problem for path, bits in barred.items() if (problem := _not_kept(path, bits, us)))


def _not_kept(path: Path, bits: int, us: int) -> str | None:
    try:
        seen = path.stat()
    except OSError as problem:
        return f"{path} cannot be looked at: {problem.strerror}."
    if seen.st_uid != us:
        return f"{path} does not belong to {user_of(us)}, the Librarian's user."
    loose = seen.st_mode & bits
    return f"{path} is open to other users (mode {stat.S_IMODE(seen.st_mode):04o})." if loose else None


def _set_up(home: Home) -> tuple[str, ...]:
    try:
        said = json.loads(home.setup_record.read_bytes())
    except OSError:
        return ("`gatekeeper setup --apply` has not made it.",)
    except ValueError:
        said = None
    known = isinstance(said, dict) and said.get("v") == SETUP_FORMAT
    return () if known else (f"{home.setup_record} has a format that this gate does not know.",)


def _config(home: Home) -> Config:
    try:
        return load.load(home.sites_toml)
    except ConfigProblems:
        return load.load(home.applied_toml)


def _agents(config: Config, us: int) -> Iterator[str]:
    for name, agent in config.agents.items():
        if agent.unix_user is not None and uid_of(agent.unix_user) == us:
            yield f"The agent {name} is the Librarian's own user, {agent.unix_user}."


def _sites(config: Config, us: int) -> Iterator[str]:
    for name, site in config.sites.items():
        if site.mode == "static":
            continue
        if site.user is None:
            yield f"The site {name} has no `user` of its own."
        elif uid_of(site.user) == us:
            yield f"The site {name} runs as the Librarian's own user, {site.user}."


def uid_of(user: str) -> int | None:
    """Return the number of a Unix user, or None when this machine has no such user."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None


def user_of(uid: int) -> str:
    """Return the name of a Unix user, or its number when this machine has no such user."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def refuse_root(home: Home) -> None:
    """Raise GateError for root in another user's gate: its Librarian could not write what root would leave there."""
    owner = home.path.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        name = user_of(owner)
        hint = f"sudo -u {name} gatekeeper --gate {home.path} …"
        raise GateError(f"This gate is {name}'s, and root would leave files that {name} cannot write.", hints=(hint,))
