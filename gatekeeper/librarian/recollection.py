"""What one heartbeat remembers, so that it need not find it out twice. Only `memory` outlives the heartbeat."""

from msgspec import Struct, field

from gatekeeper.gate import Gate
from gatekeeper.librarian.memory import Memory
from gatekeeper.model import Oid, RequestId
from gatekeeper.policy.scene import Red, Suspect
from gatekeeper.repo.spool import Entry
from gatekeeper.verify import jobs, toolchain
from gatekeeper.verify.jobs import Ground, Work


class Recollection(Struct):
    """Facts that were looked up, and what goes on at this moment."""

    memory: Memory = field(default_factory=Memory)
    entries: dict[str, Entry] = field(default_factory=dict)
    """Of the spool, by file: nobody writes to one that is there."""
    toolchain: str | None = None
    grounds: dict[Oid, Ground] = field(default_factory=dict)
    """What keys rest on, by tree."""
    builds: dict[Oid, tuple[Work, ...]] = field(default_factory=dict)
    """Of each tree: sites.toml is read once a heartbeat."""
    checks: dict[tuple[Oid, tuple[tuple[str, str], ...]], tuple[Work, ...]] = field(default_factory=dict)
    """Of each tree, by what its builds left so far: pairs of key and digest, in the order of the keys."""
    works: dict[str, tuple[Work, Oid]] = field(default_factory=dict)
    """Every job seen, by key, and a tree to run it on."""
    running: dict[str, float] = field(default_factory=dict)
    """Keys of the jobs that run, and since when."""
    asked: set[str] = field(default_factory=set)
    """Keys of the jobs that said something in this heartbeat."""
    flakes: float | None = None
    """The share of runs that failed for no reason, of late."""
    red: dict[Oid, tuple[Red, ...]] = field(default_factory=dict)
    """By release: its own jobs that fail. They are asked while something is to be verified, and told at the end."""
    suspects: tuple[Suspect, ...] = ()
    """Requests that failed once, and the state they failed in: without this they would only be verified anew."""
    barred: set[str] = field(default_factory=set)
    """Keys of jobs that no worker could be asked for: the next heartbeat tries again."""
    swept: set[RequestId] = field(default_factory=set)
    """Refs that were to be deleted: tried once a heartbeat."""
    looked_after: bool = False
    """Sites that ail are brought back once a heartbeat, not again and again."""


def ground(gate: Gate, tree: Oid, mind: Recollection) -> Ground:
    """Return what the keys of a tree's jobs rest on."""
    if mind.toolchain is None:
        mind.toolchain = toolchain.measured(gate.config.verify.toolchain)
    if tree not in mind.grounds:
        oids = mind.memory.places_in(gate.trial, tree, _named(gate))
        mind.grounds[tree] = Ground({**oids, jobs.WHOLE: tree}, mind.toolchain, gate.config.verify.sandbox)
    return mind.grounds[tree]


def ground_of(gate: Gate, tree: Oid) -> Ground:
    """Return which of the paths that jobs name a tree holds; it knows no toolchain."""
    oids = Memory().places_in(gate.trial, tree, _named(gate))
    return Ground({**oids, jobs.WHOLE: tree}, "", gate.config.verify.sandbox)


def _named(gate: Gate) -> tuple[str, ...]:
    return tuple(path for path in jobs.paths_of(gate.config) if path != jobs.WHOLE)
