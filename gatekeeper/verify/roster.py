"""Which worker is asked next: one with a thread to spare that has not failed of late. Knows what each was sent."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from re import compile as pattern

from msgspec import Struct, field

from gatekeeper.process import Cancel
from gatekeeper.verify.run import Interrupted

_BENCH = 300.0
"""Seconds for which a worker that failed is not asked."""
_GLANCE = 0.5
_PLAIN = pattern(r"(?:tcp|tls)://[A-Za-z0-9_.:\[\]-]{1,200}")
"""A worker's address is what the scheduler says it is, and is shown to people."""


class Away(Struct, frozen=True):
    """No worker can be asked: no verdict, and nobody's fault."""

    why: str
    code: str = "GATE-504"


Look = Callable[[], Mapping[str, int] | Away | None]
"""Says who is there with how many threads, why nobody is, or None while that is not known yet."""


class Known(Struct):
    """One worker: what it has whole, a lock for whoever sends it more, until when it is not asked."""

    has: dict[str, None] = field(default_factory=dict)
    supplying: threading.Lock = field(default_factory=threading.Lock)
    benched: float = 0.0


class Roster:
    """The workers of one scheduler, each with what is known of it; `patience` is how long one is waited for."""

    def __init__(self, look: Look, patience: float) -> None:
        self._look, self._patience = look, patience
        self._load: Counter[str] = Counter()
        self._changed = threading.Condition()
        self.known: dict[str, Known] = defaultdict(Known)

    def notice(self) -> None:
        """Look again: somebody came or went."""
        with self._changed:
            self._changed.notify_all()

    def bench(self, worker: str) -> None:
        """Ask others for a while."""
        self.known[worker].benched = time.monotonic() + _BENCH

    def away(self, cancel: Cancel) -> Away | None:
        """Return why nobody can be asked, once that is known; None also when there is no time for it."""
        with self._changed:
            while (seen := self._look()) is None and not cancel.thrown:
                self._changed.wait(_GLANCE)
        return seen if isinstance(seen, Away) else None

    @contextmanager
    def place(
        self, tried: Mapping[str, str], names: frozenset[str], cancel: Cancel
    ) -> Iterator[str | Interrupted | Away]:
        """Hold a thread of a worker: of those with one to spare the least busy, then the one that has most of it."""
        worker = self._await(tried, names, cancel)
        try:
            yield worker
        finally:
            if isinstance(worker, str):
                with self._changed:
                    self._load[worker] -= 1
                    self._changed.notify_all()

    def _await(self, tried: Mapping[str, str], names: frozenset[str], cancel: Cancel) -> str | Interrupted | Away:
        since = time.monotonic()
        with self._changed:
            while not cancel.thrown:
                seen = self._look()
                if isinstance(seen, Away):
                    return seen
                fit = self._fit(seen or {}, tried)
                free = [(self._load[one] / threads, self._lacks(one, names), one) for one, threads in fit]
                if free and (best := min(free))[0] < 1:
                    self._load[best[2]] += 1
                    return best[2]
                now = time.monotonic()
                if fit or seen is None:
                    since = now
                elif now - since >= self._patience:
                    return Away("there is no other worker to ask" if tried else "there is no worker")
                self._changed.wait(_GLANCE)
        return Interrupted()

    def _fit(self, crew: Mapping[str, int], tried: Mapping[str, str]) -> list[tuple[str, int]]:
        now = time.monotonic()
        return [
            (worker, threads)
            for worker, threads in crew.items()
            if threads > 0 and _PLAIN.fullmatch(worker) and worker not in tried and self.known[worker].benched <= now
        ]

    def _lacks(self, worker: str, names: frozenset[str]) -> int:
        return len(names - self.known[worker].has.keys())
