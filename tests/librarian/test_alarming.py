"""How what a heartbeat found becomes causes: by what it is about, and only as far as the heartbeat looked."""

import pytest
from msgspec.structs import replace

from gatekeeper.librarian import alarming
from gatekeeper.model import Actor, Ask, Decision, Oid, Reason, Release, RequestId, Result, State
from gatekeeper.policy import step as steps
from gatekeeper.policy.alerting import Level
from gatekeeper.policy.scene import Plan
from gatekeeper.policy.step import Snapshot, Standing

RELEASE = Release(None, Oid("1" * 40), Oid("2" * 40))
IDLE = Snapshot(RELEASE)
BUSY = replace(IDLE, plan=Plan(running=True))
WRONG = Reason("GATE-504", "not well")


def blocked(code: str, state: State = State.BLOCKED) -> Standing:
    at = "2026-01-01T00:00:00Z"
    actor, ask, why = Actor("codex"), Ask((), "Do it", ""), Reason(code, "why")
    result = Result(RequestId("r1"), Oid("3" * 40), 1, state, actor, ask, 1, at, at, reason=why)
    return Standing(result, state, why)


def test_only_what_was_looked_at_can_be_over() -> None:
    def judged(seen: Snapshot) -> frozenset[str]:
        return alarming.sight(seen, (), (), now=0, patience=60).judged

    always = {"config", "heartbeat", "mirror", "repository"}
    assert judged(replace(IDLE, tampering=("gone",))) == always
    assert judged(IDLE) == always | {"request", "sites"}, "nobody asked whether `release` is still red"
    assert judged(BUSY) == always | {"request", "sites", "release"}
    assert alarming.glimpse(BUSY, (), now=0).judged == frozenset()


@pytest.mark.parametrize(
    ("code", "level", "delay"),
    [
        ("GATE-401", Level.WARNING, 0),
        ("GATE-402", Level.WARNING, 60),
        ("GATE-403", Level.WARNING, 60),
        ("GATE-404", Level.ERROR, 0),
        ("GATE-203", Level.WARNING, 60),
        ("GATE-301", Level.WARNING, 0),
        ("GATE-303", Level.WARNING, 60),
        ("GATE-503", Level.ERROR, 0),
    ],
)
def test_what_its_agent_can_repair_is_the_agents_first(code: str, level: Level, delay: float) -> None:
    seen = replace(IDLE, standings=(blocked(code),))
    (cause,) = alarming.sight(seen, (), (), now=0, patience=60).causes
    assert (cause.key, cause.level, cause.delay, cause.agent) == (f"request/r1/{code}", level, delay, "codex")


def test_a_held_request_is_told_at_once_and_a_waiting_one_is_not() -> None:
    held, waits = blocked("GATE-406", State.HELD), blocked("GATE-409", State.QUEUED)
    causes = alarming.sight(replace(IDLE, standings=(held, waits)), (), (), now=0, patience=60).causes
    assert [(cause.code, cause.delay) for cause in causes] == [("GATE-406", 0)]


def test_a_step_that_went_wrong_is_about_what_it_was_for() -> None:
    result = blocked("GATE-401").result
    decision = Decision("key", "rollback", Actor("kim"), "2026-01-01T00:00:00Z")
    alarms: list[alarming.Alarmed] = [
        (steps.Sweep(result), WRONG),
        (steps.Converge(("shop", "web")), WRONG),
        (steps.Close(result, wished=False), WRONG),
        (steps.CarryOut(decision), WRONG),
        (steps.Rest("x", Reason("GATE-502", "moved")), Reason("GATE-502", "moved")),
        (steps.Rest("x", WRONG), WRONG),
        (steps.Reconfigure(("shop",)), WRONG),
        (steps.Restate((steps.Mark(result, State.BLOCKED),)), WRONG),
    ]
    causes = alarming.glimpse(BUSY, alarms, now=7).causes
    assert [cause.key for cause in causes] == [
        "request/r1/GATE-504",
        "sites/shop,web/GATE-504",
        "event/vanished r1 7/GATE-504",
        "event/rollback key/GATE-504",
        "repository/changed/GATE-502",
        "release/itself/GATE-504",
        "event/Reconfigure 7/GATE-504",
    ]
