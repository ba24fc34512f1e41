"""What must hold for each site, and between sites."""

from collections.abc import Iterator
from itertools import combinations

from gatekeeper.config import words
from gatekeeper.config.problems import MISSING, Found, did_you_mean, dotted
from gatekeeper.config.schema import Config, Health, Site
from gatekeeper.policy.surfaces import ROOT

_OF_A_PROCESS = (
    "script",
    "args",
    "node_args",
    "interpreter",
    "instances",
    "wait_ready",
    "max_memory_restart",
    "env_file",
    "user",
)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def site_rules(config: Config) -> Iterator[Found]:
    """Yield every rule that a site breaks."""
    if not config.sites:
        yield "sites", MISSING, 'It names no site. Add one: [sites.shop] with path = "sites/shop" and its script.'
    for name, site in config.sites.items():
        key = dotted("sites", name)
        yield from surface_name(key, name)
        yield from _places(key, site)
        yield from _process(key, site)
        yield from _environment(key, site)
        yield from _health(key, site.health)
        yield from _host(key, site.host, config)
    yield from _users(config.sites)
    yield from _ports(config.sites)
    yield from _shared_data(config.sites)


def surface_name(key: str, name: str) -> Iterator[Found]:
    """Yield what is wrong with the name of a site or a surface."""
    yield from words.judged_name(key, name, words.name)
    if name == ROOT:
        yield key, MISSING, f'"{ROOT}" is the surface of all that no other holds; choose another name.'


def _places(key: str, site: Site) -> Iterator[Found]:
    yield from words.judged(f"{key}.path", site.path, words.tree_path_or_all)
    yield from words.judged(f"{key}.script", site.script, words.tree_path)
    yield from words.judged(f"{key}.env_file", site.env_file, words.gate_path)
    for option, paths in (
        ("uses", site.uses),
        ("data", site.data),
        ("writable", site.writable),
        ("migrate_paths", site.migrate_paths),
    ):
        yield from words.judged_each(f"{key}.{option}", paths, words.tree_path)
    for one, other in combinations((*site.data, *site.writable), 2):
        if one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/"):
            yield f"{key}.data", [one, other], f'"{one}" and "{other}" of data and writable must not overlap.'


def _process(key: str, site: Site) -> Iterator[Found]:
    if site.mode == "static":
        defaults = Site(path=site.path)
        given = [option for option in _OF_A_PROCESS if getattr(site, option) != getattr(defaults, option)]
        for option in given:
            message = 'A site with mode = "static" has no process. Remove this, or change the mode.'
            yield f"{key}.{option}", getattr(site, option), message
    elif site.script is None:
        yield f"{key}.script", MISSING, 'It is missing. Name what pm2 starts, or set mode = "static".'
    if site.mode == "cluster" and site.interpreter not in (None, "node") and not _is_node(site.interpreter):
        message = 'pm2\'s cluster mode runs Node only. Set mode = "fork" for another interpreter.'
        yield f"{key}.interpreter", site.interpreter, message
    yield from words.judged(f"{key}.user", site.user, words.unix_user)
    yield from words.judged_command(f"{key}.migrate", site.migrate)
    if bool(site.migrate) != bool(site.migrate_paths):
        missing, other = ("migrate_paths", "migrate") if site.migrate else ("migrate", "migrate_paths")
        yield f"{key}.{missing}", MISSING, f"It is missing. Without it {other} has no effect."


def _is_node(interpreter: str | None) -> bool:
    return interpreter is not None and interpreter.rpartition("/")[2] == "node"


def _environment(key: str, site: Site) -> Iterator[Found]:
    yield from words.judged_variables(f"{key}.env", site.env)
    yield from words.judged_variables(f"{key}.boot_env", site.boot_env)
    port = site.env.get("PORT")
    if port is not None and port.isdecimal() and not 0 < int(port) < 65536:
        yield f"{key}.env.PORT", port, "A port is a number from 1 to 65535."


def _health(key: str, health: Health | None) -> Iterator[Found]:
    if health is not None:
        yield from words.judged(f"{key}.health", health.url, words.address)
        yield from words.judged(f"{key}.health.host", health.host, words.host_header)


def _host(key: str, host: str | None, config: Config) -> Iterator[Found]:
    if host is not None and host not in config.hosts:
        hint = did_you_mean(host, config.hosts) or " Leave it out for this machine, or add [hosts.…]."
        yield f"{key}.host", host, f"There is no [{dotted('hosts', host)}].{hint}"


def _users(sites: dict[str, Site]) -> Iterator[Found]:
    """What runs as one user can read and stop each other: a site, and all the more the gate, has its own."""
    owners: dict[str, str] = {}
    for name, site in sites.items():
        if site.user is None:
            continue
        key, first = f"{dotted('sites', name)}.user", owners.setdefault(site.user, name)
        if first != name:
            yield key, site.user, f"[{dotted('sites', first)}] runs as it already; give each site a user of its own."
        if site.user == "gatekeeper" or site.user.startswith("gatekeeper-"):
            yield key, site.user, "Users of that name are the Librarians'; give the site one of its own."


def _ports(sites: dict[str, Site]) -> Iterator[Found]:
    """Two sites of one machine cannot listen on one port: the second would fail, or answer for the first."""
    taken: dict[tuple[str | None, int], str] = {}
    for name, site in sites.items():
        for option, port in _listens_on(site).items():
            first = taken.setdefault((site.host, port), name)
            if first != name:
                key = f"{dotted('sites', name)}.{option}"
                yield key, port, f"Port {port} is already that of [{dotted('sites', first)}] on the same machine."


def _listens_on(site: Site) -> dict[str, int]:
    """Return the site's ports by the option that says so; a health address with a Host header is a proxy's."""
    ports: dict[str, int] = {}
    if site.mode == "static":
        return ports
    told = site.env.get("PORT", "")
    if told.isdecimal():
        ports["env.PORT"] = int(told)
    parts = words.split_address(site.health.url) if site.health and site.health.host is None else None
    if parts is not None and parts.hostname in _LOOPBACK:
        asked = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
        if asked not in ports.values():
            ports["health"] = asked
    return ports


def _shared_data(sites: dict[str, Site]) -> Iterator[Found]:
    """Two sites may share a path; a folder in it can be a link to the data of only one of them."""
    owners: dict[tuple[str, str], str] = {}
    for name, site in sites.items():
        for folder in site.data:
            first = owners.setdefault((site.path, folder), name)
            if first != name:
                message = f"[{dotted('sites', first)}] has the same path and already keeps this folder."
                yield f"{dotted('sites', name)}.data", folder, message
