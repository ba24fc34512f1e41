"""A gate that ended here, because another has taken its place or nobody wants one: it runs, ships and accepts nothing.

`refs/gate/sealed` says so. Sites are not touched. A person may take the seal off, which is recorded.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.home import Home
from gatekeeper.librarian import doors, gates, opening
from gatekeeper.model import NO_OID, RELEASE, SEALED, SHIPPING, Actor, Oid
from gatekeeper.repo import create, edition, frozen, hooks
from gatekeeper.repo.frozen import Freeze
from gatekeeper.repo.git import Change
from gatekeeper.repo.lock import Lock

_PATIENCE = 60.0
_GLANCE = 0.05
_DEAD = 600.0
"""Seconds after which what a push has brought so far was left by one that was killed."""


@contextmanager
def held(home: Home) -> Iterator[Lock]:
    """Hold the lock, sealed or not, for what ends a gate or begins it again."""
    with opening.locked(home, sealed=True) as token:
        yield token


def seal(home: Home, token: Lock, *, by: Actor, reason: str) -> None:
    """Record the end, refuse pushes, and wait for those under way: when this returns, nothing comes any more.

    On a gate that is sealed already it records nothing. Raises GateError while a ship is unfinished.
    """
    with gates.opened(home, token) as (gate, _):
        if gate.git.resolve(SEALED) is None:
            _refuse_unfinished(gate)
            words = f"{' '.join(reason.split())} ({by.name})"
            commit = frozen.write(gate.signer, Freeze(words), at=gate.clock(), head="sealed")
            gate.ledger.move(Change(SEALED, NO_OID, commit))
            gate.ledger.record("sealed", words, actor=by, message=reason)
            gate.ledger.commit("sealed")
        doors.tell(gate)
    _wait_for_pushes(home.repo)


def unseal(home: Home, token: Lock, *, by: Actor, reason: str) -> bool:
    """Let the gate go on, recorded with the reason; False when it was not sealed."""
    with gates.opened(home, token) as (gate, _):
        commit = gate.git.resolve(SEALED)
        if commit is None:
            return False
        if edition.read(home) is None:  # `setup --leave` has made the repository an ordinary one
            create.configure(gate.git)
            (home.repo / "hooks").mkdir(exist_ok=True)
            hooks.install(home.path)
            edition.write(home)
            if gate.git.resolve(create.PLACEHOLDER) is None:
                gate.ledger.move(create.placeholder(Oid(gate.git.text("rev-parse", RELEASE))))
        gate.ledger.move(Change(SEALED, commit, NO_OID))
        gate.ledger.record("unsealed", reason, actor=by, message=reason)
        gate.ledger.commit("unsealed")
        doors.tell(gate)
    return True


def _refuse_unfinished(gate: Gate) -> None:
    if gate.git.resolve(SHIPPING) is not None:
        raise GateError("A ship is not finished here, so the gate was not sealed.", hints=("gatekeeper tick",))


def _wait_for_pushes(repository: Path) -> None:
    """Wait until no push brings objects any more: what has passed the hook before the seal still comes in."""
    deadline = time.monotonic() + _PATIENCE
    while _incoming(repository / "objects"):
        if time.monotonic() >= deadline:
            raise GateError(
                "The gate is sealed, and a push from before is still under way.", hints=("The same command again.",)
            )
        time.sleep(_GLANCE)


def _incoming(objects: Path) -> bool:
    now = time.time()
    folders = (*objects.glob("incoming-*"), *objects.glob("tmp_objdir-incoming-*"))
    return any(now - folder.stat().st_mtime < _DEAD for folder in folders if folder.exists())
