"""Gathers what the doctor judges. Reads only, asks no network but hosts, and writes nothing, not even a pm2 home."""

import grp
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from gatekeeper import process
from gatekeeper.alerts import addresses, book
from gatekeeper.alerts.addresses import Addresses
from gatekeeper.config import extras, keys, standing
from gatekeeper.config.force import in_force
from gatekeeper.config.problems import ConfigProblems
from gatekeeper.config.schema import Config
from gatekeeper.doctor.finding import Facts, Programs, Reach
from gatekeeper.errors import GateError
from gatekeeper.home import Home
from gatekeeper.hosts.line import Line
from gatekeeper.librarian import gates, space
from gatekeeper.repo import git, hooks, lock
from gatekeeper.repo.create import foreign_settings
from gatekeeper.repo.git import Git
from gatekeeper.setup import plan, record
from gatekeeper.setup.facts import Account, Seen, accounts, missing_packages, see, whose
from gatekeeper.setup.ground import ground, has_systemd
from gatekeeper.setup.wishes import own_users, site_folder
from gatekeeper.ship import external
from gatekeeper.verify import own_user
from gatekeeper.verify.selftest import self_test

_KERNEL = ("fs.protected_symlinks", "fs.protected_hardlinks")
_PATIENCE = 20.0
_KNOCK = 2.0


def gather(home: Home) -> Facts:
    """Look at a gate and its machine. Raises GateError for somebody who may not look into the gate."""
    owner = home.path.stat().st_uid
    if os.geteuid() not in (0, owner):
        raise GateError(
            f"Only root and the owner of {home.path} can look into it.",
            hints=(f"sudo gatekeeper --gate {home.path} doctor",),
        )
    config, problem = _configured(home)
    users, made = accounts(), record.read(home)
    last, due = _beats(home)
    heard = _addresses(home, config)
    return Facts(
        home=home,
        config=config,
        now=time.time(),
        config_problem=problem,
        set_up=made.name if made else None,
        shortfalls=standing.shortfalls(home, config, uid=owner),
        todo=_todo(home, config, made),
        programs=_programs(config, home),
        hooks=hooks.drift(home.path),
        settings=_settings(home),
        seen=_seen(_places(home, config)),
        owner=next((one for one in users.values() if one.uid == owner), None),
        owner_uid=owner,
        above=_seen(home.path.parents),
        addressees=len(heard.people),
        alert_problems=heard.problems,
        space=space.read(home),
        free=shutil.disk_usage(home.path).free,
        librarian=whose(lock.holder(home.path)),
        last_beat=last,
        next_beat=due,
        stewards={name: _knock(site_folder(home, name) / "steward.sock") for name in own_users(config)},
        hosts=_hosts(home, config),
        door=_knock(home.gate_socket),
        systemd=has_systemd(),
        kernel=_kernel(),
        users=users,
        groups=_groups(config, users),
        gids=_gids(config, users),
        reaches=_reaches(home, config, users),
        keys_differ=_keys_differ(home, config),
        engine=external.last_problem(home) if config.gate.ship == "external" else None,
        extra=extras.cluster() if config.verify.executor != "local" else None,
        cluster=tuple(f"{cause.code} {cause.text}" for cause in book.read(home.alerts).open("cluster")),
    )


def _configured(home: Home) -> tuple[Config, str | None]:
    """Return what is in force, and what is wrong with the file; where nothing ever was, the defaults."""
    try:
        force = in_force(home)
    except ConfigProblems as never:
        return Config(), never.text
    return force.config, force.problems.text if force.problems else None


def _todo(home: Home, config: Config, made: record.Made | None) -> tuple[str, ...]:
    if made is None:
        return ()
    place = ground(home, config, made.name)
    return tuple(step.what for step in plan.of(place, made).todo)


def _programs(config: Config, home: Home) -> Programs:
    versions = {"node": _says(("node", "--version")), "pm2": _pm2_says(config)}
    with suppress(GateError):
        versions["git"] = ".".join(map(str, git.version()))
    boxed = config.verify.sandbox != "none"
    return Programs(versions, missing_packages(), _sandbox() if boxed else None, boxed and _own_users(home))


def _pm2_says(config: Config) -> str | None:
    with TemporaryDirectory(
        prefix="gate-doctor-"
    ) as folder:  # it makes a home whatever it is asked, and without "--" a daemon
        said = _says((*config.pm2.command, "-v", "--"), PM2_HOME=folder, HOME=folder, PM2_DISCRETE_MODE="1")
    return said.splitlines()[-1] if said else None


def _says(argv: tuple[str, ...], **env: str) -> str | None:
    with suppress(OSError):
        done = process.run(argv, env=process.clean_environment() | env, timeout=_PATIENCE)
        return done.text.strip() if done.ok else None
    return None


