"""What one gate can take, computed from what was measured: `python -m benchmarks.scale [--simulate] [--write]`.

Prints the tables of docs/scale.md from docs/benchmarks.json and docs/scale.json. `--simulate` runs the simulations anew
and writes docs/scale.json, which takes some minutes; `--write` puts the tables into the page.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.simulator.engine import Engine
from benchmarks.simulator.shipping import Costs, Shipping
from benchmarks.simulator.world import Setup, World

DOCS = Path(__file__).parent.parent / "docs"
MEASURED, SIMULATED, PAGE = DOCS / "benchmarks.json", DOCS / "scale.json", DOCS / "scale.md"
BEGIN, END = "<!-- python -m benchmarks.scale -->", "<!-- end -->"
DAY, WORKING_DAY = 24.0, 8.0
BOUND = 300.0
"""Seconds: a p95 wait of five checks. A line that keeps within it is called bounded."""
BASE = Setup("scale", "", surfaces=6, wide=0.15, seconds=60.0, bad=0.05, max_train=8, seeds=1)
_SECONDS = {"s": 1.0, "ms": 0.001}


@dataclass(frozen=True, slots=True)
class Case:
    """One simulation: requests a day that come within `day` hours, of which `hours` are played; or a burst at once."""

    a_day: int
    day: float
    hours: float
    slots: int
    max_train: int = 8
    burst: int = 0
    bad: float = 0.05
    seconds: float = 60.0
    surfaces: int = 6

    @property
    def per_hour(self) -> float:
        return self.a_day / self.day

    @property
    def setup(self) -> Setup:
        same = {"slots", "max_train", "burst", "bad", "seconds", "surfaces", "hours"}
        told = {name: value for name, value in asdict(self).items() if name in same}
        return replace(BASE, per_hour=self.per_hour or BASE.per_hour, **told)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of it; waits in seconds, of what landed."""

    arrived: int
    landed: int
    left: int
    """Still open when the last one arrived."""
    hours: float
    p50: float
    p95: float
    p99: float
    runs: int
    slots_busy: float
    """At most: a run that was stopped counts whole."""
    trains: int
    shipping: float
    """The share of the time in which the Librarian merged, shipped and looked."""
    plans: int
    plan_ms: float
    plan_ms_most: float


def _stream(a_day: int, day: float, hours: float, slots: Sequence[int]) -> list[Case]:
    return [Case(a_day, day, hours, n) for n in slots]


STREAMS = (
    *_stream(1_000, DAY, 24.0, (1, 2, 4)),
    *_stream(1_000, WORKING_DAY, 8.0, (2, 4, 8)),
    *_stream(10_000, DAY, 4.0, (4, 8, 16, 32)),
    *_stream(10_000, WORKING_DAY, 1.0, (8, 16, 32, 64)),
    *_stream(100_000, DAY, 0.25, (32, 64, 256)),
    *_stream(100_000, WORKING_DAY, 0.08, (64, 256)),
    Case(10_000, WORKING_DAY, 1.0, 32, bad=0.01),
    Case(100_000, DAY, 0.25, 64, max_train=64, bad=0.01, seconds=10.0),
    Case(100_000, DAY, 0.25, 64, max_train=64, bad=0.01, seconds=10.0, surfaces=24),
    Case(100_000, WORKING_DAY, 0.08, 64, max_train=64, bad=0.01, seconds=10.0, surfaces=24),
)
"""The greater the rate, the shorter the stretch that is played: about a thousand requests, where a day is too long."""
_FULL = Case(0, 1.0, 0.0, 64, max_train=64, burst=900)
LIMITS = (
    *(replace(_FULL, bad=bad) for bad in (0.0, 0.01, 0.02, 0.05, 0.1)),
    *(replace(_FULL, surfaces=n) for n in (12, 24, 48)),
    *(replace(_FULL, seconds=seconds) for seconds in (10.0, 300.0)),
    *(replace(_FULL, slots=slots) for slots in (4, 8, 16, 32)),
    replace(_FULL, max_train=8),
)
"""Nine hundred at once, to the last of them: how many land in an hour when there is nearly always a next one."""
SMALL = Case(1_000, WORKING_DAY, 0.5, 4)
"""What a test plays again."""


def play(case: Case, costs: Costs) -> Played:
    """Run one case to its end; the same on every machine but for the times of plans."""
    world = World(case.setup, 0)
    engine = Engine(world)
    queue = Shipping(engine, costs)
    last, left = world.items[-1].at, [0]
    engine.later(last, lambda: left.__setitem__(0, len(engine.open)))
    engine.play(queue)
    assert not any(item.bad for item in engine.landed)
    waits = sorted(engine.waits)
    plans = sorted(queue.plans)
    return Played(
        arrived=len(world.items),
        landed=len(waits),
        left=left[0],
        hours=round(engine.last / 3600, 3),
        p50=_at(waits, 0.5),
        p95=_at(waits, 0.95),
        p99=_at(waits, 0.99),
        runs=engine.runs,
        slots_busy=round(engine.runs * case.seconds / engine.last, 1),
        trains=queue.trains,
        shipping=round(queue.shipped / engine.last, 3),
        plans=len(plans),
        plan_ms=round(1000 * sum(plans) / len(plans), 1),
        plan_ms_most=round(1000 * plans[-1], 1),
    )


