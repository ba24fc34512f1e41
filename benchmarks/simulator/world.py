"""What happens to a queue: who arrives when, what is wrong with whom, how long a check takes. Drawn once a seed."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setup:
    """One set-up; `sources` says which published one it repeats."""

    name: str
    words: str
    per_hour: float = 8.0
    hours: float = 336.0
    burst: int = 0
    """Requests that are all there at the beginning, instead of a stream."""
    slots: int = 1
    bad: float = 0.05
    flake: float = 0.0
    pair: float = 0.0
    """The chance that two requests of one surface that are open at the same time break together."""
    surfaces: int = 1
    wide: float = 0.0
    """The share of requests that touch a second surface."""
    seconds: float = 300.0
    lognormal: float = 0.0
    max_train: int = 8
    seeds: int = 10
    window: int = 0
    """How many candidates prefix queues verify at once; 0: as many as there are slots."""


@dataclass(frozen=True, slots=True)
class Item:
    """One request of the simulation; requests are numbered in their order."""

    number: int
    at: float
    surfaces: tuple[int, ...]
    bad: bool
    seconds: float


class World:
    """The truth of one seed."""

    def __init__(self, setup: Setup, seed: int) -> None:
        self.setup = setup
        self._dice = random.Random(f"{setup.name} {seed}")
        self._flakes = random.Random(f"{setup.name} flakes {seed}")
        self._seed = seed
        self._pairs: dict[tuple[int, int], bool] = {}
        self.items = self._arrivals()

    def _arrivals(self) -> list[Item]:
        setup, found, at = self.setup, list[Item](), 0.0
        while True:
            if setup.burst:
                if len(found) == setup.burst:
                    return found
            else:
                at += self._dice.expovariate(setup.per_hour / 3600)
                if at > setup.hours * 3600:
                    return found
            found.append(self._item(len(found), at))

    def _item(self, number: int, at: float) -> Item:
        setup, dice = self.setup, self._dice
        surfaces = [dice.randrange(setup.surfaces)]
        if setup.surfaces > 1 and dice.random() < setup.wide:
            surfaces.append((surfaces[0] + 1 + dice.randrange(setup.surfaces - 1)) % setup.surfaces)
        seconds = setup.seconds
        if setup.lognormal:
            seconds = min(4 * seconds, seconds * dice.lognormvariate(0, setup.lognormal))
        return Item(number, at, tuple(sorted(surfaces)), dice.random() < setup.bad, seconds)

    def clash(self, one: Item, other: Item) -> bool:
        """Return whether two requests break together."""
        if not self.setup.pair or not set(one.surfaces) & set(other.surfaces):
            return False
        key = (min(one.number, other.number), max(one.number, other.number))
        if key not in self._pairs:
            self._pairs[key] = random.Random(f"{self._seed} {key}").random() < self.setup.pair
        return self._pairs[key]

    def flakes(self) -> bool:
        """Draw whether one run fails for no reason."""
        return self._flakes.random() < self.setup.flake
