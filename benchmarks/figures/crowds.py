"""Requests lost by people's browsers during ships and rollbacks: about 1,000 a second over six sites."""

from collections.abc import Iterator

from faults.crash import faulty_gate

from benchmarks import load
from benchmarks.figure import Figure, value

RATE = 1000 / len(load.SIX)


def figures(*, full: bool) -> Iterator[Figure]:
    """Yield how many were lost in all, and the skew that they saw."""
    sent = lost = 0.0
    with faulty_gate(load.SIX, patience="15s") as gate:
        for number in range(3 if full else 1):
            for act in (load._ship, load._roll_back):  # noqa: SLF001 - the same benchmark by itself
                seen = load._measure(gate, act, RATE, number)  # noqa: SLF001
                sent, lost = sent + seen[0], lost + seen[1]
    yield value("requests lost while six sites ship and roll back, 1,000 a second", lost, "", 0, f"of {sent:,.0f}")
