"""A set-up as a list of steps with what is to be done for each, made of wishes and facts; only `of` looks itself."""

from collections.abc import Iterator

from msgspec import Struct

from gatekeeper.setup.blockers import Blocker, blockers
from gatekeeper.setup.facts import Account, Facts, look
from gatekeeper.setup.judge import Action, Remove, actions, end_daemon, holds, what
from gatekeeper.setup.names import Names
from gatekeeper.setup.record import Made
from gatekeeper.setup.wishes import Ground, NoDaemon, Start, Wish, own_users, site_folder, starts, wishes


class Step(Struct, frozen=True):
    """One thing, whether it is there already, and what makes it."""

    wish: Wish
    what: str
    holds: bool
    actions: tuple[Action, ...]


class Plan(Struct, frozen=True):
    """A whole set-up; with `blockers` it cannot be made yet."""

    name: str
    user: str
    steps: tuple[Step, ...]
    blockers: tuple[Blocker, ...]
    starts: tuple[Start, ...]
    """What a person has to start; nothing where systemd does."""

    @property
    def todo(self) -> tuple[Step, ...]:
        """The steps that do not hold."""
        return tuple(step for step in self.steps if not step.holds)


class Undo(Struct, frozen=True):
    """What takes a set-up back, and what stays."""

    steps: tuple[tuple[str, tuple[Action, ...]], ...]
    remains: tuple[str, ...]


def plan(ground: Ground, facts: Facts, made: Made | None) -> Plan:
    """Return the set-up of a gate on this machine."""
    steps = tuple(Step(wish, what(wish), holds(wish, facts), actions(wish, facts)) for wish in wishes(ground))
    found = tuple(blockers(ground, facts, recorded=made.name if made else None))
    return Plan(ground.names.gate, ground.names.user, steps, found, () if ground.systemd else starts(ground))


def of(ground: Ground, made: Made | None) -> Plan:
    """Look at this machine and return the set-up of a gate on it."""
    return plan(ground, look(ground, wishes(ground)), made)


def undo(ground: Ground, facts: Facts, made: Made) -> Undo:
    """Return the way back from a set-up: only what it made, and what nobody else's name is on."""
    path, names = ground.home.path, Names(made.name)
    own = [name for name in made.users if (account := facts.users.get(name)) and names.made(account.comment)]
    steps = (*_services(names, made, facts), *_sshd(ground, names, made), *_daemons(ground, facts))
    uid, gid = made.owner_before
    back = (f"{path} goes back to its owner before", (("chown", "-R", "-h", f"{uid}:{gid}", str(path)),))
    users = [step for name in own for step in _user(name, facts.users[name])]
    return Undo((*steps, back, *users), tuple(_remains(ground, made, own)))


def _services(names: Names, made: Made, facts: Facts) -> Iterator[tuple[str, tuple[Action, ...]]]:
    """End units; a half-done undo has left no file of those that it ended."""
    ours = [name for name in reversed(made.services) if names.is_unit(name) and names.unit_file(name) in facts.seen]
    for name in ours:
        stop = ("systemctl", "disable", "--now", name)
        yield f"unit {name} ends", (stop, Remove(names.unit_file(name)), ("systemctl", "daemon-reload"))


def _sshd(ground: Ground, names: Names, made: Made) -> Iterator[tuple[str, tuple[Action, ...]]]:
    if made.sshd:
        told: tuple[Action, ...] = (("systemctl", "try-reload-or-restart", "ssh.service"),) if ground.systemd else ()
        yield f"{names.sshd} goes", (Remove(names.sshd), *told)


def _daemons(ground: Ground, facts: Facts) -> Iterator[tuple[str, tuple[Action, ...]]]:
    """End every pm2 of the gate's users: one that still has a process cannot be removed."""
    whose = {site_folder(ground.home, name) / "pm2": f"site {name}" for name in own_users(ground.config)}
    for home, running in facts.daemons.items():
        wish = NoDaemon(home, ground.config.pm2.command, ground.names.user)
        yield f"{whose.get(home, 'the gate itself')}: its pm2 ends", (end_daemon(wish, running.uid),)


def _user(name: str, account: Account) -> Iterator[tuple[str, tuple[Action, ...]]]:
    if account.home == f"/home/{name}":  # first: a number that the next new user might get must own nothing
        yield f"{account.home} stays, and is root's", (("chown", "-R", "-h", "root:root", account.home),)
    yield f"user {name} goes", (("userdel", name),)


def _remains(ground: Ground, made: Made, own: list[str]) -> Iterator[str]:
    path = ground.home.path
    yield f"{path}, with repo.git, keys, data and releases; no site runs until a Librarian does"
    if users := ", ".join(own_users(ground.config)):
        yield f"sites.toml, in which sites have users ({users}): they run again after setup --apply, or without `user`"
    yield from (
        f"user {name}: it was there before, or somebody changed its comment" for name in made.users if name not in own
    )
