"""What a plan is made from, and what it may say. Values only."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from msgspec import Struct, field

from gatekeeper.model import Job, Oid, Request, Stage, Verdict
from gatekeeper.policy.line import Verdicts

Make = Callable[[tuple[Request, ...]], tuple[Stage, ...]]
"""Merges requests in their order onto `release`, which is the first stage; one that no longer merges is left out."""


class Run(Struct, frozen=True):
    """A job to run on a stage."""

    stage: Stage
    job: Job


class Suspect(Struct, frozen=True):
    """A request whose state failed once right behind one that passes: `behind` are those it may only fail with."""

    request: Request
    run: Run
    before: Run | None
    """The job on the state just before; None when it has nothing to look at there."""
    behind: tuple[Request, ...]
    since: float
    among: tuple[tuple[Request, ...], ...] = ()
    """For each longer state that failed too: who else was in it."""


class Guilty(Struct, frozen=True):
    """The state just before this request passes the job (or is as red, and it leaves it red); with it, it fails."""

    request: Request
    job: Job
    verdict: Verdict
    behind: tuple[Request, ...]


class Red(Struct, frozen=True):
    """A job that fails on `release` itself."""

    job: Job
    verdict: Verdict


class Ready(Struct, frozen=True):
    """These stages may ship; `red` are jobs that fail on `release` too and that no request of the train touched."""

    stages: tuple[Stage, ...]
    verdicts: tuple[Verdict, ...]
    red: tuple[Verdict, ...] = ()


class Scene(Struct, frozen=True):
    """All that a plan is made from. Of late, `odds` of the requests were bad, and `flakes` of the runs lied."""

    queue: tuple[Request, ...]
    make: Make
    verdicts: Verdicts
    running: Mapping[str, float] = field(default_factory=dict)
    """Keys that are being verified, and since when."""
    slots: int = 1
    max_train: int = 8
    odds: float = 0.05
    flakes: float = 0.005
    live: bool = True
    now: float = 0.0
    suspects: tuple[Suspect, ...] = ()
    landed: AbstractSet[Oid] = frozenset()
    """The tips that went live, of late."""
    closed: bool = False
    """Nothing may land for now: the gate is frozen, or outside its ship windows."""
    doubted: frozenset[str] = frozenset()
    """Keys that are red on `release`, and not asked again in this heartbeat yet."""
    barred: AbstractSet[str] = frozenset()
    """Keys that cannot be verified for now: nothing is started for them, and nothing is thought of them."""


class Plan(Struct, frozen=True):
    """Everything that the moment calls for; `suspects` are to be shown again with the next scene."""

    start: tuple[Run, ...] = ()
    cancel: frozenset[str] = frozenset()
    guilty: Guilty | None = None
    ready: Ready | None = None
    tried: Request | None = None
    red: tuple[Red, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    line: tuple[Request, ...] = ()
    """Who is being verified."""
    settled: bool = True
    """Every job of `release` is known to pass or to fail."""
    running: bool = False
    """Something goes on that will say more."""
