"""Readies a gate for its one writer: takes the lock, and clears away or brings to an end what a dead one left."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gatekeeper.config import standing
from gatekeeper.config.digest import digest
from gatekeeper.config.force import in_force
from gatekeeper.config.public import without_secrets
from gatekeeper.config.written import as_toml
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.home import Home
from gatekeeper.librarian import doing, doors, gates, upgrading
from gatekeeper.model import SEALED, SHIPPING
from gatekeeper.repo import edition, frozen, lock, rotation
from gatekeeper.repo.export import remove, write_file
from gatekeeper.repo.git import Git
from gatekeeper.repo.lock import Lock
from gatekeeper.ship import protocol
from gatekeeper.verify import own_user


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
    with gates.opened(home, held) as (gate, _):
        doors.tell(gate)
    raise GateError(
        f"This gate was sealed at {seal.since}: {seal.reason}. It runs nothing, ships nothing and takes nothing.",
        code="GATE-408",
        hints=("gatekeeper thaw --unseal -m WHY   (only when no other gate has taken its place)",),
    )
