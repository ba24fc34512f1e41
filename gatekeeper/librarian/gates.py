"""Puts an opened gate together: what is in force, the repository, the sites. Light: whoever looks waits for it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from gatekeeper.config import standing
from gatekeeper.config.digest import digest
from gatekeeper.config.force import in_force
from gatekeeper.config.problems import ConfigProblems
from gatekeeper.config.schema import Config
from gatekeeper.gate import Gate
from gatekeeper.home import Home
from gatekeeper.repo import spool
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import Clock, Ledger
from gatekeeper.repo.lock import Lock
from gatekeeper.repo.sign import Signer
from gatekeeper.ship import adoption, runs
from gatekeeper.ship.here import Here
from gatekeeper.ship.target import Target
from gatekeeper.sites import ecosystem
from gatekeeper.sites.fleet import Fleet
from gatekeeper.sites.pm2 import Pm2
from gatekeeper.sites.run import Machine
from gatekeeper.sites.target import LocalTarget


@contextmanager
def opened(home: Home, held: Lock, *, clock: Clock = time.time) -> Iterator[tuple[Gate, ConfigProblems | None]]:
    """Yield the gate, and what is wrong with sites.toml. Raises ConfigProblems when no valid one was ever seen.

    Whoever only reads has no place for trial merges: those of a Librarian are its own, so they go to the repository.
    """
    force = in_force(home)
    apart = home.trial if held.fd >= 0 else None
    if apart is not None:
        apart.mkdir(mode=0o700, exist_ok=True)
    with Git(home.repo) as git, Git(home.repo, apart=apart) as trial:
        signer = Signer(git, home.key)
        mode = standing.mode(home, force.config)
        ledger = Ledger(git, signer, held, clock, mode)
        policy = _Policy(lambda: _compiled(git, force.config, mode, digest(force.text)))
        sites = target(home, force.config, asks=held.fd >= 0)
        yield Gate(home, force.config, policy, git, trial, signer, ledger, sites, clock), force.problems


@contextmanager
def for_reading(home: Home, *, clock: Clock = time.time) -> Iterator[Gate]:
    """Yield the gate without its lock: whatever tries to move a ref through it fails."""
    with opened(home, Lock(-1), clock=clock) as (gate, _):
        yield gate


def target(home: Home, config: Config, *, ours: Fleet | None = None, asks: bool = False) -> Target:
    """Return what the gate ships to; `ours` stands for this machine's sites where somebody is taking one over.

    An engine elsewhere is asked by whoever holds the lock alone: `asks`.
    """
    here = Here(home, ours or fleet(home, config))
    under_pm2 = _with_hosts(home, config, here)
    if config.gate.ship == "pm2":
        return under_pm2
    from gatekeeper.ship.external import External  # noqa: PLC0415 - most gates have none, and whoever looks waits

    return External(home, config, under_pm2, asks, lambda: spool.wish_to_abort(home.spool) is not None)


def _with_hosts(home: Home, config: Config, here: Here) -> Target:
    far = machines(home, config)
    if not far:
        return here
    from gatekeeper.hosts.host import Host  # noqa: PLC0415 - as above
    from gatekeeper.hosts.line import kept  # noqa: PLC0415
    from gatekeeper.hosts.together import Together  # noqa: PLC0415

    hosts = (Host(kept(home, one, config.pm2.command, config.pm2.home), home.builds, home.work) for one in far)
    return Together(here, tuple(hosts), frozenset(one.name for one in far) - config.hosts.keys())


def machines(home: Home, config: Config) -> list[Machine]:
    """Return the hosts that a site runs on, or is to run on; of one that moved, where sites.toml says it is now."""
    plans = (plan for plan in map(runs.load, (home.live_plan, home.next_plan)) if plan)
    had = {run.host.name: run.host for plan in plans for run in plan.runs if run.host}
    named = runs.machines_of(config)
    wanted = {site.host: named[site.host] for site in config.sites.values() if site.host}
    return [*({**had, **named, **wanted}[name] for name in sorted({*had, *wanted}))]


def fleet(home: Home, config: Config) -> Fleet:
    """Return this machine's sites."""
    pm2_home = home.path / config.pm2.home
    local = LocalTarget(Pm2.at(config.pm2.command, pm2_home), home.current, pm2_home / ecosystem.FILE)
    return Fleet(local, home.sites, home.data, adoption.elsewhere(home))


def _compiled(git: Git, config: Config, mode: standing.Mode, source: str) -> Mapping[str, Any]:
    from gatekeeper.librarian import doors  # noqa: PLC0415 - its templates take longer than all that `status` reads

    return doors.compiled(git, config, mode=mode, source=source)


class _Policy(Mapping[str, Any]):
    """What the hooks judge by, compiled when it is first asked for."""

    def __init__(self, compile_it: Callable[[], Mapping[str, Any]]) -> None:
        self._compile = compile_it

    @cached_property
    def _made(self) -> Mapping[str, Any]:
        return self._compile()

    def __getitem__(self, key: str) -> Any:
        return self._made[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)
