"""What people are told, over whole lives of causes: once each, one reminder, one end, whatever the clock does."""

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gatekeeper.policy.alerting import (
    DAY,
    EVENT,
    Cause,
    Causes,
    Channel,
    Level,
    Quiet,
    Sight,
    choices,
    delivered,
    look,
    plan,
)

HOUR = 3600.0
ALL = Channel("all", ((Level.INFO, None),))
GRAVE = Channel("grave", ((Level.ERROR, None),))
SLEEPER = Channel("sleeper", ((Level.INFO, Quiet(22 * 60, 7 * 60)),))
CONFLICT = Cause("request/a/GATE-401", "GATE-401", "conflict", Level.WARNING, id="a")
RED = Cause("request/b/GATE-402", "GATE-402", "red", Level.WARNING, id="b", delay=1800.0)
DISK = Cause("heartbeat/failed/GATE-503", "GATE-503", "full")
VANISHED = Cause(f"{EVENT}/vanished/GATE-502", "GATE-502", "gone")
EVERYTHING = frozenset({"request", "heartbeat"})


class World:
    """The policy as the desk drives it; `heard` is every sentence that arrived."""

    def __init__(self, *channels: Channel) -> None:
        self.causes: Causes = {}
        self.channels = channels
        self.heard: list[tuple[str, str, str]] = []

    def beat(self, *causes: Cause, now: float, works: bool = True, judged: frozenset[str] = EVERYTHING) -> list[str]:
        """Look, tell, and return what the beat said to anybody."""
        self.causes = look(self.causes, Sight(causes, judged, {"a": "shipped"}), now)
        said = []
        for message in plan(self.causes, self.channels, now=now, minute=int(now % DAY // 60)):
            groups = (("new", message.new), ("reminder", message.reminders), ("resolved", message.resolved))
            told = [(message.channel, news, known.cause.key) for news, group in groups for known in group]
            assert told
            if works:
                said += [f"{news} {key}" for _, news, key in told]
                self.heard += told
                self.causes = delivered(self.causes, message, now)
        stored = msgspec.json.decode(msgspec.json.encode(self.causes), type=Causes)
        assert stored == self.causes
        return said


def test_a_conflict_is_told_at_once_then_a_day_later_then_its_end() -> None:
    world = World(ALL)
    assert world.beat(CONFLICT, now=0) == ["new request/a/GATE-401"]
    assert world.beat(replace(CONFLICT, text="in other words", tip="new"), now=900) == []
    assert world.beat(CONFLICT, now=DAY) == ["reminder request/a/GATE-401"]
    assert world.beat(CONFLICT, now=3 * DAY) == []
    assert world.beat(now=3 * DAY + 1) == ["resolved request/a/GATE-401"]
    assert world.causes == {}
    assert world.beat(CONFLICT, now=4 * DAY) == ["new request/a/GATE-401"]


def test_a_red_check_is_its_agents_first() -> None:
    world = World(ALL)
    assert world.beat(RED, now=0) == []
    assert world.beat(now=600) == []
    assert world.causes == {}, "repaired in time: nobody was told, nobody need be told of the end"
    assert world.beat(replace(RED, since=600.0), now=1000) == []
    assert world.beat(replace(RED, since=2000.0), now=2799) == [], "a new tip that is as red"
    assert world.beat(replace(RED, since=2000.0), now=2800) == ["new request/b/GATE-402"]


def test_a_state_that_was_lost_tells_what_was_due_again_at_once() -> None:
    assert World(ALL).beat(replace(RED, since=0.0), now=1800) == ["new request/b/GATE-402"]


def test_what_was_not_looked_at_is_not_over() -> None:
    world = World(ALL)
    world.beat(CONFLICT, DISK, now=0)
    assert world.beat(now=900, judged=frozenset({"heartbeat"})) == ["resolved heartbeat/failed/GATE-503"]
    assert world.beat(now=901) == ["resolved request/a/GATE-401"]


def test_an_event_is_told_once_and_is_never_over() -> None:
    world = World(ALL)
    assert world.beat(VANISHED, now=0) == [f"new {VANISHED.key}"]
    assert world.beat(now=900) == []
    assert world.beat(now=2 * DAY) == []
    assert world.causes == {}


def test_levels_and_quiet_hours_are_an_addresss_own() -> None:
    world = World(ALL, GRAVE, SLEEPER)
    world.beat(CONFLICT, DISK, now=23 * HOUR)
    assert {(channel, key[:4]) for channel, _, key in world.heard} == {
        ("all", "requ"),
        ("all", "hear"),
        ("grave", "hear"),
    }
    world.heard.clear()
    world.beat(CONFLICT, now=DAY + 6 * HOUR)
    assert {(channel, news) for channel, news, _ in world.heard} == {("all", "resolved"), ("grave", "resolved")}
    world.heard.clear()
    world.beat(CONFLICT, now=DAY + 7 * HOUR)
    assert world.heard[-1:] == [("sleeper", "new", CONFLICT.key)], "what was over in the morning was never told"


def test_an_end_in_quiet_hours_is_told_when_they_are_over_unless_it_came_back() -> None:
    world = World(SLEEPER)
    world.beat(CONFLICT, now=12 * HOUR)
    assert world.beat(now=23 * HOUR) == []
    assert world.beat(CONFLICT, now=DAY) == []
    assert world.beat(CONFLICT, now=DAY + 8 * HOUR) == []
    assert world.beat(now=DAY + 23 * HOUR) == []
    assert world.beat(now=2 * DAY + 8 * HOUR) == [f"resolved {CONFLICT.key}"]


def test_who_never_heard_of_a_cause_does_not_hear_of_its_end() -> None:
    world = World(ALL, SLEEPER)
    world.beat(DISK, now=23 * HOUR)
    world.beat(now=DAY + 8 * HOUR, works=False)
    world.heard.clear()
    world.beat(now=DAY + 9 * HOUR)
    assert world.heard == [("all", "resolved", DISK.key)]


def test_a_cause_that_comes_back_while_its_end_is_told_is_told_anew() -> None:
    world = World(ALL)
    world.beat(RED, now=0)
    world.beat(RED, now=1800)
    world.causes = look(world.causes, Sight((), EVERYTHING), 2700)
    (under_way,) = plan(world.causes, world.channels, now=2700, minute=45)
    world.causes = look(world.causes, Sight((RED,), EVERYTHING), 2701)
    world.causes = delivered(world.causes, under_way, 2702)
    assert world.beat(RED, now=2703) == [f"new {RED.key}"]


def test_every_choice_is_a_command_with_what_it_needs() -> None:
    held = Cause("request/c/GATE-406", "GATE-406", "", id="c", tip="f" * 40)
    assert choices(held)[1] == ("approve", "c@ffffffffffff", "-m", "…")
    barred = replace(held, code="GATE-301")
    assert choices(barred) == choices(held), "its agent was removed: to try again changes nothing"
    assert choices(CONFLICT)[1] == ("resolve", "a")
    assert choices(DISK) == (("status",), ("doctor",))


# Forward less than a day in all: an end that nobody could be told of for a day is forgotten.
Step = tuple[set[Cause], float, bool, bool]
STEPS = st.lists(
    st.tuples(
        st.sets(st.sampled_from([CONFLICT, RED, DISK])),
        st.floats(-2 * DAY, 2700.0),
        st.booleans(),
        st.booleans(),
    ),
    max_size=30,
)


@given(STEPS)
def test_nothing_is_told_twice_and_no_end_without_a_beginning(
    steps: list[tuple[set[Cause], float, bool, bool]],
) -> None:
    """Whatever comes and goes, whether or not messages arrive, and however the clock jumps."""
    world, now = World(ALL, GRAVE), 100 * DAY
    for causes, jump, works, whole in steps:
        now = max(now + jump, 0.0)
        world.beat(*causes, now=now, works=works, judged=EVERYTHING if whole else frozenset())
        for channel in ("all", "grave"):
            for cause in (CONFLICT, RED, DISK):
                said = Counter(news for who, news, key in world.heard if (who, key) == (channel, cause.key))
                assert 0 <= said["new"] - said["resolved"] <= 1
                assert said["reminder"] <= said["new"]


@given(st.lists(st.floats(-5 * DAY, 5 * DAY), max_size=20))
def test_what_lasts_is_told_once_and_reminded_of_once_however_the_clock_jumps(jumps: list[float]) -> None:
    world, now = World(ALL), 100 * DAY
    for jump in (0.0, *jumps):
        now = max(now + jump, 0.0)
        world.beat(DISK, now=now)
    world.beat(DISK, now=now + DAY + 1)
    world.beat(DISK, now=now + 3 * DAY)
    assert [news for _, news, _ in world.heard] == ["new", "reminder"]


@given(st.lists(st.booleans(), max_size=10))
def test_what_could_not_be_delivered_is_told_as_soon_as_it_can(works: list[bool]) -> None:
    world = World(ALL)
    for number, one in enumerate((*works, True)):
        world.beat(DISK, now=900.0 * number, works=one)
    assert [news for _, news, _ in world.heard] == ["new"]
