"""What must hold between the options of `sites.toml`, once each has the right type. Pure, and finds everything."""

import zoneinfo
from collections.abc import Iterator

from gatekeeper.config import words
from gatekeeper.config.external_rules import external_rules
from gatekeeper.config.problems import MISSING, Found, did_you_mean, dotted
from gatekeeper.config.schema import Agent, Build, Check, Config
from gatekeeper.config.site_rules import site_rules, surface_name
from gatekeeper.policy import windows
from gatekeeper.policy.surfaces import ROOT


def broken_rules(config: Config) -> Iterator[Found]:
    """Yield every rule that the configuration breaks, in the order of the file's sections."""
    yield from _gate(config)
    yield from _verify(config)
    yield from _commands("builds", config.builds)
    yield from _commands("checks", config.checks)
    yield from _machines(config)
    yield from external_rules(config)
    yield from site_rules(config)
    yield from _surfaces(config)
    yield from _holds(config)
    yield from _agents(config)


def not_yet(config: Config) -> Iterator[Found]:
    """Yield what the file may say, and is right to say, and this version does not do: it is never passed over."""
    later = "This version does not do that yet: "
    for name, site in config.sites.items():
        key = dotted("sites", name)
        if site.host is not None and site.user is not None:
            yield (
                f"{key}.user",
                site.user,
                later + "the sites of a host run as the user of its ssh address. Leave it out.",
            )


def _gate(config: Config) -> Iterator[Found]:
    gate = config.gate
    for at, window in enumerate(gate.ship_windows):
        if windows.parse(window) is None:
            message = 'It must be written like "Mon-Fri 07:00-16:30" or "Sat,Sun 10:00-12:00".'
            yield f"gate.ship_windows[{at}]", window, message
    yield from words.judged("gate.timezone", gate.timezone, _timezone)
    yield from words.judged_each("gate.protected", gate.protected, words.tree_path)
    yield from words.judged("gate.alerts_file", gate.alerts_file, words.gate_path)


def _timezone(zone: str) -> str | None:
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        hint = did_you_mean(zone, sorted(zoneinfo.available_timezones()))
        return f'It is no time zone that this machine knows, such as "Europe/Copenhagen".{hint}'
    return None


def _verify(config: Config) -> Iterator[Found]:
    verify = config.verify
    yield from words.judged_each("verify.read_only", verify.read_only, words.absolute_path)
    for at, command in enumerate(verify.toolchain):
        yield from words.judged_command(f"verify.toolchain[{at}]", command)
    yield from words.judged("verify.executor", verify.executor, words.executor)
    encrypted = verify.executor.startswith("tls://")
    for name in ("tls_ca", "tls_cert", "tls_key"):
        told = getattr(verify, name)
        yield from words.judged(f"verify.{name}", told, words.gate_path)
        if encrypted and told is None:
            yield (
                f"verify.{name}",
                MISSING,
                "It is missing: a tls:// executor takes tls_ca, tls_cert and tls_key.",
            )
        if told is not None and not encrypted:
            yield f"verify.{name}", told, "It is for a tls:// executor alone."


def _commands(section: str, entries: tuple[Build | Check, ...]) -> Iterator[Found]:
    first: dict[str, int] = {}
    for at, entry in enumerate(entries):
        key = f"{section}[{at}]"
        yield from words.judged(f"{key}.name", entry.name, words.label)
        if first.setdefault(entry.name, at) != at:
            yield f"{key}.name", entry.name, f"{section}[{first[entry.name]}] has this name already."
        if section == "checks" and entry.name == "boot":
            yield f"{key}.name", entry.name, 'The check "boot" is built in; choose another name.'
        yield from words.judged_command(f"{key}.run", entry.run)
        yield from _reach(key, entry)
        yield from words.judged_variables(f"{key}.env", entry.env)


def _reach(key: str, entry: Build | Check) -> Iterator[Found]:
    """Judge what it sees, and where it runs."""
    if entry.per_site and entry.paths:
        yield f"{key}.paths", entry.paths, "It must not stand beside per_site = true: choose one of the two."
    if not entry.per_site and not entry.paths:
        yield f"{key}.paths", MISSING, "It is missing. Give the paths that it sees, or per_site = true."
    yield from words.judged_each(f"{key}.paths", entry.paths, words.tree_path_or_all)
    yield from words.judged(f"{key}.cwd", entry.cwd, words.tree_path_or_all)
    if isinstance(entry, Build):
        yield from words.judged_each(f"{key}.outputs", entry.outputs, words.tree_path)


def _machines(config: Config) -> Iterator[Found]:
    yield from words.judged_each("mirror.urls", config.mirror.urls, words.repository)
    yield from words.judged_command("pm2.command", config.pm2.command)
    yield from words.judged("pm2.home", config.pm2.home, words.gate_path)
    for name, host in config.hosts.items():
        key = dotted("hosts", name)
        yield from words.judged_name(key, name, words.name)
        yield from words.judged(f"{key}.ssh", host.ssh, words.ssh_target)
        yield from words.judged(f"{key}.home", host.home, words.absolute_path)


def _surfaces(config: Config) -> Iterator[Found]:
    for name, surface in config.surfaces.items():
        key = dotted("surfaces", name)
        yield from surface_name(key, name)
        if name in config.sites:
            message = f"[{dotted('sites', name)}] is the surface of this name already; choose another."
            yield key, MISSING, message
        yield from words.judged_each(f"{key}.paths", surface.paths, words.tree_path_or_all)


def _holds(config: Config) -> Iterator[Found]:
    for at, hold in enumerate(config.hold):
        yield from words.judged_each(f"hold[{at}].paths", hold.paths, words.pattern)
        yield from words.judged(f"hold[{at}].reason", hold.reason, words.line)


def _agents(config: Config) -> Iterator[Found]:
    known = (*config.surface_paths(), ROOT)
    users: dict[str, str] = {site.user: dotted("sites", name) for name, site in config.sites.items() if site.user}
    keys: dict[str, str] = {}
    for name, agent in config.agents.items():
        key = dotted("agents", name)
        yield from words.judged_name(key, name, words.label)
        if name.casefold() == "librarian":
            yield key, MISSING, "The Librarian is nobody's agent; choose another name."
        yield from words.judged(f"{key}.owner", agent.owner, words.line)
        yield from _doors(key, agent)
        yield from _taken(f"{key}.unix_user", agent.unix_user, key, users)
        body = " ".join(agent.ssh_key.split()[:2]) if agent.ssh_key else None
        yield from _taken(f"{key}.ssh_key", body, key, keys)
        for at, surface in enumerate(agent.surfaces):
            if surface not in known:
                hint = did_you_mean(surface, known) or f" Known: {', '.join(known)}."
                yield f"{key}.surfaces[{at}]", surface, f"There is no such surface.{hint}"


def _doors(key: str, agent: Agent) -> Iterator[Found]:
    yield from words.judged(f"{key}.unix_user", agent.unix_user, words.unix_user)
    yield from words.judged(f"{key}.ssh_key", agent.ssh_key, words.ssh_key)


def _taken(key: str, identity: str | None, owner: str, owners: dict[str, str]) -> Iterator[Found]:
    """Two names behind one identity could not be told apart."""
    if identity is not None and owners.setdefault(identity, owner) != owner:
        yield key, identity, f"[{owners[identity]}] has it already; who pushes could not be told apart."
