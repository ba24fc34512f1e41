"""Opens a gate for writing: takes the lock, loads what is in force, clears what a dead Librarian left behind."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gatekeeper.config import standing
from gatekeeper.config.digest import digest
from gatekeeper.config.force import in_force
from gatekeeper.config.problems import ConfigProblems
from gatekeeper.config.public import without_secrets
from gatekeeper.config.schema import Config
from gatekeeper.config.written import as_toml
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.home import Home
from gatekeeper.hosts.host import Host
from gatekeeper.hosts.line import kept
from gatekeeper.hosts.together import Together
from gatekeeper.librarian import doing, doors, upgrading
from gatekeeper.model import SEALED, SHIPPING
from gatekeeper.repo import edition, frozen, lock, rotation, spool
from gatekeeper.repo.export import remove, write_file
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import Clock, Ledger
from gatekeeper.repo.lock import Lock
from gatekeeper.repo.sign import Signer
from gatekeeper.ship import adoption, protocol, runs
from gatekeeper.ship.external import External
from gatekeeper.ship.here import Here
from gatekeeper.ship.target import Target
from gatekeeper.sites import ecosystem
from gatekeeper.sites.fleet import Fleet
from gatekeeper.sites.pm2 import Pm2
from gatekeeper.sites.run import Machine
from gatekeeper.sites.target import LocalTarget
from gatekeeper.verify import own_user


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
        policy = doors.compiled(git, force.config, mode=mode, source=digest(force.text))
        sites = target(home, force.config, asks=held.fd >= 0)
        yield Gate(home, force.config, policy, git, trial, signer, ledger, sites, clock), force.problems


@contextmanager
def for_reading(home: Home, *, clock: Clock = time.time) -> Iterator[Gate]:
    """Yield the gate without its lock: whatever tries to move a ref through it fails."""
    with opened(home, Lock(-1), clock=clock) as (gate, _):
        yield gate


def apply(gate: Gate) -> None:
    """Compile the configuration for the hooks, and record it when it is not the one that was in force before."""
    force = in_force(gate.home)
    text = force.text
    doors.write(gate.home, gate.git, gate.config, gate.policy)
    before = gate.home.applied_toml.read_text("utf-8") if gate.home.applied_toml.exists() else None
    if before != text:
        told: dict[str, Any] = {"digest": digest(text), "before": digest(before) if before else None}
        effective = as_toml(without_secrets(force.config))
        gate.ledger.record("configured", "sites.toml changed", effective=effective, **told)
        gate.ledger.commit("configured")
        write_file(gate.home.applied_toml, text.encode(), mode=0o600)


def clear_leftovers(home: Home) -> None:
    """Remove what only a Librarian that was killed can have left: the lock is ours, so nobody is using it."""
    lock.clear_own(home.repo)
    own_user.take_back(home.work)
    drafts = (*home.var.glob(".*.new"), *home.www.glob(".*.new"), *home.releases.glob(".new-*"))
    own = (path for name in ("index-*", "sign-*", "draft-*") for path in home.repo.glob(name))
    for left in (home.work, home.trial, *drafts, *home.builds.glob(".*"), *own):
        remove(left)
    for draft in home.current.parent.glob(".*.new"):
        draft.unlink()


def make_good(gate: Gate, tell: Callable[[str], None]) -> None:
    """Bring the ship that was under way to an end before anything is written: its plan names the log's old value.

    Only then is a home that another gatekeeper served made this one's.
    """
    lock.clear_shared(gate.home.repo, now=time.time())
    if rotation.settle(gate.home, gate.git):
        tell("recovered: the new signing key that was on record is in its place")
    if gate.git.resolve(SHIPPING) is not None:
        tell(f"recovered: {protocol.recover(gate)}")
    upgrading.upgrade(gate, tell)


def target(home: Home, config: Config, *, ours: Fleet | None = None, asks: bool = False) -> Target:
    """Return what the gate ships to; `ours` stands for this machine's sites where somebody is taking one over.

    An engine elsewhere is asked by whoever holds the lock alone: `asks`.
    """
    here = Here(home, ours or fleet(home, config))
    far = machines(home, config)
    hosts = (Host(kept(home, one, config.pm2.command, config.pm2.home), home.builds, home.work) for one in far)
    leaving = frozenset(one.name for one in far) - config.hosts.keys()
    under_pm2 = Together(here, tuple(hosts), leaving) if far else here
    if config.gate.ship == "pm2":
        return under_pm2
    return External(home, config, under_pm2, asks, lambda: spool.wish_to_abort(home.spool) is not None)


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


@contextmanager
def locked(home: Home, *, sealed: bool = False) -> Iterator[Lock]:
    """Hold the gate's lock, with what a dead holder left cleared away; GateError (408) for a sealed gate."""
    standing.refuse_root(home)
    edition.refuse_newer(home)
    with lock.hold(home.path) as held, doing.kept(home):
        clear_leftovers(home)
        if not sealed:
            refuse_sealed(home, held)
        yield held


def refuse_sealed(home: Home, held: Lock) -> None:
    """Raise GateError (408) for a gate that has ended, and see that its doors say so too."""
    with Git(home.repo) as git:
        if (commit := git.resolve(SEALED)) is None:
            return
        seal = frozen.read(git, commit)
    with opened(home, held) as (gate, _):
        doors.tell(gate)
    raise GateError(
        f"This gate was sealed at {seal.since}: {seal.reason}. It runs nothing, ships nothing and takes nothing.",
        code="GATE-408",
        hints=("gatekeeper thaw --unseal -m WHY   (only when no other gate has taken its place)",),
    )
