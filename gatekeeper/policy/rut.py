"""Notices a heartbeat that leads nowhere: nothing may hang on one request, nor on a build that is never the same."""

from collections import Counter

from msgspec import Struct, field

from gatekeeper.model import Oid
from gatekeeper.policy.step import Ship, Step, Verify

_OFTEN = 3


class Rut(Struct):
    """The steps of one heartbeat, as far as they repeat."""

    _last: Step | None = None
    _repeated: int = 0
    _ships: Counter[Oid] = field(default_factory=Counter)

    def after(self, step: Step) -> bool:
        """Take note of a step; True when it follows itself, or ships one tree, too often to be of use."""
        self._repeated = self._repeated + 1 if step == self._last and step != Verify() else 0
        self._last = step
        if isinstance(step, Ship):
            self._ships[step.train[-1].tree] += 1
        return self._repeated == _OFTEN or max(self._ships.values(), default=0) > _OFTEN
