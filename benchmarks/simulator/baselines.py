"""The field's queues, coded from their sources and papers (see docs/queue.md), on the same engine.

A candidate is checked by one run for each surface that its requests touch, as path filters allow. Each policy may be
given `again`: a failing single request is verified once more before it is rejected.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from benchmarks.simulator.engine import Engine
from benchmarks.simulator.world import Item


class Check:
    """All runs of one candidate: fails with the first that fails, passes with the last."""

    def __init__(self, engine: Engine, state: Sequence[Item], judged: Iterable[Item] | None = None) -> None:
        self.engine, self.state = engine, tuple(state)
        surfaces = sorted({s for item in (self.state if judged is None else judged) for s in item.surfaces})
        self.runs = [engine.submit(s, [item for item in self.state if s in item.surfaces]) for s in surfaces]

    @property
    def passed(self) -> bool | None:
        said = [run.passed for run in self.runs]
        if False in said:
            self.stop()
            return False
        return True if all(said) else None

    def stop(self) -> None:
        for run in self.runs:
            self.engine.stop(run)


class Serial:
    """homu, Kodiak: the oldest, alone, then the next."""

    again = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.check: Check | None = None
        self.tried = 0

    def step(self) -> None:
        while True:
            if self.check is None:
                head = next(iter(self.engine.open.values()), None)
                if head is None:
                    return
                self.check = Check(self.engine, [head])
            passed, (item,) = self.check.passed, self.check.state
            if passed is None:
                return
            self.check = None
            if passed:
                self.engine.land([item])
            elif self.again and not self.tried:
                self.tried += 1
                continue
            else:
                self.engine.reject(item)
            self.tried = 0


class Bors:
    """bors-ng: one batch at a time; a failure splits it in two halves, the lower first, each on what has landed."""

    again = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.halves: list[tuple[Item, ...]] = []
        self.check: Check | None = None
        self.tried: set[int] = set()

    def step(self) -> None:
        while True:
            if self.check is None:
                state = self.halves.pop(0) if self.halves else self._batch()
                if not state:
                    return
                self.check = Check(self.engine, state)
            passed, state = self.check.passed, self.check.state
            if passed is None:
                return
            self.check = None
            if passed:
                self.engine.land(state)
            elif len(state) > 1:
                self.halves[:0] = [state[: len(state) // 2], state[len(state) // 2 :]]
            elif self.again and state[0].number not in self.tried:
                self.tried.add(state[0].number)
                self.halves.insert(0, state)
            else:
                self.engine.reject(state[0])

    def _batch(self) -> tuple[Item, ...]:
        return tuple(self.engine.open.values())[: self.engine.world.setup.max_train]


class Mergify:
    """A failed batch is cut into as many prefixes as checks may run; the first that passes lands, the first that fails
    is cut again. Later batches stand on the ones ahead, and are put back when one ahead fails."""

    again = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.parallel = engine.world.setup.slots
        self.tried: set[int] = set()
        self.groups: list[tuple[Item, ...]] = []
        """The parts of the batch that failed, in order; the last is known to fail with those ahead of it."""
        self.checks: list[Check] = []
        self.split = False

    def step(self) -> None:
        while self._once():
            continue

    def _once(self) -> bool:
        if not self.groups:
            self.split = False
        if not self.split:
            self._batches()
        for check, state in zip(list(self.checks), list(accumulate(self.groups)), strict=False):
            passed = check.passed
            if passed is None:
                break
            at = self.checks.index(check)
            if passed:
                self._land(at)
            else:
                self._failed(at)
            del state
            return True
        return False

    def _land(self, at: int) -> None:
        self.engine.land([item for group in self.groups[: at + 1] for item in group])
        for check in self.checks[:at]:
            check.stop()
        del self.groups[: at + 1], self.checks[: at + 1]
        if self.split and not self.checks and len(self.groups) == 1:
            self._failed(0)  # the part that was not run again: all ahead of it passed, so it holds the failure

    def _failed(self, at: int) -> None:
        group = self.groups[at]
        for check in self.checks:
            check.stop()
        self.checks, self.groups = [], []
        if len(group) == 1 and self.again and group[0].number not in self.tried:
            self.tried.add(group[0].number)
            self.groups, self.checks, self.split = [group], [Check(self.engine, group)], True
            return
        if len(group) == 1:
            self.engine.reject(group[0])
            self.split = False
            return
        parts = min(len(group), max(2, self.parallel))
        cuts = [len(group) * n // parts for n in range(parts + 1)]
        self.groups = [group[a:b] for a, b in pairwise(cuts)]
        self.checks = [Check(self.engine, state) for state in list(accumulate(self.groups))[:-1]]
        self.split = True

    def _batches(self) -> None:
        taken = {item.number for group in self.groups for item in group}
        while len(self.checks) < self.parallel:
            free = [item for item in self.engine.open.values() if item.number not in taken]
            group = tuple(free[: self.engine.world.setup.max_train])
            if not group:
                return
            taken |= {item.number for item in group}
            self.groups.append(group)
            self.checks.append(Check(self.engine, list(accumulate(self.groups))[-1], group))


@dataclass(eq=False, slots=True)
class _Car:
    item: Item
    check: Check | None = None
    on: tuple[Item, ...] = ()
    tried: bool = False


class Prefix:
    """GitLab merge trains, the GitHub queue: each on all ahead of it; the head decides, a failure restarts the rest."""

    again = False
    early = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.cars: dict[int, _Car] = {}
        self.window = engine.world.setup.window or engine.world.setup.slots

    def step(self) -> None:
        while self._once():
            continue
        self._start()

    def _once(self) -> bool:
        """Report the head when it is decided."""
        self.cars = {n: self.cars.get(n) or _Car(item) for n, item in self.engine.open.items()}
        head = next(iter(self.cars.values()), None)
        if head is None or head.check is None or head.on or head.check.passed is None:
            return False
        if head.check.passed:
            self.engine.land([head.item])
            for car in self.cars.values():
                car.on = tuple(item for item in car.on if item is not head.item)
            self.decided(passed=True)
        elif self.again and not head.tried:
            head.tried, head.check = True, None
            return False
        else:
            self.engine.reject(head.item)
            self.decided(passed=False)
        return True

    def decided(self, *, passed: bool) -> None:
        """The head was reported."""

    def _start(self) -> None:
        ahead: tuple[Item, ...] = ()
        for car in list(self.cars.values())[: self.window]:
            if car.check is None or car.on != ahead:
                if car.check is not None:
                    car.check.stop()
                car.check, car.on = Check(self.engine, (*ahead, car.item), [car.item]), ahead
            if not (self.early and car.check.passed is False):
                ahead = (*ahead, car.item)


class Zuul(Prefix):
    """Zuul's dependent pipeline: as above, but behind one that fails the rest restarts now, on the nearest that does
    not; the window grows by one with a success and is halved by a failure."""

    early = True

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.window = 20

    def decided(self, *, passed: bool) -> None:
        self.window = min(20, self.window + 1) if passed else max(3, self.window // 2)


class SerialAgain(Serial):
    """Serial, and a failure is verified once more."""

    again = True


class BorsAgain(Bors):
    """bors-ng, and a failing single is verified once more."""

    again = True


class PrefixAgain(Prefix):
    """Prefixes, and a failing head is verified once more."""

    again = True


class MergifyAgain(Mergify):
    """Mergify, and a single that fails, or must have failed, is verified once more."""

    again = True
