"""What the doctor says of agents and of the users that they are. Pure."""

from collections.abc import Iterator

from gatekeeper.config.problems import dotted
from gatekeeper.doctor.finding import Facts, Finding, Level, Reach

_MIGHTY = ("docker", "sudo", "lxd", "incus-admin", "libvirt", "disk", "adm", "wheel", "admin", "root", "shadow", "kvm")
"""Groups whose members become root, or read what root reads."""


def agents(facts: Facts) -> Iterator[Finding]:
    """Agents that nobody can tell apart from the Librarian, or who are root by another name."""
    for name, agent in facts.config.agents.items():
        if agent.unix_user is None:
            continue
        account = facts.users.get(agent.unix_user)
        if account is None:
            fix = facts.command("setup --apply")
            yield Finding(Level.NOTE, "agents", f"Agent {name} is {agent.unix_user}, and there is no such user.", fix)
            continue
        if account.uid in (0, facts.owner_uid):
            who = "root" if account.uid == 0 else "the Librarian's own user"
            fix = f'In [{dotted("agents", name)}]: unix_user = "{name.casefold()}"'
            yield Finding(_level(facts), "agents", f"Agent {name} is {agent.unix_user}, which is {who}.", fix)
        for group in sorted(facts.groups.get(agent.unix_user, frozenset()) & set(_MIGHTY)):
            text = f"Agent {name} ({agent.unix_user}) is in the group {group}: that is as good as root."
            yield Finding(Level.WRONG, "agents", text, f"gpasswd --delete {agent.unix_user} {group}")


def doors(facts: Facts) -> Iterator[Finding]:
    """Whether anybody can come in, and whether all who may can."""
    if not facts.config.agents:
        text = "sites.toml names no agent: whoever reaches the repository may ask, under any name."
        if facts.set_up:
            text = "sites.toml names no agent, so nobody can push."
        fix = facts.command("setup --agents codex-1 --apply")
        yield Finding(Level.NOTE, "agents", text, fix)
    for name, agent in facts.config.agents.items():
        if facts.set_up and not agent.unix_user and not agent.ssh_key:
            fix = f'In [{dotted("agents", name)}]: unix_user = "{name.casefold()}"'
            yield Finding(Level.NOTE, "agents", f"Agent {name} has neither a Unix user nor an SSH key: no door.", fix)
    if facts.set_up and facts.keys_differ:
        text = f"{facts.home.authorized_keys} does not hold the keys of sites.toml."
        yield Finding(Level.WRONG, "doors", text, facts.command("tick"))


def other_pm2(facts: Facts) -> Iterator[Finding]:
    """Agents that could order a pm2 about which is not theirs: it runs whatever it is told, as its own user."""
    for name, agent in facts.config.agents.items():
        account = facts.users.get(agent.unix_user or "")
        if account is None or account.uid == 0:
            continue
        for reach in facts.reaches:
            gids = facts.gids.get(agent.unix_user or "", frozenset()) | {account.gid}
            if reach.chain[-1].uid != account.uid and may_connect(reach, account.uid, gids):
                text = f"Agent {name} ({agent.unix_user}) can connect to {reach.path}, another user's pm2."
                yield Finding(Level.WRONG, "agents", text, f"chmod go-rwx {reach.path.parent}")


def may_connect(reach: Reach, uid: int, gids: frozenset[int]) -> bool:
    """Return whether a user gets through every folder, and may write to the socket, as the kernel judges it."""
    *folders, end = reach.chain
    return all(_bits(one.mode, one.uid, one.gid, uid, gids) & 1 for one in folders) and bool(
        _bits(end.mode, end.uid, end.gid, uid, gids) & 2
    )


def _bits(mode: int, owner: int, group: int, uid: int, gids: frozenset[int]) -> int:
    """Return what this user may do: 4 read, 2 write, 1 enter."""
    return (mode >> 6 if uid == owner else mode >> 3 if group in gids else mode) & 7


def _level(facts: Facts) -> Level:
    """In the advisory set-up this is what the word means; otherwise it breaks a promise."""
    return Level.WRONG if facts.set_up else Level.NOTE
