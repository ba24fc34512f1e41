"""What this process does at the moment, for whoever watches: a terminal, `status`, `wait`. Nothing depends on it.

A module's state, as a process works on one gate at a time. Whoever is told must not raise.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from msgspec import Struct, field
from msgspec.structs import replace


class Doing(Struct, frozen=True):
    """What is done, since when (seconds since 1970), and the jobs that run beside it, each with its own begin."""

    what: str = ""
    since: float = 0.0
    jobs: Mapping[str, float] = field(default_factory=dict)


_now = Doing()
_watchers: list[Callable[[Doing], None]] = []


def at(what: str) -> None:
    """Say what begins; the same words again begin nothing."""
    if what != _now.what:
        _say(replace(_now, what=what, since=time.time()))


def jobs(running: Mapping[str, float]) -> None:
    """Say which jobs run."""
    if running != _now.jobs:
        _say(replace(_now, jobs=dict(running)))


@contextmanager
def watched(watcher: Callable[[Doing], None]) -> Iterator[None]:
    """Have somebody told of every change from now on."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def _say(doing: Doing) -> None:
    global _now  # noqa: PLW0603 - see the head
    _now = doing
    for watcher in tuple(_watchers):
        watcher(doing)