def _at(waits: Sequence[float], share: float) -> float:
    return round(waits[min(len(waits) - 1, int(share * len(waits)))], 1) if waits else 0.0


def figures(measured: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures that are computed with, in seconds and bytes, out of docs/benchmarks.json."""
    found = {f["name"]: str(f["ours"]) for group in measured["groups"].values() for f in group["figures"]}
    beats = dict(re.findall(r"(\d+): (\d+) ms", found["empty heartbeat, open requests: slope"]))
    begun = next(f["note"] for f in measured["groups"]["ship"]["figures"] if f["name"].startswith("first to last"))
    answered = re.search(r"push answered ([\d.]+) s", begun)
    growth = re.match(r"([\d.]+) KB a request", found["growth of repo.git"])
    assert answered is not None
    assert growth is not None
    return {
        "push": _seconds(found["push, path, 100 files"]),
        "push, socket": _seconds(found["push, local socket"]),
        "push, SSH": _seconds(found["push, SSH"]),
        "live": _seconds(found["push → live on six sites"]),
        "answered": float(answered[1]),
        "merge": _seconds(found["merge a train of 200 on 5,000 files"]) / 200,
        "burst": _seconds(found["burst of 200 requests, instant check, until live on six sites"]) / 200,
        "stage": _seconds(found["stage 5,000 files, 10 changed"]) / 5_000,
        "look, 10": int(beats["10"]) / 1000,
        "look, 100": int(beats["100"]) / 1000,
        "growth": float(growth[1]) * 1024,
    }


def _seconds(text: str) -> float:
    number, unit = text.split()
    return float(number) * _SECONDS[unit]


def costs(known: Mapping[str, float]) -> Costs:
    """Return what the Librarian's own work takes: from the push that was answered to live, less its look and merge."""
    ship = known["live"] - known["answered"] - known["merge"] - known["look, 10"]
    return Costs(round(ship, 3), round(known["merge"], 4), known["look, 10"], known["look, 100"])


def tables(known: Mapping[str, float], told: Mapping[str, Any]) -> str:
    """Return the generated part of the page."""
    streams, limits = ([(Case(**c), Played(**p)) for c, p in told[name]] for name in ("streams", "limits"))
    spent = Costs(**told["costs"])
    if not _near(spent, costs(known)):
        sys.exit("docs/benchmarks.json tells of another machine than docs/scale.json: --simulate --write")
    parts = (_alone(known, costs(known)), _streams(streams, spent), _limits(limits), _year(known, told["records"]))
    return "\n".join(parts)


def _near(one: Costs, other: Costs) -> bool:
    """Tell whether no cost is more than twice the other: a newer run of `make bench` does not undo a simulation."""
    pairs = ((getattr(one, name), getattr(other, name)) for name in ("ship", "merge", "look_few", "look_many"))
    return all(max(pair) <= 2 * min(pair) for pair in pairs)


def _table(head: str, rows: Iterator[Sequence[object]]) -> str:
    names = head.split(" | ")
    lines = [f"| {head} |", f"|{'|'.join(['---', *['---:'] * (len(names) - 1)])}|"]
    return "\n".join([*lines, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)]) + "\n"


def _alone(known: Mapping[str, float], spent: Costs) -> str:
    def rows() -> Iterator[Sequence[object]]:
        for what, seconds in (
            ("push by path (`push, path, 100 files`)", known["push"]),
            ("push by the socket (`push, local socket`)", known["push, socket"]),
            ("push by SSH (`push, SSH`)", known["push, SSH"]),
            ("merge on 5,000 files (`merge a train of 200…`)", known["merge"]),
            ("one request a train, line short (`push → live on six sites`)", spent.train(1, 0)),
            ("train of 8, line short", spent.train(8, 0) / 8),
            ("train of 8, a hundred and more in line (`empty heartbeat, 100`)", spent.train(8, 100) / 8),
            ("train of 64, a hundred and more in line", spent.train(64, 100) / 64),
            ("a burst of 200 with trains of up to 200, as it was measured (`burst of 200…`)", known["burst"]),
        ):
            yield what, _short(seconds), f"{3600 / seconds:,.0f}", f"{86_400 / seconds:,.0f}"

    return "### The Librarian's own work\n\n" + _table("One after the other | Each | An hour | A day", rows())


