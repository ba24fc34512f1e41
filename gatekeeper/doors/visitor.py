"""Who knocks, by what the kernel or sshd says and the sites.toml in force now; and the policy that goes with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatekeeper.config import force, standing
from gatekeeper.config.schema import Config
from gatekeeper.home import Home
from gatekeeper.model import Actor, Assurance
from gatekeeper.repo import receive
from gatekeeper.verify.jobs import digest


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody who may not come in, and why, in words for them."""

    name: str
    why: str


Visitor = Actor | Stranger


def in_force(home: Home) -> Config:
    """Return the configuration in force, and see that the hooks judge by it: a saved change counts at once.

    An invalid file changes nothing.
    Raises ConfigProblems when there never was a valid one, and GateError for root in another user's gate.
    """
    standing.refuse_root(home)
    found = force.in_force(home)
    policy = _compiled(home)
    if policy is not None and found.problems is not None:
        return found.config
    mode, source = standing.mode(home, found.config), digest(found.text)
    if policy is None or (policy.get("mode"), policy.get("source")) != (mode, source):
        _compile(home, found, mode, source)
    return found.config


def _compile(home: Home, found: force.InForce, mode: standing.Mode, source: str) -> None:
    from gatekeeper.librarian import doors  # noqa: PLC0415 - a push waits for all that is imported, and sites.toml
    from gatekeeper.repo.git import Git  # noqa: PLC0415 - changes seldom

    with Git(home.repo) as git:
        doors.write(home, git, found.config, doors.compiled(git, found.config, mode=mode, source=source))


def _compiled(home: Home) -> Mapping[str, Any] | None:
    try:
        return receive.load(str(home.path))
    except receive.Unreadable:
        return None


def by_uid(config: Config, uid: int) -> Visitor:
    """Return the agent whose Unix user the kernel names; never one for root, who could be anybody."""
    who = standing.user_of(uid)
    if uid == 0:
        return Stranger(who, "the gate serves nobody as root (uid 0). Come as the Unix user of your agent.")
    for name, agent in config.agents.items():
        if agent.unix_user is not None and standing.uid_of(agent.unix_user) == uid:
            return Actor(name, Assurance.KERNEL, agent.role)
    return Stranger(who, f"no agent of this gate has your Unix user, {who}. Your operator lists them in sites.toml.")


def by_name(config: Config, name: str, assurance: Assurance) -> Visitor:
    """Return the agent that a key, or a socket of its own, stands for: as long as sites.toml lists it."""
    agent = config.agents.get(name)
    if agent is None:
        return Stranger(name, f'this gate lists no agent "{name}". Your operator lists them in sites.toml.')
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
