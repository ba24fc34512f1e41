"""The product's planner, and what the Librarian does besides: while it merges, ships and looks, nothing is begun."""

import time
from dataclasses import dataclass
from functools import partial

from benchmarks.simulator.engine import Engine
from benchmarks.simulator.ours import Gatekeeper
from gatekeeper.model import Stage
from gatekeeper.policy.scene import Plan


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds, as measured: a train takes `ship`, `merge` a request, and a look that grows with the open requests."""

    ship: float = 0.0
    merge: float = 0.0
    look_few: float = 0.0
    look_many: float = 0.0
    few: int = 10
    many: int = 100

    def look(self, waiting: int) -> float:
        """Return the seconds of one look; past `many` open requests no more of them are merged anew."""
        share = (min(max(waiting, self.few), self.many) - self.few) / (self.many - self.few)
        return self.look_few + share * (self.look_many - self.look_few)

    def train(self, length: int, waiting: int) -> float:
        """Return the seconds from a verified train to the next moment at which something is decided."""
        return self.ship + self.merge * length + self.look(waiting)


class Shipping(Gatekeeper):
    """Counts what the Librarian and its planner do."""

    def __init__(self, engine: Engine, costs: Costs) -> None:
        super().__init__(engine)
        self.costs = costs
        self.trains = 0
        self.shipped = 0.0
        """Seconds of the virtual clock in which it did nothing else."""
        self.plans: list[float] = []
        """Seconds of the processor that each plan took; the virtual clock stands still meanwhile."""
        self._under_way = False

    def _plan(self) -> Plan:
        if self._under_way:
            return Plan(suspects=self.suspects)
        began = time.process_time()
        made = super()._plan()
        self.plans.append(time.process_time() - began)
        return made

    def _ship(self, stages: tuple[Stage, ...]) -> None:
        seconds = self.costs.train(len(stages) - 1, len(self.engine.open))
        self.trains += 1
        self.shipped += seconds
        self._under_way = True
        self.engine.later(seconds, partial(self._live, stages))

    def _live(self, stages: tuple[Stage, ...]) -> None:
        self._under_way = False
        super()._ship(stages)
