"""What a Librarian that has nothing to do takes: its share of a core, its memory, and whether that grows."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from faults.crash import faulty_gate
from gatehouse import Gatehouse, librarian, until

from benchmarks.figure import Figure, value
from gatekeeper.librarian import loop, opening
from gatekeeper.process import Cancel

SECONDS = 20.0
BEATS, MINUTES = 10_000, 6
"""Heartbeats in a tight loop when all is asked for; so many as fit into these minutes."""


def figures(*, full: bool) -> Iterator[Figure]:
    """Yield processor and memory of one that runs, and what heartbeats in a tight loop leave behind."""
    with faulty_gate(("one",)) as gate:
        with librarian(gate) as process:
            until(process, "runs; Ctrl-C stops it")
            time.sleep(5)  # the first heartbeat; what is measured begins after it
            before = _ticks(process.pid)
            time.sleep(SECONDS)
            share = (_ticks(process.pid) - before) / os.sysconf("SC_CLK_TCK") / SECONDS
            yield value("idle Librarian, share of a core", 100 * share, "%", 0.2)
            yield value("idle Librarian, memory", _resident(process.pid), "MB", 60)
        held_at = _memory_after_each(gate, BEATS if full else 60)
    grown = max(0.0, held_at[-1] - held_at[len(held_at) // 3])
    told = f"in the last two thirds of {len(held_at):,} heartbeats"
    yield value("Librarian, memory grown in heartbeats", grown, "MB", 2, told)


def _memory_after_each(gate: Gatehouse, beats: int) -> list[float]:
    found, until_then = list[float](), time.monotonic() + 60 * MINUTES
    with opening.locked(gate.home) as held, closing(Cancel()) as brake:
        while len(found) < beats and time.monotonic() < until_then:
            loop.beat_once(gate.home, held, brake, gate.told.append)
            loop.forget()  # as the Librarian does when it has come to rest
            gate.told.clear()
            found.append(_resident(os.getpid()))
    return found


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
