"""The words of the gate as frozen values. Imports nothing of the package, reads nothing, decides nothing."""

from enum import StrEnum
from typing import NewType

from msgspec import Struct, field

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
INTERRUPTED = "refs/gate/interrupted/"
FROZEN = Ref("refs/gate/frozen")
SEALED = Ref("refs/gate/sealed")
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


class Actor(Struct, frozen=True):
    """Who did something, and how sure that is."""

    name: str
    assurance: Assurance = Assurance.CLAIMED
    role: str = "agent"


class Reason(Struct, frozen=True):
    """Why a request does not move: a stable code, one full sentence, and what helps, as commands."""

    code: str
    text: str
    next: tuple[Argv, ...] = ()


class Ask(Struct, frozen=True):
    """What a tip asks for: its trailers with the defaults filled in."""

    surfaces: tuple[SurfaceName, ...]
    intent: str
    artifact: str
    bump: str = "patch"
    urgency: str | None = None
    depends_on: RequestId | None = None
    try_only: bool = False


class Request(Struct, frozen=True):
    """One open attempt: the tip that the Librarian saw first, and its place in the order."""

    id: RequestId
    tip: Oid
    attempt: int
    sequence: int
    agent: Actor
    ask: Ask
    filed_at: str


class Result(Struct, frozen=True):
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
    approval: str | None = None
    """The digest of the held content that a person approved for this tip."""
    ahead: str | None = None
    """When a person put this tip to the head of the queue."""


class Release(Struct, frozen=True):
    """What `release` holds; without a version it is imported, not live."""

    version: Version | None
    commit: Oid
    tree: Oid


class Decision(Struct, frozen=True):
    """What a person asked for: written down durably before it is carried out; `args` are the verb's own words."""

    key: str
    verb: str
    actor: Actor
    at: str
    message: str = ""
    id: RequestId | None = None
    args: dict[str, str] = field(default_factory=dict)


class Kind(StrEnum):
    """What a job is: something that makes output, something that judges, or a site started for a moment."""

    BUILD = "build"
    CHECK = "check"
    BOOT = "boot"


class JobName(Struct, frozen=True):
    """Which job, whatever the tree: its kind, the operator's name for it, and the site when it is one a site."""

    kind: Kind
    name: str
    site: SiteName | None = None

    def __str__(self) -> str:
        return f"{self.name} of {self.site}" if self.site else self.name


class Job(Struct, frozen=True):
    """A job on one tree. `key` is a digest of all that its verdict can depend on: equal keys, equal verdicts."""

    name: JobName
    key: str
    definition: str
    """The digest of what the operator defined, without the tree."""
    needs: tuple[str, ...] = ()
    """Keys of the builds that must run first: until then `key` stands for what is known of its inputs."""


class Outcome(StrEnum):
    """What a job said."""

    PASSED = "passed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"


class Verdict(Struct, frozen=True):
    """What one job said about its inputs; `log` names the kept output, `excerpt` is its end."""

    key: str
    job: str
    outcome: Outcome
    at: str
    seconds: float
    sandbox: str
    log: str = ""
    excerpt: str = ""
    output: str = ""
    """For a build: the digest of what it left."""
    flaky: bool = False
    """It said something else before."""
    runs: int = 1
    """How often this was said of this key: a failure counts from the second time on."""


class Stage(Struct, frozen=True):
    """A train up to one request: what `release` would be with it and all ahead of it. The first stage is `release`."""

    request: Request | None
    commit: Oid
    tree: Oid
    builds: tuple[Job, ...] = ()
    checks: tuple[Job, ...] = ()
