"""What a person must put right before a set-up can be made, all of it at once, each with the way out. Pure."""

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from gatekeeper.config.problems import dotted
from gatekeeper.setup.facts import Facts
from gatekeeper.setup.wishes import Ground, own_users, site_folder

_LONGEST_SOCKET = 107
_PLAIN = re.compile(r"/[A-Za-z0-9/._+-]*")


class Blocker(Struct, frozen=True):
    """What a person must put right first, and how: a command, or a line of sites.toml."""

    text: str
    fix: str


def blockers(ground: Ground, facts: Facts, *, recorded: str | None) -> Iterator[Blocker]:
    """Yield what keeps this set-up from being made; `recorded` is the name under which it was made before."""
    if recorded not in (None, ground.names.gate):
        yield Blocker(f"This gate is set up under the name {recorded}.", f"gatekeeper setup --name {recorded}")
    if facts.missing:
        names = " ".join(facts.missing)
        yield Blocker(f"Programs are missing: {names}.", f"apt-get install --no-install-recommends {names}")
    if not _PLAIN.fullmatch(str(ground.home.path)):
        yield Blocker(
            f"The path {ground.home.path} cannot stand in a unit of systemd.",
            "Move the gate to a path of plain letters.",
        )
    yield from _unreachable(ground, facts)
    yield from _sites(ground)
    yield from _taken_users(ground, facts)
    yield from _too_long(ground)
    yield from _links(facts)
    librarian, owner = facts.librarian, facts.users.get(ground.names.user)
    if librarian and (owner is None or owner.uid != librarian.uid):
        yield Blocker(f"A Librarian runs as another user (process {librarian.pid}).", f"kill {librarian.pid}")


def _unreachable(ground: Ground, facts: Facts) -> Iterator[Blocker]:
    home = (path for path in facts.barred if path == ground.home.path)
    for path in home:
        bar = facts.barred[path]
        yield Blocker(f"Other users cannot get to {path}: {bar} bars them.", f"chmod o+x {bar}")
    for path, bar in facts.barred.items():
        if path != ground.home.path:
            yield Blocker(
                f"Other users cannot run {path}: {bar} bars them.",
                "python3 -m venv /opt/gatekeeper && /opt/gatekeeper/bin/pip install git-gatekeeper"
                if path.suffix == ".py" or path == Path(ground.program[0]) or "python" in path.name
                else f"Install it for all users, below /usr/local or /opt, or: chmod o+rx {bar}",
            )


def _sites(ground: Ground) -> Iterator[Blocker]:
    for name, site in ground.config.sites.items():
        if site.host is None and site.mode != "static" and not site.user:
            text = f'Site "{name}" has no user: its code would run as the Librarian.'
            yield Blocker(text, f'In [{dotted("sites", name)}]: user = "site-{name[:27]}"')


def _taken_users(ground: Ground, facts: Facts) -> Iterator[Blocker]:
    names = ground.names
    own = facts.users.get(names.user)
    if own is not None and own.home != str(ground.home.path):
        yield Blocker(
            f"The user {names.user} is of something else: its home is {own.home}.",
            f"gatekeeper --gate {ground.home.path} setup --name {_other_name(ground.home.path)}",
        )
    for name, site in own_users(ground.config).items():
        account = facts.users.get(str(site.user))
        if account is not None and (account.uid == 0 or names.of_another_gate(account.comment)):
            yield Blocker(
                f"The user {site.user} is of something else: {account.comment or 'root'}.",
                f'In [{dotted("sites", name)}]: user = "{names.gate}-{name[:20]}"',
            )
    for name, agent in ground.config.agents.items():
        account = facts.users.get(agent.unix_user or "")
        if agent.unix_user == names.user or (account is not None and account.uid == 0):
            yield Blocker(
                f"Agent {name} would be {agent.unix_user}, who may do everything.",
                f'In [{dotted("agents", name)}]: unix_user = "{name.casefold()}"',
            )


def _too_long(ground: Ground) -> Iterator[Blocker]:
    sockets = [ground.home.path / "doors" / "gate.sock", ground.home.door]
    for name in own_users(ground.config):
        folder = site_folder(ground.home, name)
        sockets += [folder / "steward.sock", folder / "pm2" / "rpc.sock"]
    for path in sockets:
        if len(str(path).encode()) > _LONGEST_SOCKET:
            yield Blocker(f"No socket can have a path as long as {path}.", "Move the gate to a shorter path.")


def _links(facts: Facts) -> Iterator[Blocker]:
    for path, seen in facts.seen.items():
        if seen.link:
            yield Blocker(f"{path} is a link; root does not follow it.", f"ls -l {path}")


def _other_name(home: Path) -> str:
    return re.sub(r"[^a-z0-9]", "", home.name.casefold())[:21].lstrip("0123456789") or "two"
