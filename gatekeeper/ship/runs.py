"""How the sites are to run, from sites.toml; and the same as the last ship left it, which is the way back."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from gatekeeper.config.schema import Config, Health, Site
from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home
from gatekeeper.model import Oid, SiteName
from gatekeeper.repo.export import write_file
from gatekeeper.sites import remote, wire
from gatekeeper.sites.run import HealthCheck, Machine, SiteRun, Stamp


class Footing(Struct, frozen=True):
    """What a site's process was started with: the version that it was told, and the folder below releases/."""

    stamp: Stamp
    folder: str


class LivePlan(Struct, frozen=True):
    """What the sites run, or are about to: the version, the name of its folder below releases/, each site's run."""

    stamp: Stamp
    folder: str
    runs: tuple[SiteRun, ...]
    inputs: Mapping[str, str] = field(default_factory=dict)
    """For each site a digest of all that it is made of: content, build outputs, how it runs."""
    kept: Mapping[str, Footing] = field(default_factory=dict)
    """The sites that count as on this version with the process of an earlier one (`reload = "changed"`)."""
    tree: Oid | None = None
    """The tree in that folder; None in a plan that an earlier gatekeeper wrote."""

    def footing(self, site: str) -> Footing:
        """Return what the process of a site must show."""
        return self.kept.get(site, Footing(self.stamp, self.folder))

    @property
    def moved(self) -> tuple[str, ...]:
        """The sites that run from this version's own folder."""
        return tuple(run.name for run in self.runs if run.name not in self.kept)

    def keeping(self, before: "LivePlan | None") -> "LivePlan":
        """Return this plan with each process kept that would be started again as it is."""
        if before is None:
            return self
        had = {run.name: before.inputs.get(run.name) for run in before.runs if run.mode != "static"}
        same = (name for name, was in had.items() if was is not None and was == self.inputs.get(name))
        return replace(self, kept={name: before.footing(name) for name in same})

    def moving(self, sites: Collection[str]) -> "LivePlan":
        """Return this plan with these sites on its own version."""
        return replace(self, kept={name: footing for name, footing in self.kept.items() if name not in sites})


def runs(config: Config, home: Home, present: Callable[[str], bool]) -> tuple[SiteRun, ...]:
    """Return a run for each site whose path is `present`, its secrets in its environment.

    Raises GateError (501) for an env_file that cannot be read.
    """
    if config.gate.ship == "external":
        followed = repr((config.external, config.external.mirrors or config.mirror.urls))
        sites = ((name, site) for name, site in config.sites.items() if present(site.path))
        return tuple(_external(SiteName(name), site, home, followed) for name, site in sites)
    machines = machines_of(config)
    return tuple(
        run_of(
            SiteName(name),
            site,
            home,
            secrets=secrets(home.path / site.env_file) if site.env_file else {},
            host=machines[site.host] if site.host else None,
        )
        for name, site in config.sites.items()
        if present(site.path)
    )


def machines_of(config: Config) -> dict[str, Machine]:
    """Return the machines that sites.toml names besides this one."""
    return {name: Machine(name, host.ssh, Path(host.home)) for name, host in config.hosts.items()}


def resettled(plan: LivePlan, config: Config) -> LivePlan:
    """Return a plan with the sites whose user this machine has no more as sites.toml has them run now, or left out."""
    moved = {name: site.user for name, site in config.sites.items()}
    lost = {run.name for run in plan.runs if remote.is_gone(run.user)}
    there = (run for run in plan.runs if run.name not in lost or run.name in moved)
    return replace(plan, runs=tuple(replace(run, user=moved[run.name]) if run.name in lost else run for run in there))


def save(path: Path, plan: LivePlan) -> None:
    """Write a plan durably, for nobody else's eyes: it holds secrets."""
    write_file(path, msgspec.json.encode(plan, enc_hook=str), mode=0o600)


def load(path: Path) -> LivePlan | None:
    """Read a plan back, or None when there is none yet."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return msgspec.json.decode(content, type=LivePlan, dec_hook=wire.path)


def secrets(path: Path) -> dict[str, str]:
    """Read an env file: `NAME=value` lines, `#` comments, one pair of quotes round a value taken off.

    Raises GateError (501) naming the line, never its content.
    """
    try:
        return variables(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        said = getattr(problem, "strerror", None) or "it is not UTF-8 text"
        raise _unusable(f"The env_file {path} cannot be read: {said}.") from problem
    except ValueError as problem:
        raise _unusable(f"The env_file {path} cannot be used: {problem}.") from problem


def variables(text: str) -> dict[str, str]:
    """Take the lines of an env file apart. Raises ValueError naming the line, never its content."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        told = line.strip().removeprefix("export ")
        if not told or told.startswith("#"):
            continue
        name, equals, value = told.partition("=")
        if not equals or not name.strip().isidentifier():
            raise ValueError(f"line {number} is not of the form NAME=value")
        found[name.strip()] = _unquoted(value.strip())
    return found


def run_of(
    name: SiteName, site: Site, home: Home, *, secrets: Mapping[str, str], host: Machine | None = None
) -> SiteRun:
    """Return how one site runs, `secrets` added to its environment; on a host its paths are the host's."""
    cwd = (Home(host.home) if host else home).current / site.path
    return SiteRun(
        name=name,
        cwd=cwd,
        script=cwd / (site.script or ""),
        args=site.args,
        node_args=site.node_args,
        interpreter=site.interpreter,
        mode=site.mode,
        instances=site.instances,
        wait_ready=site.wait_ready,
        kill_timeout=site.kill_timeout,
        listen_timeout=site.listen_timeout,
        max_memory_restart=site.max_memory_restart,
        env={**site.env, **secrets},
        health=_health(site.health) if site.health else None,
        health_timeout=site.health_timeout,
        soak=site.soak,
        user=site.user,
        host=host,
    )


def home_of(run: SiteRun, home: Home) -> Home:
    """Return the home that a site's paths lie in: the gate's, or the one on its host."""
    return Home(run.host.home) if run.host else home


def _external(name: SiteName, site: Site, home: Home, followed: str) -> SiteRun:
    """Return a site that has no process here, and no secret: an engine runs it, and another engine is another run."""
    cwd = home.current / site.path
    return SiteRun(name=name, cwd=cwd, script=cwd, args=(followed,), mode="static", soak=0.0)


def _health(health: Health) -> HealthCheck:
    return HealthCheck(health.url, health.host, frozenset(health.status) or None, health.contains)


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


def _unusable(text: str) -> GateError:
    return GateError(text, code="GATE-501", exit=Exit.CONFIG)
