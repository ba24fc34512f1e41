"""The crash matrix: the Librarian killed before and after every step of every scenario, and started again.

Run it as `python -m benchmarks.matrix [--slots 2] [--minutes 60] [--parts 1 2 3 4] [--only NAME]...` with pm2 in
node_modules. After each kill the whole invariant is checked, and that the scenario ended as it must. It prints how
often each step was struck in which scenario, how long the next Librarian took to come to rest, and what the time did
not suffice for, and ends with status 1 when one kill did not converge. Each slot works on a gate of its own, and
strikes at every step once before it strikes where a step recurs; part N of a scenario is every fourth of its steps.
"""

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from faults.crash import SCENARIOS, faulty_gate
from gatehouse import Gatehouse

PARTS = 4
"""Each scenario is done in so many parts, so that slots end together."""


@dataclass
class Part:
    """What a part of a scenario came to: kills by step, how long each recovery took, and what did not hold."""

    name: str
    kills: Counter[str] = field(default_factory=Counter)
    rests: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    left: int = 0
    begun: bool = True
    broken: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--parts", type=int, nargs="+", default=list(range(1, PARTS + 1)), choices=range(1, PARTS + 1))
    parser.add_argument("--only", action="append", choices=list(SCENARIOS))
    asked = parser.parse_args()
    names, began = asked.only or list(SCENARIOS), time.monotonic()
    with ProcessPoolExecutor(asked.slots, mp_context=get_context("spawn")) as pool:
        end = time.time() + 60 * asked.minutes
        running = [pool.submit(strike_part, name, part, end) for part in asked.parts for name in names]
        parts = [_told(done.result()) for done in as_completed(running)]
    print("\n".join(_table(names, parts)))
    kills, missed = sum(part.kills.total() for part in parts), sum(len(part.missed) for part in parts)
    broken = [said for part in parts for said in part.broken]
    minutes = (time.monotonic() - began) / 60
    left = sum(part.left for part in parts)
    rests = [seconds for part in parts for seconds in part.rests] or [0.0]
    print(f"\n{kills} kills in {minutes:.0f} minutes, {len(broken)} not whole.")
    print(f"From the kill to rest: median {statistics.median(rests):.1f} s, worst {max(rests):.1f} s.")
    idle = sum(not part.begun for part in parts)
    print(f"{missed} steps were not reached again, for {left} the time did not suffice.")
    print(f"{idle} of {len(parts)} parts were not begun.")
    print("\n".join(broken))
    return int(bool(broken))


def strike_part(name: str, part: int, end: float) -> Part:
    """Strike at every fourth step of a scenario from `part` on; before, after and again are steps of their own."""
    if time.time() >= end:
        return Part(name, begun=False)
    found, scenario = Part(name), SCENARIOS[name]
    with faulty_gate() as gate:
        steps: Sequence[tuple[str, int]] = sorted(
            scenario.passes(gate)[part - 1 :: PARTS], key=lambda step: step[1] > 1
        )
    while steps and time.time() < end:
        with faulty_gate() as gate:
            steps = _strike(found, gate, steps, end)
    found.left = len(steps)
    return found


def _strike(found: Part, gate: Gatehouse, steps: Sequence[tuple[str, int]], end: float) -> Sequence[tuple[str, int]]:
    """Strike until one kill does not converge, or the time is over; return what is left."""
    for at, (step, nth) in enumerate(steps):
        if time.time() >= end:
            return steps[at:]
        try:
            rest = SCENARIOS[found.name].survives(gate, step, nth)
        except AssertionError as problem:
            found.broken.append(f"{found.name}: {step} ({nth})\n{str(problem)[:2000]}")
            return steps[at + 1 :]
        if rest:
            found.kills[step.partition(" ")[2]] += 1
            found.rests.append(rest)
        else:
            found.missed.append(f"{step} ({nth})")
    return ()


def _told(part: Part) -> Part:
    print(f"{part.name}: {part.kills.total()} kills, {part.left} left", *part.broken, sep="\n", flush=True)
    return part


def _table(names: Sequence[str], parts: Iterable[Part]) -> list[str]:
    """Return a row a step, in the order of their names, with the kills in each scenario."""
    struck = {name: Counter[str]() for name in names}
    for part in parts:
        struck[part.name] += part.kills
    rows = sorted({step for kills in struck.values() for step in kills})
    head = [f"| step | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    body = [f"| `{step}` | {' | '.join(str(struck[name][step] or '') for name in names)} |" for step in rows]
    foot = f"| **kills** | {' | '.join(str(struck[name].total()) for name in names)} |"
    return [*head, *body, foot]


if __name__ == "__main__":
    sys.exit(main())
