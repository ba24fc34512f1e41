"""Many open requests: what filing them costs, and what a look, `status` and one more push cost beside them.

Run it as `python -m benchmarks.many_requests [--sizes 100,1000,10000]` with pm2 in node_modules. The requests are laid
down as their pushes would leave them, by twenty agents; one site is live. The slope is how the time grows from one
size to the next: 1 means twice the time for twice as many.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from faults.crash import faulty_gate
from faults.many import at_work, lay
from gatehouse import Gatehouse

T = TypeVar("T")


class Row(NamedTuple):
    """Seconds, but for `size` and `programs`."""

    size: int
    filed: float
    programs: int
    first_look: float
    look: float
    status: float
    push: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="100,1000,10000")
    sizes = [int(size) for size in parser.parse_args().sizes.split(",")]
    print("    open   filed  ms each  programs  slope  first look    look  status    push")
    before = None
    for size in sizes:
        with faulty_gate(("one",)) as gate:
            row = _measure(gate, size)
        each = 1000 * row.filed / size
        slope = _slope(before, row) if before else ""
        print(
            f"{size:8} {row.filed:7.2f} {each:8.2f} {row.programs:9} {slope:>6} {row.first_look:11.2f} {row.look:7.2f}"
            f" {row.status:7.2f} {row.push:7.2f}",
            flush=True,
        )
        before = row
    return 0


def _measure(gate: Gatehouse, size: int) -> Row:
    gate.home.sites_toml.write_text(gate.toml.replace("open_requests = 1000", "open_requests = 100000"))
    lay(gate, "many", size, site="one")
    with at_work(gate) as librarian:
        filed, programs = _timed(librarian.file)
        first, _ = _timed(librarian.look)
        look, _ = _timed(librarian.look)
    status, _ = _timed(lambda: gate.json("status", "--json"))
    push, _ = _timed(lambda: gate.clone().request("one-more", {"sites/one/more.txt": "more\n"}))
    assert len(gate.open()) == size + 1
    return Row(size, filed, programs, first, look, status, push)


def _timed(act: Callable[[], T]) -> tuple[float, T]:
    began = time.monotonic()
    done = act()
    return time.monotonic() - began, done


def _slope(before: Row, row: Row) -> str:
    return f"{math.log(row.filed / before.filed) / math.log(row.size / before.size):.2f}"


if __name__ == "__main__":
    sys.exit(main())
