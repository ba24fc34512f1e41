"""SubmitQueue's builds ahead of time, and an oracle that knows how each ends, on the same engine as the baselines."""

from collections.abc import Sequence

from benchmarks.simulator.baselines import Check
from benchmarks.simulator.engine import Engine, Run
from benchmarks.simulator.world import Item


class SubmitQueue:
    """Uber's: each pending change is built on every likely outcome of the ones ahead that it shares a surface with; the
    likeliest to be needed run first, the others are aborted. A change is decided when all ahead of it are."""

    again = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.tried: set[int] = set()
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
        taken: set[int] = set()
        for item in list(self.engine.open.values()):
            waits, taken = taken & set(item.surfaces), taken | set(item.surfaces)
            if waits:
                continue
            check = self.builds.get((item.number, ()))
            if check is None or check.passed is None:
                continue
            if check.passed:
                self.engine.land([item])
            elif self.again and item.number not in self.tried:
                self.tried.add(item.number)
                del self.builds[item.number, ()]
                continue
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
        for item in self._considered(budget + len(self.builds)):
            ahead = self._ahead(item)
            wanted += self._paths(item, ahead, good)
            good[item.number] = self._chance(item)
        wanted.sort(key=lambda path: -path[0])
        chosen, cost = set[tuple[int, tuple[int, ...]]](), 0
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

    def _considered(self, most: int) -> list[Item]:
        """Behind so many of one surface each path is less likely than one of theirs."""
        return list(self.engine.open.values())[: most if self.engine.world.setup.surfaces == 1 else None]

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


class SubmitQueueAgain(SubmitQueue):
    """SubmitQueue, and a change that failed on what has landed is built once more."""

    again = True
