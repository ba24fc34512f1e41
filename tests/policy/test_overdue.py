"""What has stood still for too long, and what only waits for somebody."""

from gatekeeper.model import Actor, Ask, Oid, Reason, RequestId, Result, State
from gatekeeper.policy.overdue import expired, late, stuck


def result(state: State, code: str | None = None, number: int = 1) -> Result:
    reason = Reason(code, "why") if code else None
    at = "2026-01-01T00:00:00Z"
    return Result(
        RequestId(f"r{number}"), Oid("0" * 40), 1, state, Actor("a"), Ask((), "", ""), number, at, at, reason=reason
    )


NEW_YEAR = 1767225600.0


def test_blocked_and_held_requests_expire_oldest_first() -> None:
    waiting = [result(State.HELD, "GATE-406", 2), result(State.BLOCKED, "GATE-401", 1), result(State.QUEUED, None, 3)]
    assert expired(waiting, now=NEW_YEAR + 60, after=60) == ()
    assert [one.id for one in expired(waiting, now=NEW_YEAR + 61, after=60)] == ["r1", "r2"]


def test_only_what_the_gate_should_move_is_stuck() -> None:
    for state, code, is_late in (
        (State.QUEUED, None, True),
        (State.QUEUED, "GATE-409", True),
        (State.VERIFYING, None, True),
        (State.VERIFIED, "GATE-408", False),
        (State.BLOCKED, "GATE-402", False),
        (State.HELD, "GATE-406", False),
        (State.SHIPPED, None, False),
    ):
        one = result(state, code)
        assert stuck([one], now=NEW_YEAR + 60, after=60) == ()
        assert stuck([one], now=NEW_YEAR + 61, after=60) == ((one,) if is_late else ()), state


def test_a_heartbeat_is_late_once_it_is_a_whole_period_overdue() -> None:
    last, due = "2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z"
    assert late(last, due, now=NEW_YEAR + 30 * 60) == 0
    assert late(last, due, now=NEW_YEAR + 30 * 60 + 1) == 15 * 60 + 1
    assert late(last, due, now=NEW_YEAR - 86_400) == 0