def _sandbox() -> str | None:
    try:
        return self_test()
    except GateError as problem:
        return problem.text


def _own_users(home: Home) -> bool:
    """Ask as whoever runs the Librarian; root can become anybody, which says nothing of it."""
    owner = home.path.stat()
    if os.geteuid() == owner.st_uid:
        return own_user.available() is not None
    become = ("setpriv", "--reuid", str(owner.st_uid), "--regid", str(owner.st_gid), "--clear-groups", "--")
    asked = "from gatekeeper.verify import own_user; raise SystemExit(own_user.available() is None)"
    return process.run((*become, sys.executable, "-P", "-c", asked), timeout=_PATIENCE).ok


def _settings(home: Home) -> tuple[str, ...]:
    with Git(home.repo) as repository:
        return foreign_settings(repository)


def _places(home: Home, config: Config) -> Iterable[Path]:
    yield from (home.path, home.repo, home.var, home.key.parent, home.key, home.sites_toml, home.www)
    yield from (home.releases.parent, home.path / config.gate.alerts_file)
    yield from (home.path / site.env_file for site in config.sites.values() if site.env_file)
    verify = config.verify
    yield from (home.path / name for name in (verify.tls_ca, verify.tls_cert, verify.tls_key) if name)


def _seen(paths: Iterable[Path]) -> dict[Path, Seen]:
    return {path: seen for path in paths if (seen := see(path))}


def _addresses(home: Home, config: Config) -> Addresses:
    """Read the lines alone: whose the file is, and how open, is judged as with every secret."""
    shown = config.gate.alerts_file
    try:
        return addresses.parse((home.path / shown).read_text("utf-8", "replace"), shown)
    except OSError:
        return Addresses()


def _beats(home: Home) -> tuple[float | None, float | None]:
    try:
        said = json.loads(home.beat.read_bytes())
        return datetime.fromisoformat(said["last"]).timestamp(), datetime.fromisoformat(said["next"]).timestamp()
    except (OSError, ValueError, KeyError, TypeError):
        return None, None


def _knock(place: Path) -> str | None:
    """Return why nobody opens; a connection alone says nothing to a steward."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(_KNOCK)
        try:
            line.connect(str(place))
        except OSError as problem:
            return problem.strerror or str(problem)
    return None


def _hosts(home: Home, config: Config) -> dict[str, str | None]:
    """Say hello to every host that runs sites, all at once."""
    lines = [Line(home, one, config.pm2.command, config.pm2.home) for one in gates.machines(home, config)]
    if not lines:
        return {}
    with ThreadPoolExecutor(len(lines)) as pool:
        return {line.machine.name: said for line, said in zip(lines, pool.map(_hello, lines), strict=True)}


def _hello(line: Line) -> str | None:
    with closing(line):
        try:
            line.greet()
        except GateError as problem:
            return problem.text
    return None


def _kernel() -> dict[str, str]:
    found = {}
    for name in _KERNEL:
        with suppress(OSError):
            found[name] = Path("/proc/sys", *name.split(".")).read_text("ascii").strip()
    return found


def _agents(config: Config, users: dict[str, Account]) -> list[str]:
    return [agent.unix_user for agent in config.agents.values() if agent.unix_user in users and agent.unix_user]


def _groups(config: Config, users: dict[str, Account]) -> dict[str, frozenset[str]]:
    named = {group.gr_gid: group.gr_name for group in grp.getgrall()}
    gids = _gids(config, users)
    return {user: frozenset(named[gid] for gid in mine if gid in named) for user, mine in gids.items()}


def _gids(config: Config, users: dict[str, Account]) -> dict[str, frozenset[int]]:
    return {user: frozenset(os.getgrouplist(user, users[user].gid)) for user in _agents(config, users)}


def _reaches(home: Home, config: Config, users: dict[str, Account]) -> tuple[Reach, ...]:
    homes = [home.path / config.pm2.home, *(site_folder(home, name) / "pm2" for name in own_users(config))]
    homes += [Path(user.home) / ".pm2" for user in users.values()]
    found = (_reach(place / "rpc.sock") for place in dict.fromkeys(homes))
    return tuple(reach for reach in found if reach is not None)


def _reach(path: Path) -> Reach | None:
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    chain = tuple(seen for place in (*reversed(real.parents), real) if (seen := see(place)))
    return Reach(path, chain)


def _keys_differ(home: Home, config: Config) -> bool:
    wanted = keys.authorized(config, home)
    there = home.authorized_keys.read_text("utf-8") if home.authorized_keys.is_file() else ""
    return wanted != there
