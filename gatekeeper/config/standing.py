"""Tells which set-up a gate is in: "enforced" only while every fact behind that word holds. Changes nothing."""

import json
import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from gatekeeper.errors import GateError
from gatekeeper.home import Home

if TYPE_CHECKING:
    from gatekeeper.config.schema import Config

Mode = Literal["advisory", "enforced"]
SETUP_FORMAT = 1
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_AT_ALL = stat.S_IRWXG | stat.S_IRWXO


class Users(Struct, frozen=True):
    """The Unix users that sites.toml names: of agents, and of sites that are processes; None where it names none."""

    agents: Mapping[str, str | None]
    sites: Mapping[str, str | None]


def users_of(config: "Config") -> Users:
    """Return what the set-up rests on of a configuration."""
    running = {name: site.user for name, site in config.sites.items() if site.mode != "static"}
    return Users({name: agent.unix_user for name, agent in config.agents.items()}, running)


def mode(home: Home, config: "Config | None" = None, *, users: Users | None = None) -> Mode:
    """Return the set-up that the gate is in now; `config`, or its users, spares reading sites.toml."""
    return "advisory" if shortfalls(home, config, users=users) else "enforced"


def shortfalls(
    home: Home, config: "Config | None" = None, *, uid: int | None = None, users: Users | None = None
) -> tuple[str, ...]:
    """Return why the gate is not in the enforced set-up, a sentence each; none: it is.

    `uid` is the user as which the Librarian runs, by default this process's own.
    """
    us = os.geteuid() if uid is None else uid
    if us == 0:
        return ("The Librarian runs as root.",)
    if (said := _ownership(home, us)) or (said := _set_up(home)):
        return said
    users = users or (users_of(config) if config is not None else _named(home))
    if users is None:
        return ("There is no valid sites.toml.",)
    return (*_agents(users, us), *_sites(users, us))


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


def _named(home: Home) -> Users | None:
    from gatekeeper.config import load  # noqa: PLC0415 - a push waits for all that is imported
    from gatekeeper.config.problems import ConfigProblems  # noqa: PLC0415

    for file in (home.sites_toml, home.applied_toml):
        try:
            return users_of(load.load(file))
        except ConfigProblems:
            continue
    return None


def _agents(users: Users, us: int) -> Iterator[str]:
    for name, user in users.agents.items():
        if user is not None and uid_of(user) == us:
            yield f"The agent {name} is the Librarian's own user, {user}."


def _sites(users: Users, us: int) -> Iterator[str]:
    for name, user in users.sites.items():
        if user is None:
            yield f"The site {name} has no `user` of its own."
        elif uid_of(user) == us:
            yield f"The site {name} runs as the Librarian's own user, {user}."


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
