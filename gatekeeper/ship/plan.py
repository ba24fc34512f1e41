"""The write-ahead of a ship: the commit that refs/gate/shipping points to. One codec writes and reads it."""

from enum import StrEnum

import msgspec
from msgspec import Struct

from gatekeeper.model import NO_OID, SHIPPING, Oid, Ref, RequestId, Version
from gatekeeper.repo.git import Change, Git
from gatekeeper.repo.ledger import EMPTY_TREE
from gatekeeper.repo.sign import Signer

FORMAT = 1


class Phase(StrEnum):
    """Before the commit point a start goes back; from it on, forward."""

    CANDIDATE = "candidate"
    PUBLISH = "publish"


class Cause(StrEnum):
    """Why the sites get a release."""

    START = "start"
    TRAIN = "train"
    ROLLBACK = "rollback"
    RECONFIGURE = "reconfigure"


class Landing(Struct, frozen=True):
    """A request of the train, and the tip of it that is in the candidate."""

    id: RequestId
    tip: Oid


class Move(Struct, frozen=True):
    """A ref, what it must hold, what it will hold."""

    ref: str
    old: str
    new: str


class Plan(Struct, frozen=True):
    """A ship under way; `moves` is empty before the commit point."""

    phase: Phase
    cause: Cause
    version: Version
    candidate: Oid
    tree: Oid
    landings: tuple[Landing, ...]
    moves: tuple[Move, ...] = ()
    format: int = FORMAT

    @property
    def changes(self) -> tuple[Change, ...]:
        """The moves that publish it, in their order."""
        return tuple(Change(Ref(m.ref), Oid(m.old), Oid(m.new)) for m in self.moves)


def write(signer: Signer, plan: Plan, *, at: float) -> Oid:
    """Write the plan as a commit whose parent is the candidate, so that nothing prunes it."""
    body = msgspec.json.format(msgspec.json.encode(plan), indent=1).decode()
    message = f"shipping {plan.version}: {plan.phase}\n\n{body}\n"
    return signer.commit(tree=EMPTY_TREE, parents=(plan.candidate,), message=message, at=at, signed=False)


def read(git: Git, oid: Oid) -> Plan:
    """Read a plan back; msgspec.DecodeError when it is something else."""
    message = git.read(oid).split(b"\n\n", 1)[1]
    return msgspec.json.decode(message.split(b"\n\n", 1)[1], type=Plan)


def begin(oid: Oid) -> Change:
    """Return the move that starts a ship."""
    return Change(SHIPPING, NO_OID, oid)


def finish(oid: Oid) -> Change:
    """Return the move that ends it."""
    return Change(SHIPPING, oid, NO_OID)
