"""Which requests have stood still for too long. Pure: results and the time (seconds since 1970) in, the overdue out."""

from collections.abc import Iterable
from datetime import datetime

from gatekeeper.model import Result, State

_WAITS_FOR_SOMEBODY = (State.BLOCKED, State.HELD)
_CLOSED = "GATE-408"


def expired(results: Iterable[Result], *, now: float, after: float) -> tuple[Result, ...]:
    """Return what has been blocked or held for longer than `after` seconds, the oldest first."""
    found = [r for r in results if r.state in _WAITS_FOR_SOMEBODY and now - since(r) > after]
    return tuple(sorted(found, key=lambda result: result.sequence))


def stuck(results: Iterable[Result], *, now: float, after: float) -> tuple[Result, ...]:
    """Return what has been in the queue for longer than `after` seconds without a change of state.

    A request that a person or the clock keeps waiting is not stuck: it says so itself.
    """
    return tuple(result for result in results if _queued(result) and now - since(result) > after)


def late(last: str, due: str, *, now: float) -> float:
    """Return how many seconds ago a heartbeat was due, once that is longer than a period; 0 before."""
    return now - datetime.fromisoformat(due).timestamp() if now > stale(last, due) else 0.0


def stale(last: str, due: str) -> float:
    """Return the instant from which a heartbeat is late, and what was seen in the last one is not to be believed."""
    began, expected = (datetime.fromisoformat(at).timestamp() for at in (last, due))
    return expected + (expected - began)


def since(result: Result) -> float:
    """Return when it came to its present state."""
    return datetime.fromisoformat(result.updated_at).timestamp()


def _queued(result: Result) -> bool:
    if result.state.final or result.state in _WAITS_FOR_SOMEBODY:
        return False
    return result.reason is None or result.reason.code != _CLOSED
