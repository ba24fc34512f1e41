"""Compares Gatekeeper's planner with the field's queues on a virtual clock: `python -m benchmarks.simulate [SETUP…]`.

Every queue sees the same requests. Without a set-up all of them run, and docs/queue-results.md is written anew.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.simulator import baselines, speculation
from benchmarks.simulator.engine import Engine, Policy
from benchmarks.simulator.ours import Gatekeeper
from benchmarks.simulator.setups import SETUPS
from benchmarks.simulator.world import Setup, World

RESULTS = Path(__file__).parent.parent / "docs" / "queue-results.md"
POLICIES: dict[str, Callable[[Engine], Policy]] = {
    "**gatekeeper**": Gatekeeper,
    "serial": baselines.Serial,
    "serial, twice": baselines.SerialAgain,
    "bors batch + bisect": baselines.Bors,
    "bors, twice": baselines.BorsAgain,
    "Mergify split": baselines.Mergify,
    "Mergify, twice": baselines.MergifyAgain,
    "prefix (GitLab, GitHub)": baselines.Prefix,
    "prefix, twice": baselines.PrefixAgain,
    "Zuul window": baselines.Zuul,
    "SubmitQueue": speculation.SubmitQueue,
    "SubmitQueue, twice": speculation.SubmitQueueAgain,
    "oracle": speculation.Oracle,
}
OURS = "**gatekeeper**"
_BELIEVE = [name for name in POLICIES if name not in (OURS, "oracle") and not name.endswith(", twice")]
_PEERS = (*_BELIEVE, *(name for name in POLICIES if name.endswith(", twice")))
_LANDINGS = 3


@dataclass(frozen=True, slots=True)
class Tally:
    """What one queue did over all seeds of a set-up."""

    waits: list[float]
    hours: float
    runs: int
    false: float
    open: int

    def at(self, share: float) -> float:
        """Return a percentile of the waits of what landed, in seconds."""
        return sorted(self.waits)[min(len(self.waits) - 1, int(share * len(self.waits)))] if self.waits else 0.0

    @property
    def per_hour(self) -> float:
        return len(self.waits) / self.hours if self.hours else 0.0

    @property
    def per_landing(self) -> float:
        return self.runs / max(1, len(self.waits))


def play(setup: Setup, policy: str) -> Tally:
    """Run one queue over every seed."""
    waits, hours, runs, false, good, left = list[float](), 0.0, 0, 0, 0, 0
    for seed in range(setup.seeds):
        world = World(setup, seed)
        engine = Engine(world)
        engine.play(POLICIES[policy](engine))
        assert not any(item.bad for item in engine.landed), f"{policy} landed a bad request"
        waits += engine.waits
        hours += engine.last / 3600
        runs += engine.runs
        false += engine.false
        good += sum(not item.bad for item in world.items)
        left += len(engine.open)
    return Tally(waits, hours, runs, false / max(1, good), left)


def table(setup: Setup, tallies: dict[str, Tally]) -> str:
    """Return one set-up's table, with each wait's ratio to the oracle's."""
    best = tallies["oracle"]
    lines = [
        f"### {setup.name}: {setup.words}",
        "",
        "| Queue | p50 s | p95 s | p99 s | ÷ oracle | landings/h | runs/landing | false blocks |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, tally in tallies.items():
        ratio = " / ".join(f"{tally.at(p) / max(1e-9, best.at(p)):.2f}" for p in (0.5, 0.95, 0.99))
        cells = [f"{tally.at(p):.0f}" for p in (0.5, 0.95, 0.99)]
        cells += [ratio, f"{tally.per_hour:.2f}", f"{tally.per_landing:.2f}", f"{tally.false:.2%}"]
        note = f" ({tally.open} left)" if tally.open else ""
        lines.append(f"| {name}{note} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def summary(told: dict[str, dict[str, Tally]]) -> str:
    """Return ours ÷ the best of the others in each column: of those that believe the first failure / ask twice."""
    lines = [
        "### Ours ÷ the best of the others, column by column",
        "",
        "First against the queues that believe the first failure, then against those held to the same rule (the rows",
        '"twice"). Waits and runs are better below 1, landings above; the best of two columns are seldom one queue.',
        "",
        "| Set-up | p50 | p95 | p99 | landings/h | runs/landing |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, tallies in told.items():
        ours, *others = (_figures(tallies[queue]) for queue in (OURS, *_PEERS))
        groups = others[: len(_BELIEVE)], others[len(_BELIEVE) :]
        cells = [" / ".join(_ratio(ours, group, at) for group in groups) for at in range(len(ours))]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _figures(tally: Tally) -> tuple[float, ...]:
    """Waits, landings an hour and runs a landing: the less the better, so the landings are turned over."""
    return (tally.at(0.5), tally.at(0.95), tally.at(0.99), 1 / max(1e-9, tally.per_hour), tally.per_landing)


def _ratio(ours: tuple[float, ...], group: list[tuple[float, ...]], at: int) -> str:
    ratio = ours[at] / max(1e-9, min(figures[at] for figures in group))
    return f"{1 / ratio if at == _LANDINGS else ratio:.2f}"


def main(names: list[str]) -> None:
    chosen = [setup for setup in SETUPS if not names or any(setup.name.startswith(name) for name in names)]
    if not chosen:
        sys.exit(f"No such set-up. Known: {', '.join(setup.name for setup in SETUPS)}")
    tables, told = list[str](), dict[str, dict[str, Tally]]()
    with ProcessPoolExecutor(2) as pool:
        for setup in chosen:
            told[setup.name] = dict(zip(POLICIES, pool.map(play, [setup] * len(POLICIES), POLICIES), strict=True))
            tables.append(table(setup, told[setup.name]))
            print(tables[-1], flush=True)
            if not names:
                head = (RESULTS.parent / "queue-results.head.md").read_text()
                RESULTS.write_text(head + "\n".join([summary(told), *tables]))
    print(summary(told))


if __name__ == "__main__":
    main(sys.argv[1:])
