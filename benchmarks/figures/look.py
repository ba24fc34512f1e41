"""What people and the clock ask of a gate with many open requests: `status`, `log`, `show`, and an empty heartbeat."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial

from faults.crash import faulty_gate
from faults.many import at_work, lay
from gatehouse import Gatehouse

from benchmarks.figure import Figure, at_most, growth, in_turn
from benchmarks.figures.ship import timed
from gatekeeper.librarian.heartbeat import beat
from gatekeeper.process import Cancel
from gatekeeper.repo import frozen
from gatekeeper.repo.frozen import Freeze

ROUNDS = 7


def figures(*, full: bool) -> Iterator[Figure]:
    """Yield each ratio at the greatest size, and how it grows."""
    sizes = (100, 1_000, 10_000) if full else (10, 100, 1_000)
    rows = [_measured(size) for size in sizes]
    last, most = rows[-1], f"{sizes[-1]:,} open requests"
    for verb in ("status", "log", "show"):
        yield at_most(f"`{verb}`, {most}", "Python and an import of click", last[verb], last["click"], 2)
        yield growth(f"`{verb}`, open requests", sizes, [_middle(row[verb]) for row in rows])
    yield at_most(f"empty heartbeat, {most}", "one `git for-each-ref`", last["beat"], last["refs"], 3)
    yield growth("empty heartbeat, open requests", sizes, [_middle(row["beat"]) for row in rows])


def _measured(size: int) -> dict[str, list[float]]:
    with faulty_gate(("one",)) as gate:
        gate.home.sites_toml.write_text(gate.toml.replace("open_requests = 1000", "open_requests = 100000"))
        lay(gate, "many", size, site="one")
        with at_work(gate) as librarian:
            librarian.file()
            gate.git("pack-refs", "--all")
            ways = {
                "click": partial(timed, [sys.executable, "-c", "import click"], gate.env),
                **{verb: partial(_verb, gate, verb) for verb in ("status", "log", "show")},
                "refs": partial(gate.git, "for-each-ref"),
            }
            taken = in_turn(ways, ROUNDS)
            still = frozen.write(librarian.gate.signer, Freeze("measured", stopped=True), at=time.time())
            gate.git("update-ref", "refs/gate/frozen", still)  # nothing is verified: a heartbeat only looks
            with closing(Cancel()) as cancel:
                empty = partial(beat, librarian.gate, cancel=cancel, tell=gate.told.append, period=900.0)
                return taken | in_turn({"refs": ways["refs"], "beat": empty}, 3)


def _verb(gate: Gatehouse, verb: str) -> None:
    gate.cli(verb, *(("many-1",) if verb == "show" else ()), ok=True)


def _middle(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) // 2]
