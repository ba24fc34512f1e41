"""Which jobs a tree needs, and the key of each: a digest of everything that its verdict can depend on."""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from gatekeeper.config.digest import digest
from gatekeeper.config.schema import Build, Check, Config, Site
from gatekeeper.model import Argv, Job, JobName, Kind, Oid, SiteName

BOOT = "boot"
WHOLE = "."
NO_SANDBOX = "none"
"""Without a network of its own a site cannot have its port while it is live: there is no boot check then."""


class Work(Struct, frozen=True):
    """A job with what it takes to run it. `paths`, `cwd` and `outputs` are relative to the tree's root."""

    job: Job
    paths: tuple[str, ...]
    cwd: str
    run: Argv
    env: Mapping[str, str]
    timeout: float
    network: bool = False
    outputs: tuple[str, ...] = ()
    mounts: tuple[tuple[str, str], ...] = ()
    """Build outputs that it sees: (path in the tree, key of the build that left it)."""
    site: Site | None = None


class Ground(Struct, frozen=True):
    """What all keys of one tree rest on: the oid of each path that any job names, the toolchain, the sandbox kind."""

    oids: Mapping[str, Oid]
    toolchain: str
    sandbox: str

    def has(self, path: str) -> bool:
        """Return whether the tree holds `path`."""
        return path == WHOLE or path in self.oids


def paths_of(config: Config) -> tuple[str, ...]:
    """Return every path whose oid a key may need, without doubles."""
    sites = (path for site in config.sites.values() for path in (site.path, *site.uses))
    builds = (path for build in config.builds for path in build.paths)
    checks = (path for check in config.checks for path in check.paths)
    return tuple(dict.fromkeys((*sites, *builds, *checks)))


def present(config: Config, ground: Ground) -> dict[str, Site]:
    """Return the sites whose path is in the tree; the others are absent: not started, not counted."""
    return {name: site for name, site in config.sites.items() if ground.has(site.path)}


def builds(config: Config, ground: Ground) -> tuple[Work, ...]:
    """Return the builds of this tree, in the order of the file; one that would see nothing of it is none of its builds.

    A check that would see nothing is run all the same: it must not be possible to delete one's way past it.
    """
    here = (build for build in config.builds if build.per_site or any(map(ground.has, build.paths)))
    return tuple(work for build in here for work in _spread(build, Kind.BUILD, config, ground, ()))


def checks(config: Config, ground: Ground, built: Mapping[str, str], made: Iterable[Work]) -> tuple[Work, ...]:
    """Return the checks and boots of this tree. `built` maps the keys of its builds to their outputs' digests.

    A job that sees the output of a build which is not in `built` needs that build, and has a key of its own till then.
    """
    left = tuple((output, work.job.key, built.get(work.job.key)) for work in made for output in work.outputs)
    own = tuple(work for check in config.checks for work in _spread(check, Kind.CHECK, config, ground, left))
    boots = tuple(
        _boot(SiteName(name), site, ground, left)
        for name, site in present(config, ground).items()
        if site.boot_check and site.mode != "static" and ground.sandbox != NO_SANDBOX
    )
    return own + boots


def definitions(config: Config) -> dict[str, str]:
    """Return the definition of every job that the operator wrote, by the job's name: what a block may rest on."""
    everywhere = Ground({path: Oid("") for path in paths_of(config)}, "", "")
    made = builds(config, everywhere)
    known = (*made, *checks(config, everywhere, {work.job.key: "" for work in made}, made))
    return {str(work.job.name): work.job.definition for work in known}


_Left = tuple[tuple[str, str, str | None], ...]


def _spread(spec: Build | Check, kind: Kind, config: Config, ground: Ground, left: _Left) -> Iterable[Work]:
    """One job, or one for each site that is in the tree."""
    if not spec.per_site:
        yield _work(spec, JobName(kind, spec.name), _rooted("", spec.cwd), spec.paths, ground, left)
        return
    for name, site in present(config, ground).items():
        job = JobName(kind, spec.name, SiteName(name))
        yield _work(spec, job, _rooted(site.path, spec.cwd), (site.path, *site.uses), ground, left)


def _work(spec: Build | Check, name: JobName, cwd: str, paths: tuple[str, ...], ground: Ground, left: _Left) -> Work:
    seen = _seen(paths, left)
    definition = digest({"name": str(name), "kind": name.kind, "cwd": cwd, "spec": msgspec.to_builtins(spec)})
    return Work(
        job=Job(name, _key(definition, paths, ground, seen), definition, _needs(seen)),
        paths=paths,
        cwd=cwd,
        run=spec.run,
        env=spec.env,
        timeout=spec.timeout,
        network=isinstance(spec, Build) and spec.network,
        outputs=tuple(_rooted(cwd, output) for output in spec.outputs) if isinstance(spec, Build) else (),
        mounts=tuple((output, key) for output, key, _ in seen),
    )


def _boot(name: SiteName, site: Site, ground: Ground, left: _Left) -> Work:
    paths = (site.path, *site.uses)
    seen = _seen(paths, left)
    definition = digest({"name": name, "kind": Kind.BOOT, "spec": msgspec.to_builtins(site)})
    return Work(
        job=Job(JobName(Kind.BOOT, BOOT, name), _key(definition, paths, ground, seen), definition, _needs(seen)),
        paths=paths,
        cwd=site.path,
        run=(),
        env={**site.env, **site.boot_env},
        timeout=site.health_timeout,
        mounts=tuple((output, key) for output, key, _ in seen),
        site=site,
    )


def _seen(paths: tuple[str, ...], left: _Left) -> _Left:
    return tuple(entry for entry in left if any(within(entry[0], path) for path in paths))


def within(path: str, folder: str) -> bool:
    """Return whether `path` is `folder` or lies below it."""
    return folder in (WHOLE, path) or path.startswith(folder + "/")


def _key(definition: str, paths: tuple[str, ...], ground: Ground, seen: _Left) -> str:
    inputs = {path: ground.oids.get(path) for path in paths}
    outputs = {path: output or f"what build {key} will leave" for path, key, output in seen}
    return digest([definition, inputs, outputs, ground.toolchain, ground.sandbox])


def _needs(seen: _Left) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for _, key, output in seen if output is None))


def _rooted(base: str, path: str) -> str:
    parts = [part for part in (base, path) if part not in ("", WHOLE)]
    return "/".join(parts) or WHOLE
