"""The words of the gate as frozen values. Imports nothing of the package, reads nothing, decides nothing."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

Oid = NewType("Oid", str)
Ref = NewType("Ref", str)
RequestId = NewType("RequestId", str)
SiteName = NewType("SiteName", str)
SurfaceName = NewType("SurfaceName", str)
Version = NewType("Version", str)
"""With its leading v: `v1.4.2`."""

Argv = tuple[str, ...]

RELEASE = Ref("refs/heads/release")
REQUESTS = "refs/heads/request/"
TAGS = "refs/tags/"
LOG = Ref("refs/gate/log")
RESULTS = "refs/gate/results/"
KEEP = "refs/gate/keep/"
SHIPPING = Ref("refs/gate/shipping")
BAD = "refs/gate/bad/"
FROZEN = Ref("refs/gate/frozen")
VERDICTS = Ref("refs/gate/verdicts")

NO_OID = Oid("0" * 40)


class State(StrEnum):
    """Where a request stands; the first six are open, the rest final."""

    QUEUED = "queued"
    VERIFYING = "verifying"
    VERIFIED = "verified"
    SHIPPING = "shipping"
    HELD = "held"
    BLOCKED = "blocked"
    SHIPPED = "shipped"
    ROLLED_BACK = "rolled_back"
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def final(self) -> bool:
        """True when nothing that the gate does by itself changes it any more."""
        return self in _FINAL


_FINAL = frozenset({State.SHIPPED, State.ROLLED_BACK, State.WITHDRAWN, State.REJECTED, State.EXPIRED})


class Assurance(StrEnum):
    """How sure it is who pushed: told by the kernel, by an SSH key, or only claimed."""

    KERNEL = "kernel"
    KEY = "key"
    CLAIMED = "claimed"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something, and how sure that is."""

    name: str
    assurance: Assurance = Assurance.CLAIMED
    role: str = "agent"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a request does not move: a stable code, one full sentence, and what helps, as commands."""

    code: str
    text: str
    next: tuple[Argv, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """What a tip asks for: its trailers with the defaults filled in."""

    surfaces: tuple[SurfaceName, ...]
    intent: str
    artifact: str
    bump: str = "patch"
    urgency: str | None = None
    depends_on: RequestId | None = None
    try_only: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One open attempt: the tip that the Librarian saw first, and its place in the order."""

    id: RequestId
    tip: Oid
    attempt: int
    sequence: int
    agent: Actor
    ask: Ask
    filed_at: str


@dataclass(frozen=True, slots=True)
class Result:
    """The whole present state of a request, as `refs/gate/results/<id>` holds it."""

    id: RequestId
    tip: Oid
    attempt: int
    state: State
    agent: Actor
    ask: Ask
    sequence: int
    filed_at: str
    updated_at: str
    reason: Reason | None = None
    rests_on: dict[str, str] = field(default_factory=dict)
    """What a block lapses with when it changes: names to oids or digests."""
    version: Version | None = None
    not_before: str | None = None
    """The instant before which nothing can change, when one is known."""


@dataclass(frozen=True, slots=True)
class Release:
    """A candidate that went live: its version, commit and tree, and when."""

    version: Version | None
    commit: Oid
    tree: Oid
    shipped_at: str | None = None
