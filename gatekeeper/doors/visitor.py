"""Who knocks, by what the kernel or sshd says and the sites.toml in force now; and the policy that goes with it."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from gatekeeper import __version__
from gatekeeper.config import standing
from gatekeeper.config.digest import digest
from gatekeeper.home import Home
from gatekeeper.model import Actor, Assurance
from gatekeeper.repo import compiled

if TYPE_CHECKING:
    from gatekeeper.config.force import InForce
    from gatekeeper.config.schema import Config


class Stranger(Struct, frozen=True):
    """Somebody who may not come in, and why, in words for them."""

    name: str
    why: str


class Listed(Struct, frozen=True):
    """What a door asks of an agent that sites.toml lists."""

    role: str
    unix_user: str | None


Visitor = Actor | Stranger


def listed(home: Home) -> Mapping[str, Listed]:
    """Return whom the sites.toml in force lists, and see that the hooks judge by it: a saved change counts at once.

    A policy that was compiled from the very bytes that lie there, by this gatekeeper and in this set-up, says it too:
    then nothing is parsed anew. Raises what `in_force` does.
    """
    standing.refuse_root(home)
    policy = _compiled(home)
    if policy is not None and _of_today(home, policy):
        users = policy["users"]["agents"]
        return {name: Listed(str(agent["role"]), users[name]) for name, agent in policy["agents"].items()}
    return {name: Listed(agent.role, agent.unix_user) for name, agent in in_force(home).agents.items()}


def in_force(home: Home) -> "Config":
    """Return the configuration in force, and see that the hooks judge by it.

    An invalid file changes nothing.
    Raises ConfigProblems when there never was a valid one, and GateError for root in another user's gate.
    """
    from gatekeeper.config import force  # noqa: PLC0415 - a push waits for all that is imported, and few change it

    standing.refuse_root(home)
    found = force.in_force(home)
    policy = _compiled(home)
    if policy is not None and found.problems is not None:
        return found.config
    mode, source = standing.mode(home, found.config), digest(found.text)
    if policy is None or (policy.get("mode"), policy.get("source")) != (mode, source):
        _compile(home, found, mode, source)
    return found.config


def _of_today(home: Home, policy: Mapping[str, Any]) -> bool:
    """Tell whether parsing sites.toml would say what the policy says; it was valid, or there were no such policy."""
    try:
        text = home.sites_toml.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    if "users" not in policy or (policy.get("gatekeeper"), policy.get("source")) != (__version__, digest(text)):
        return False
    return policy.get("mode") == standing.mode(home, users=standing.Users(**policy["users"]))


def _compile(home: Home, found: "InForce", mode: standing.Mode, source: str) -> None:
    from gatekeeper.librarian import doors  # noqa: PLC0415 - as above
    from gatekeeper.repo.git import Git  # noqa: PLC0415

    with Git(home.repo) as git:
        doors.write(home, git, found.config, doors.compiled(git, found.config, mode=mode, source=source))


def _compiled(home: Home) -> Mapping[str, Any] | None:
    try:
        return compiled.load(str(home.path))
    except compiled.Unreadable:
        return None


def by_uid(agents: Mapping[str, Listed], uid: int) -> Visitor:
    """Return the agent whose Unix user the kernel names; never one for root, who could be anybody."""
    who = standing.user_of(uid)
    if uid == 0:
        return Stranger(who, "the gate serves nobody as root (uid 0). Come as the Unix user of your agent.")
    for name, agent in agents.items():
        if agent.unix_user is not None and standing.uid_of(agent.unix_user) == uid:
            return _actor(name, agent, Assurance.KERNEL)
    return Stranger(who, f"no agent of this gate has your Unix user, {who}. Your operator lists them in sites.toml.")


def by_name(agents: Mapping[str, Listed], name: str, assurance: Assurance) -> Visitor:
    """Return the agent that a key, or a socket of its own, stands for: as long as sites.toml lists it."""
    agent = agents.get(name)
    if agent is None:
        return Stranger(name, f'this gate lists no agent "{name}". Your operator lists them in sites.toml.')
    return _actor(name, agent, assurance)


def _actor(name: str, agent: Listed, assurance: Assurance) -> Actor:
    return Actor(name, assurance, agent.role)


def pass_of(who: Actor) -> dict[str, str]:
    """Return what tells the hooks, and the request's reflog, who pushes."""
    told = {"v": 1, "agent": who.name, "assurance": who.assurance, "role": who.role}
    return {
        "GATE_DOOR": json.dumps(told),
        "GATE_AGENT": who.name,
        "GIT_COMMITTER_NAME": who.name,
        "GIT_COMMITTER_EMAIL": f"{who.name}@agents.invalid",
    }
