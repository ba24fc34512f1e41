"""The virtual clock: arrivals and ends of runs, a number of slots, and what came of every request."""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.simulator.world import Item, World


class Policy(Protocol):
    """A queue: told of every event, it starts and stops runs, lands and rejects through the engine."""

    def step(self) -> None: ...


@dataclass(eq=False, slots=True)
class Run:
    """One check of one surface on what has landed plus `state`, the newest last."""

    surface: int
    state: tuple[Item, ...]
    landed: int
    """How many requests had landed when it was asked for: they are part of what it sees."""
    seconds: float
    started: float | None = None
    passed: bool | None = None
    stopped: bool = False

    @property
    def done(self) -> bool:
        return self.passed is not None


@dataclass(slots=True)
class Engine:
    """Holds the clock and the books."""

    world: World
    now: float = 0.0
    open: dict[int, Item] = field(default_factory=dict)
    landed: list[Item] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    rejected: list[Item] = field(default_factory=list)
    false: int = 0
    runs: int = 0
    busy: int = 0
    ended: list[Run] = field(default_factory=list)
    last: float = 0.0
    _queue: deque[Run] = field(default_factory=deque)
    _events: list[tuple[float, int, Run | Item | Callable[[], None]]] = field(default_factory=list)
    _count: int = 0
    _by_surface: dict[int, list[tuple[int, Item, float]]] = field(default_factory=dict)

    def play(self, policy: Policy) -> None:
        """Let everything happen until nothing is open, or nothing moves any more."""
        for item in self.world.items:
            self._push(item.at, item)
        policy.step()
        while self._events:
            self.now, _, event = heapq.heappop(self._events)
            if isinstance(event, Item):
                self.open[event.number] = event
            elif not isinstance(event, Run):
                event()
            elif not event.stopped:
                self._finish(event)
            if self._events and self._events[0][0] == self.now:
                continue
            policy.step()
            self.ended.clear()
            self._dispatch()

    def submit(self, surface: int, state: Iterable[Item], landed: int | None = None) -> Run:
        """Ask for a run on the first `landed` that landed (all, without); it starts when a slot is free, in turn."""
        items = tuple(state)
        base = len(self.landed) if landed is None else landed
        run = Run(surface, items, base, items[-1].seconds if items else self.world.setup.seconds)
        self._queue.append(run)
        self._dispatch()
        return run

    def later(self, seconds: float, then: Callable[[], None]) -> None:
        """Have something happen after a time; the policy is asked again when it has."""
        self._push(self.now + seconds, then)

    def stop(self, run: Run) -> None:
        """Take a run back; one that has begun counts."""
        if run.done or run.stopped:
            return
        run.stopped = True
        if run.started is not None:
            self.busy -= 1
        self._dispatch()

    def land(self, items: Iterable[Item]) -> None:
        """Ship these, in this order."""
        for item in items:
            del self.open[item.number]
            for surface in item.surfaces:
                self._by_surface.setdefault(surface, []).append((len(self.landed), item, self.now))
            self.landed.append(item)
            self.waits.append(self.now - item.at)
            self.last = self.now

    def reject(self, item: Item) -> None:
        """Block this one; it is a false block when nothing is wrong with it."""
        del self.open[item.number]
        self.rejected.append(item)
        self.last = self.now
        guilty = item.bad or any(self.world.clash(item, other) for s in item.surfaces for other in self._since(item, s))
        self.false += not guilty

    def broken(self, surface: int, state: tuple[Item, ...], landed: int) -> bool:
        """Return whether a state is truly red for a surface: two break together when both were open at once."""
        here = [item for item in state if surface in item.surfaces]
        if any(item.bad for item in here):
            return True
        if not self.world.setup.pair:
            return False
        return any(
            self.world.clash(item, other)
            for item in here
            for other in (*here, *self._since(item, surface, landed))
            if other.number != item.number
        )

    def _since(self, item: Item, surface: int, landed: int | None = None) -> Iterator[Item]:
        """Return what landed on a surface since an item arrived, as far as the first `landed` go."""
        for at, other, when in reversed(self._by_surface.get(surface, [])):
            if when < item.at:
                return
            if landed is None or at < landed:
                yield other

    def _finish(self, run: Run) -> None:
        run.passed = not (self.broken(run.surface, run.state, run.landed) or self.world.flakes())
        self.busy -= 1
        self.ended.append(run)

    def _dispatch(self) -> None:
        while self._queue and self.busy < self.world.setup.slots:
            run = self._queue.popleft()
            if run.stopped:
                continue
            run.started = self.now
            self.busy += 1
            self.runs += 1
            self._push(self.now + run.seconds, run)

    def _push(self, at: float, event: "Run | Item | Callable[[], None]") -> None:
        self._count += 1
        heapq.heappush(self._events, (at, self._count, event))


Make = Callable[[Engine], Policy]
