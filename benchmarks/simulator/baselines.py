"""The field's queues, coded from their sources and papers (see docs/queue.md), on the same engine.

A candidate is checked by one run for each surface that its requests touch, as path filters allow. Each policy may be
given `again`: a failing single request is verified once more before it is rejected.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from benchmarks.simulator.engine import Engine, Run
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

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.parallel = engine.world.setup.slots
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


class SubmitQueue:
    """Uber's: each pending change is built on every likely outcome of the ones ahead that it shares a surface with; the
    likeliest to be needed run first, the others are aborted. A change is decided when all ahead of it are."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.builds: dict[tuple[int, tuple[int, ...]], Check] = {}
        """By change and the changes ahead that are taken to land."""

    def step(self) -> None:
        while self._decide():
            continue
        self._speculate()

    def _ahead(self, item: Item) -> list[Item]:
        mine = set(item.surfaces)
        return [o for o in self.engine.open.values() if o.number < item.number and mine & set(o.surfaces)]

    def _decide(self) -> bool:
        for item in list(self.engine.open.values()):
            if self._ahead(item):
                continue
            check = self.builds.get((item.number, ()))
            if check is None or check.passed is None:
                continue
            if check.passed:
                self.engine.land([item])
            else:
                self.engine.reject(item)
            self._resolve(item, landed=check.passed)
            return True
        return False

    def _resolve(self, item: Item, *, landed: bool) -> None:
        """Drop the builds whose assumption was wrong; the right ones no longer assume anything about it."""
        kept = {}
        shared = set(item.surfaces)
        for (number, on), check in self.builds.items():
            if number == item.number:
                continue
            assumed = item.number in on
            other = self.engine.world.items[number]
            if assumed != landed and (assumed or shared & set(other.surfaces)):
                check.stop()
            else:
                kept[number, tuple(n for n in on if n != item.number)] = check
        self.builds = kept

    def _speculate(self) -> None:
        budget = self.engine.world.setup.slots
        wanted: list[tuple[float, tuple[int, tuple[int, ...]]]] = []
        good: dict[int, float] = {}
        for item in self.engine.open.values():
            ahead = self._ahead(item)
            wanted += self._paths(item, ahead, good)
            good[item.number] = self._chance(item)
        wanted.sort(key=lambda path: -path[0])
        chosen, cost = set(), 0
        for _, key in wanted:
            if self.builds.get(key) is None or self.builds[key].passed is None:
                cost += len(self.engine.world.items[key[0]].surfaces)
            if chosen and cost > budget:
                break
            chosen.add(key)
        for key in [k for k, check in self.builds.items() if k not in chosen and check.passed is None]:
            self.builds.pop(key).stop()
        for key in (path for _, path in wanted if path in chosen and path not in self.builds):
            item = self.engine.world.items[key[0]]
            on = [self.engine.world.items[n] for n in key[1]]
            self.builds[key] = Check(self.engine, [*on, item], [item])

    def _paths(
        self, item: Item, ahead: Sequence[Item], good: dict[int, float]
    ) -> list[tuple[float, tuple[int, tuple[int, ...]]]]:
        """The likeliest path, and each that differs from it in one or two assumptions."""
        lands = {o.number for o in ahead if good[o.number] >= 0.5}
        odds = {o.number: good[o.number] for o in ahead}
        top = 1.0
        for n, chance in odds.items():
            top *= chance if n in lands else 1 - chance
        flips = sorted(odds, key=lambda n: -min(odds[n], 1 - odds[n]))[:6]
        paths = [(top, (item.number, tuple(o.number for o in ahead if o.number in lands)))]
        for i, n in enumerate(flips):
            for others in ((), *((m,) for m in flips[i + 1 :])):
                changed = lands ^ {n, *others}
                value = top
                for m in (n, *others):
                    value *= min(odds[m], 1 - odds[m]) / max(odds[m], 1 - odds[m], 1e-9)
                paths.append((value, (item.number, tuple(o.number for o in ahead if o.number in changed))))
        return paths

    def _chance(self, item: Item) -> float:
        """What is thought of a change: the share of good ones at first, then what its builds said."""
        said = [check.passed for (n, _), check in self.builds.items() if n == item.number and check.passed is not None]
        if not said:
            return 1 - self.engine.world.setup.bad
        return 0.98 if any(said) else 0.1


class Oracle:
    """Knows who is bad: rejects these for nothing, never runs what fails; all it needs is one pass over the others."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.going: dict[int, list[tuple[tuple[Item, ...], Run]]] = {}
        self.passed: dict[int, set[int]] = {}

    def step(self) -> None:
        good: tuple[Item, ...] = ()
        for item in list(self.engine.open.values()):
            if any(self.engine.broken(s, (*good, item), len(self.engine.landed)) for s in item.surfaces):
                self.engine.reject(item)
            else:
                good = (*good, item)
        for surface, going in self.going.items():
            for state, run in going:
                if run.done:  # it knows a flake, too
                    self.passed.setdefault(surface, set()).update(item.number for item in state)
            self.going[surface] = [pair for pair in going if not pair[1].done]
        fit = [i for i in self.engine.open.values() if all(i.number in self.passed.get(s, ()) for s in i.surfaces)]
        self.engine.land(fit)
        for surface in sorted(range(self.engine.world.setup.surfaces), key=self._oldest):
            self._cover(surface)

    def _oldest(self, surface: int) -> int:
        return next((i.number for i in self._uncovered(surface)), 1 << 60)

    def _uncovered(self, surface: int) -> list[Item]:
        covered = {i.number for state, _ in self.going.get(surface, []) for i in state} | self.passed.get(
            surface, set()
        )
        return [i for i in self.engine.open.values() if surface in i.surfaces and i.number not in covered]

    def _cover(self, surface: int) -> None:
        while self.engine.busy < self.engine.world.setup.slots:
            fresh = self._uncovered(surface)[: self.engine.world.setup.max_train]
            if not fresh:
                return
            run = self.engine.submit(surface, fresh)
            self.going.setdefault(surface, []).append((tuple(fresh), run))


class SerialAgain(Serial):
    """Serial, and a failure is verified once more."""

    again = True


class BorsAgain(Bors):
    """bors-ng, and a failing single is verified once more."""

    again = True


class PrefixAgain(Prefix):
    """Prefixes, and a failing head is verified once more."""

    again = True
