"""Does one kind of work beside the heartbeat, in a thread of its own."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class Beside(Generic[_Item]):
    """Takes one item after the other; of what waits only the newest counts. `do` must not raise.

    It begins `settle` seconds after something came, so that what comes together is done once.
    """

    def __init__(self, name: str, do: Callable[[_Item], None], *, settle: float = 0.0) -> None:
        self._do, self._settle = do, settle
        self._waiting: list[_Item] = []
        self._changed = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    def send(self, item: _Item) -> None:
        """Have it done as soon as what is under way has ended; returns at once."""
        with self._changed:
            self._waiting[:] = [item]
            self._changed.notify()

    def close(self, patience: float) -> None:
        """Begin nothing new, and wait for what is under way and the one that waits, `patience` seconds at most."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(patience)

    def _live(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ending)
                self._changed.wait_for(lambda: self._ending, self._settle)
                if not self._waiting:
                    return
                item = self._waiting.pop()
            self._do(item)