def _short(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def _streams(played: Sequence[tuple[Case, Played]], spent: Costs) -> str:
    def rows() -> Iterator[Sequence[object]]:
        for case, came in played:
            day = "round the clock" if case.day == DAY else f"in {case.day:g} hours"
            kept = "yes" if came.p95 <= BOUND else "**no**"
            yield (
                f"{case.a_day:,} {day}{_besides(case)}",
                case.slots,
                f"{came.arrived:,} in {case.hours:g} h",
                *(f"{wait:,.0f}" for wait in (came.p50, came.p95, came.p99)),
                kept,
                f"{came.left:,}",
                f"{came.runs / came.landed:.2f}",
                f"{came.slots_busy:g}",
                f"{came.landed / came.trains:.1f}",
                f"{came.shipping:.0%}",
                f"{came.plan_ms * came.plans / came.hours / 36_000:.1f}%",
            )

    head = (
        "Requests a day | Slots | Played | p50 s | p95 s | p99 s | Bounded | Left at the end | Runs a landing"
        " | Slots in use | Landings a train | Librarian | Planner"
    )
    look = f"{_short(spent.look_few)} to {_short(spent.look_many)}"
    words = f"Played with {_short(spent.ship)} a train, {_short(spent.merge)} a merge, and a look of {look}."
    return f"### A stream\n\n{words}\n\n" + _table(head, rows())


def _besides(case: Case) -> str:
    """Return what is not as in the other streams."""
    usual = Case(case.a_day, case.day, case.hours, case.slots)
    words = {
        "bad": f"{case.bad:.0%} bad",
        "seconds": f"checks of {case.seconds:g} s",
        "surfaces": f"{case.surfaces} surfaces",
        "max_train": f"`max_train` {case.max_train}",
    }
    return "".join(f", {said}" for name, said in words.items() if getattr(case, name) != getattr(usual, name))


def _limits(played: Sequence[tuple[Case, Played]]) -> str:
    def rows() -> Iterator[Sequence[object]]:
        for case, came in played:
            hour = came.landed / came.hours
            yield (
                f"{case.bad:.0%}",
                case.surfaces,
                f"{case.seconds:g} s",
                case.slots,
                case.max_train,
                f"{hour:,.0f}",
                f"{hour * 24:,.0f}",
                f"{came.runs / came.landed:.2f}",
                f"{came.slots_busy:g}",
                f"{came.shipping:.0%}",
            )

    head = (
        "Bad | Surfaces | Check | Slots | `max_train` | Landings an hour | A day | Runs a landing | Slots in use"
        " | Librarian"
    )
    return "### Always a next one\n\n" + _table(head, rows())


def _year(known: Mapping[str, float], records: float) -> str:
    requests, bad, runs = 365_000, 0.05, 1.26

    def rows() -> Iterator[Sequence[object]]:
        yield "`repo.git`, packed", f"{known['growth'] * requests / 1e9:.1f} GB", "nothing: it is the audit trail"
        yield "records in `refs/gate/log`", f"{records * requests:,.0f}", "nothing"
        yield "version tags, one a train", f"{requests * (1 - bad):,.0f} at most", "nothing"
        yield "refs below `refs/gate/results/`", f"{30 * 1_000:,}", "30 days after the end"
        yield "refs below `refs/gate/keep/`", f"{requests * bad:,.0f}", "`keep_logs`, 400 days"
        yield "verdicts", f"{requests * runs:,.0f}", "`keep_logs`"
        yield "check logs", f"{requests * runs:,.0f} files", "`keep_logs`; with builds and releases `max_disk`, 20 GB"
        yield "release folders", "10", "`keep_releases`; what did not change is hard links"

    return "### A year of 1,000 a day\n\n" + _table("What | After a year | Bounded by", rows())


def simulate(known: Mapping[str, float]) -> dict[str, Any]:
    """Play every case, two side by side, and count what one request leaves in a gate's log."""
    spent = costs(known)
    told: dict[str, Any] = {"costs": asdict(spent), "records": records_a_request()}
    with ProcessPoolExecutor(2) as pool:
        for name, cases in (("streams", STREAMS), ("limits", LIMITS), ("small", (SMALL,))):
            played = pool.map(play, cases, [spent] * len(cases))
            told[name] = []
            for case, came in zip(cases, played, strict=True):
                print(case, came, file=sys.stderr, flush=True)
                told[name].append([asdict(case), asdict(came)])
    return told


def records_a_request(requests: int = 3) -> float:
    """Return the records that a request which lands alone leaves in the log of a real gate."""
    sys.path.insert(0, str(DOCS.parent / "tests"))
    import gatehouse  # noqa: PLC0415 - only where a gate is made

    with gatehouse.build() as gate:
        gate.only_files()
        gate.tick()
        before = len(gate.records())
        for number in range(requests):
            gate.clone().request(f"counted-{number}", {f"sites/web/counted-{number}.txt": "x\n"})
            gate.tick()
        return (len(gate.records()) - before) / requests


def page(generated: str) -> str:
    """Return the whole page with its tables."""
    text = PAGE.read_text("utf-8")
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n\n{generated}\n{END}{rest.split(END)[1]}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--simulate", action="store_true")
    options.add_argument("--write", action="store_true")
    asked = options.parse_args()
    known = figures(json.loads(MEASURED.read_text("utf-8")))
    if asked.simulate:
        SIMULATED.write_text(json.dumps(simulate(known), indent=1) + "\n", "utf-8")
    generated = tables(known, json.loads(SIMULATED.read_text("utf-8")))
    print(generated)
    if asked.write:
        PAGE.write_text(page(generated), "utf-8")


if __name__ == "__main__":
    main()
