"""What is measured, as values: two things run in turn, the median of their ratios, and the spread of these."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Times = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Figure:
    """One line of the table: how often `other` goes into `ours`, or the other way round, and what was wanted."""

    name: str
    against: str
    ours: str
    other: str = ""
    times: float | None = None
    spread: tuple[float, float] | None = None
    goal: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def in_turn(ways: Mapping[str, Callable[[], object]], rounds: int, *, warm: int = 1) -> dict[str, list[float]]:
    """Run each way once a round, A B A B, and return the seconds that each took; the warm rounds do not count."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-warm, rounds):
        for name, act in ways.items():
            began = time.perf_counter()
            act()
            seconds = time.perf_counter() - began
            if number >= 0:
                taken[name].append(seconds)
    return taken


def at_most(name: str, against: str, ours: Sequence[float], other: Sequence[float], goal: float | None) -> Figure:
    """Return how many times the other's time ours takes; the goal is the most."""
    times, spread = _ratio(ours, other)
    wanted = f"≤ {goal:g} times" if goal else ""
    return Figure(name, against, _shown(ours), _shown(other), times, spread, wanted, times <= goal if goal else None)


def faster(name: str, against: str, ours: Sequence[float], other: Sequence[float], goal: float | None) -> Figure:
    """Return how many times faster ours is; the goal is the least."""
    times, spread = _ratio(other, ours)
    wanted = f"≥ {goal:g} times faster" if goal else ""
    return Figure(name, against, _shown(ours), _shown(other), times, spread, wanted, times >= goal if goal else None)


def value(name: str, ours: float, unit: str, goal: float, note: str = "") -> Figure:
    """Return a figure that stands by itself; the goal is the most."""
    return Figure(name, "", f"{ours:.3g} {unit}", goal=f"≤ {goal:g} {unit}", met=ours <= goal, note=note)


def growth(name: str, sizes: Sequence[int], seconds: Sequence[float]) -> Figure:
    """Return how the time grows from the least size to the greatest: 1 is linear, 0 is not at all."""
    slope = math.log(seconds[-1] / seconds[0]) / math.log(sizes[-1] / sizes[0])
    told = ", ".join(f"{size}: {1000 * one:.0f} ms" for size, one in zip(sizes, seconds, strict=True))
    return Figure(f"{name}: slope", "", told, times=slope, note="1 is linear, 0 is flat")


def absent(name: str, why: str) -> Figure:
    """Say that something could not be measured here."""
    return Figure(name, "", "not measured", note=" ".join(why.split())[:300])


def _ratio(above: Sequence[float], below: Sequence[float]) -> tuple[float, tuple[float, float]]:
    found = sorted(one / other for one, other in zip(above, below, strict=True))
    return statistics.median(found), (found[len(found) // 4], found[-1 - len(found) // 4])


def _shown(seconds: Sequence[float]) -> str:
    middle = statistics.median(seconds)
    return f"{middle:.2f} s" if middle >= 1 else f"{1000 * middle:.1f} ms"
