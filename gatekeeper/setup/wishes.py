"""What the enforced set-up wants of a machine, as values: which things, in the order in which they are made. Pure.

The order is safe when it is cut off anywhere: users come before what they own, files before what reads them, and the
gate's own folder changes hands last, so that no half-made set-up passes for an enforced one.
"""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from gatekeeper import messages
from gatekeeper.config.schema import Config, Site
from gatekeeper.home import Home
from gatekeeper.model import Argv
from gatekeeper.setup.names import Names

NOLOGIN = "/usr/sbin/nologin"
SHELL = "/bin/sh"
"""sshd runs a forced command by the user's shell: with nologin there would be no SSH door."""


class User(Struct, frozen=True):
    """A Unix user with a group of its own name; one that is there already is left as it is."""

    name: str
    role: str
    comment: str
    home: Path
    shell: str
    person: bool = False
    """It gets a home folder, as whoever works on the machine has; otherwise it is a system user."""


class HomeOf(Struct, frozen=True):
    """The home folder of a person whom setup made: one that an earlier undo left is root's until it is handed over."""

    path: Path
    owner: str
    comment: str
    """What tells a user that setup made from one that was there."""


class SubIds(Struct, frozen=True):
    """A range of user and group ids that a user may hand to what it runs: each check gets one of its own."""

    user: str


class Folder(Struct, frozen=True):
    """A folder with its owner and mode; what is in it is not touched."""

    path: Path
    owner: str
    mode: int


class Tree(Struct, frozen=True):
    """A file or folder that belongs to one user with all that is in it; a folder has a mode, and is made."""

    path: Path
    owner: str
    mode: int | None = None


class Hooks(Struct, frozen=True):
    """The hooks of the repository, which name the Python that runs them."""

    home: Path
    python: str
    owner: str


class File(Struct, frozen=True):
    """A file of root's with this content."""

    path: Path
    content: str
    what: str
    mode: int = 0o644


class Sshd(Struct, frozen=True):
    """The SSH door: a drop-in that `sshd -t` must accept before the running sshd is told of it."""

    file: File
    told: Argv | None
    """What makes a running sshd read it."""


class NoDaemon(Struct, frozen=True):
    """The end of a pm2 that ran sites under another user than `owner`: the new one needs its ports, and its folder."""

    home: Path
    command: Argv
    owner: str


class Service(Struct, frozen=True):
    """A unit of systemd: its file, and that it runs now and at every boot."""

    name: str
    file: File


Wish = User | HomeOf | SubIds | Folder | Tree | Hooks | Sshd | NoDaemon | Service


class Ground(Struct, frozen=True):
    """What a set-up is made for: the gate, its configuration, and how programs are started on this machine."""

    home: Home
    names: Names
    config: Config
    program: Argv
    """How to start this very gatekeeper; absolute."""
    python: str
    """The Python that this gatekeeper runs in."""
    path: str
    """PATH of everything that is started."""
    systemd: bool


class Start(Struct, frozen=True):
    """A program that must run, by whatever starts programs here: as which user, and how."""

    user: str
    argv: Argv
    service: str
    what: str


def wishes(ground: Ground) -> Iterator[Wish]:
    """Yield everything that the set-up consists of, in the order of making."""
    yield from _users(ground)
    yield from _folders(ground)
    if any(agent.ssh_key for agent in ground.config.agents.values()):
        yield Sshd(
            _sshd_file(ground), ("systemctl", "try-reload-or-restart", "ssh.service") if ground.systemd else None
        )
    yield NoDaemon(ground.home.path / ground.config.pm2.home, ground.config.pm2.command, ground.names.user)
    if ground.systemd:
        yield from (Service(start.service, _unit(ground, start)) for start in starts(ground))


def starts(ground: Ground) -> tuple[Start, ...]:
    """Return what must run, in the order of starting: a site's steward needs nobody, the Librarian needs them all."""
    run = (*ground.program, "--gate", str(ground.home.path))
    names = ground.names
    return (
        *(
            Start(str(site.user), (*run, "steward", name), names.site(name), f"site {name}")
            for name, site in own_users(ground.config).items()
        ),
        Start(names.user, (*run, "socket"), names.door, "the local door"),
        Start(names.user, (*run, "run"), names.librarian, "the Librarian"),
    )


def own_users(config: Config) -> dict[str, Site]:
    """Return the sites that run as a user of their own on this machine."""
    return {name: site for name, site in config.sites.items() if site.user and site.host is None}


def site_folder(home: Home, site: str) -> Path:
    """Return where a site with its own user keeps pm2's home, its ecosystem file and its steward's socket."""
    return home.path / "sites" / site


def _users(ground: Ground) -> Iterator[Wish]:
    names, home = ground.names, ground.home
    role = "the Librarian"
    yield User(names.user, role, names.comment(role), home.path, SHELL)
    yield SubIds(names.user)
    for name, site in own_users(ground.config).items():
        role = f"site {name}"
        yield User(str(site.user), role, names.comment(role), site_folder(home, name), NOLOGIN)
    for name, agent in ground.config.agents.items():
        if agent.unix_user:
            role = f"agent {name}"
            comment, place = names.comment(role), Path("/home") / agent.unix_user
            yield User(agent.unix_user, role, comment, place, "/bin/bash", person=True)
            yield HomeOf(place, agent.unix_user, comment)


def _folders(ground: Ground) -> Iterator[Wish]:
    path, user, sites = ground.home.path, ground.names.user, own_users(ground.config)
    yield Hooks(path, ground.python, user)
    yield Folder(path / "doors", user, 0o755)
    yield Folder(path / "sites", user, 0o711)
    yield Folder(path / "data", user, 0o711)
    for name, site in sites.items():
        yield from _of_site(ground, name, str(site.user))
    for name in ground.config.sites.keys() - sites.keys():
        yield Tree(path / "data" / name, user)
    for entry, mode in (("repo.git", 0o700), ("var", 0o700), ("keys", 0o700), ("live", 0o755), ("www", 0o755)):
        yield Tree(path / entry, user, mode)
    yield Tree(ground.home.sites_toml, user)
    yield Folder(path, user, 0o711)


def _of_site(ground: Ground, name: str, owner: str) -> Iterator[Wish]:
    folder = site_folder(ground.home, name)
    yield NoDaemon(folder / "pm2", ground.config.pm2.command, owner)  # first: who had the site before can still end it
    yield Tree(folder, owner, 0o711)
    yield Folder(folder / "pm2", owner, 0o700)
    yield Tree(ground.home.data / name, owner, 0o700)


def _sshd_file(ground: Ground) -> File:
    names = ground.names
    text = messages.render("setup/sshd.conf", user=names.user, name=names.gate, home=ground.home.path)
    return File(
        names.sshd, text, "the SSH door: what the Librarian's user may do when it logs in, which is next to nothing"
    )


def _unit(ground: Ground, start: Start) -> File:
    names, site = ground.names, start.argv[-1]
    kind = {names.door: "door.service", names.librarian: "librarian.service"}.get(start.service, "site.service")
    values = {
        "name": names.gate,
        "user": start.user,
        "home": ground.home.path,
        "site": site,
        "argv": " ".join(start.argv),
        "path": ground.path,
        "protect_home": "no" if _in_homes(ground) else "yes",
    }
    return File(names.unit_file(start.service), messages.render(f"setup/{kind}", **values), start.what)


def _in_homes(ground: Ground) -> bool:
    places = (str(ground.home.path), *ground.program, *ground.path.split(":"), *ground.config.pm2.command)
    return any(place.startswith(("/home/", "/root/", "/run/user/")) for place in places)
