"""What people and the clock ask of a gate: `status`, `log`, `show`, an empty heartbeat, and the audit once more.

Measured by what grows: open requests, versions, and, when all is asked for, objects in the repository. An empty
heartbeat is one of a Librarian that lives: it remembers the one before, and its page is written beside it.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from faults.crash import faulty_gate
from faults.many import at_work, lay
from gatehouse import Gatehouse

from benchmarks import audit, past
from benchmarks.figure import Figure, at_most, growth, in_turn
from benchmarks.figures.ship import timed
from gatekeeper.audit.remembered import Remembered
from gatekeeper.audit.verify import verify
from gatekeeper.librarian import loop
from gatekeeper.librarian.memory import Memory
from gatekeeper.librarian.telling import Telling
from gatekeeper.process import Cancel
from gatekeeper.repo import frozen
from gatekeeper.repo.frozen import Freeze
from gatekeeper.repo.git import Git

ROUNDS = 7
BEATS = 3
VERBS = ("status", "log", "show")
VERSIONS = (100, 1_000, 10_000)
AUDITED = (10, 100, 1_000)
OBJECTS = 1_000_000
Taken = Mapping[str, Sequence[float]]


def figures(*, full: bool) -> Iterator[Figure]:
    """Yield each ratio at the greatest size, and how it grows."""
    sizes = (100, 1_000, 10_000) if full else (10, 100, 1_000)
    yield from _grown("open requests", sizes, [_measured(partial(_queue, size=size)) for size in sizes])
    yield from _grown("versions", VERSIONS, [_measured(partial(_past, size=size)) for size in VERSIONS])
    if full:
        taken = _measured(_everything)
        what = f"empty heartbeat, {sizes[-1]:,} open requests, {VERSIONS[-1]:,} versions, {OBJECTS:,} objects"
        yield at_most(what, "one `git for-each-ref`", taken["beat"], taken["refs"], 3)
    yield growth("`audit verify` once more, versions", AUDITED, [_audited(size) for size in AUDITED])


def _grown(what: str, sizes: Sequence[int], rows: Sequence[Taken]) -> Iterator[Figure]:
    last, most = rows[-1], f"{sizes[-1]:,} {what}"
    for verb in VERBS:
        yield at_most(f"`{verb}`, {most}", "Python and an import of click", last[verb], last["click"], 2)
        yield growth(f"`{verb}`, {what}", sizes, [_middle(row[verb]) for row in rows])
    yield at_most(f"empty heartbeat, {most}", "one `git for-each-ref`", last["beat"], last["refs"], 3)
    yield growth(f"empty heartbeat, {what}", sizes, [_middle(row["beat"]) for row in rows])


def _queue(gate: Gatehouse, *, size: int) -> None:
    lay(gate, "many", size, site="one")


def _past(gate: Gatehouse, *, size: int) -> None:
    past.lived(gate, size)
    lay(gate, "many", 2, site="one")


def _everything(gate: Gatehouse) -> None:
    past.grown(gate, OBJECTS)
    past.lived(gate, VERSIONS[-1])
    lay(gate, "many", 10_000, site="one")


def _measured(arrange: Callable[[Gatehouse], None]) -> dict[str, list[float]]:
    with faulty_gate(("one",)) as gate:
        gate.home.sites_toml.write_text(gate.toml.replace("open_requests = 1000", "open_requests = 100000"))
        arrange(gate)
        with at_work(gate) as librarian:
            past.filed(librarian)
            gate.git("pack-refs", "--all")
            ways = {
                "click": partial(timed, [sys.executable, "-c", "import click"], gate.env),
                **{verb: partial(_verb, gate, verb) for verb in VERBS},
                "refs": partial(gate.git, "for-each-ref"),
            }
            taken = in_turn(ways, ROUNDS)
            still = frozen.write(librarian.gate.signer, Freeze("measured", stopped=True), at=time.time())
            gate.git("update-ref", "refs/gate/frozen", still)  # nothing is verified: a heartbeat only looks
            held = librarian.gate.ledger.lock
            beside, memory = Telling(gate.home, time.time, gate.told.append, background=True), Memory()
            with closing(Cancel()) as cancel, closing(beside) as telling:
                as_it_lives = partial(loop.beat_once, telling=telling, memory=memory)
                empty = partial(as_it_lives, gate.home, held, cancel, gate.told.append)
                return taken | in_turn({"refs": ways["refs"], "beat": empty}, BEATS)


def _verb(gate: Gatehouse, verb: str) -> None:
    gate.cli(verb, *(("many-1",) if verb == "show" else ()), ok=True)


def _audited(size: int) -> float:
    """Return the seconds that a second audit of the same log takes."""
    with tempfile.TemporaryDirectory(prefix="gk-audit-") as folder:
        writer = audit.history(Path(folder) / "home", size)
        with Git(writer.git.folder) as git:
            _, seen = verify(git, writer.signers)
            began = time.perf_counter()
            verify(git, writer.signers, known=Remembered.of(seen))
            return time.perf_counter() - began


def _middle(seconds: Sequence[float]) -> float:
    return sorted(seconds)[len(seconds) // 2]
