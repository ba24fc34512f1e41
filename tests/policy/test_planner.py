"""Whatever happens in whatever order: nobody starves, no guilty one lands, no innocent one is blocked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from queueing import JOBS, Queue, simple

from gatekeeper.model import Outcome, Verdict
from gatekeeper.policy import blame, planner


@st.composite
def queues(draw: st.DrawFn) -> Queue:
    count = draw(st.integers(1, 9))
    touches = {n: draw(st.frozensets(st.sampled_from(JOBS), max_size=2)) for n in range(count)}
    bad = {n: draw(st.booleans()) and draw(st.booleans()) for n in range(count)}
    breaks = {n: frozenset(list(touches[n])[:1]) if bad[n] else frozenset() for n in range(count)}
    both = [(a, b) for a in touches for b in touches if a < b and touches[a] & touches[b] and not (bad[a] or bad[b])]
    clash = draw(st.sampled_from([None, *both])) if both else None
    return Queue(
        touches,
        breaks,
        clash,
        late=draw(st.booleans()),
        slots=draw(st.integers(1, 4)),
        max_train=draw(st.integers(1, 8)),
        seconds=draw(st.sampled_from([2.0, 300.0])),
    )


def play(queue: Queue, data: st.DataObject, *, kills: bool = True) -> None:
    """File, end checks and kill in any order, until everybody has been told."""
    waiting = list(queue.touches)
    for _ in range(600):
        queue.settle()
        events = ["file"] * bool(waiting) + ["end"] * bool(queue.running) + ["kill"] * (kills and bool(queue.running))
        if not events:
            break
        match data.draw(st.sampled_from(events)):
            case "file":
                queue.filed.append(waiting.pop(0))
            case "end":
                queue.end(data.draw(st.sampled_from(sorted(queue.running))))
            case "kill":
                kills = data.draw(st.booleans())
                queue.forget()
    assert sorted([*queue.landed, *queue.blocked]) == sorted(queue.touches), "everybody is told something"


@given(queues(), st.data())
def test_the_guilty_are_blocked_and_all_others_land(queue: Queue, data: st.DataObject) -> None:
    play(queue, data)
    guilty = {n for n, broken in queue.breaks.items() if broken}
    for number in queue.landed:
        assert number not in guilty
    innocent = set(queue.blocked) - guilty
    if queue.clash is None:
        assert not innocent
    else:
        assert len(innocent) == 1
        assert innocent < set(queue.clash), "of two that break together one lands"


@given(queues())
def test_while_nothing_may_land_the_guilty_are_told_all_the_same(queue: Queue) -> None:
    queue.closed, queue.late, queue.max_train, queue.filed = True, False, len(queue.touches), list(queue.touches)
    queue.finish()
    guilty = {n for n, broken in queue.breaks.items() if broken}
    assert set(queue.blocked) == guilty
    assert not queue.landed
    queue.closed = False
    queue.finish()
    assert len(set(queue.blocked) - guilty) == (queue.clash is not None), "of two that break together one lands"
    assert {*queue.landed, *queue.blocked} == set(queue.touches)


def test_while_closed_who_needs_another_or_finds_release_red_is_not_run_without_those_ahead() -> None:
    """Alone it would fail for want of what they bring, and nothing of that is its fault."""
    queue = simple(2, max_train=8)
    queue.breaks[1], queue.needs, queue.closed = frozenset({"one"}), {1: 0}, True
    queue.finish()
    assert (queue.blocked, "one:1" in queue.runs) == ({}, False)
    other = simple(2, max_train=8)
    other.verdicts["one:"] = replace(other.verdicts["one:"], outcome=Outcome.FAILED, runs=2)
    other.breaks[1], other.closed = frozenset({"one"}), True
    other.finish()
    assert (other.blocked, "one:1" in other.runs) == ({}, False)


@given(queues(), st.data())
def test_flakes_cost_runs_and_nobody_a_block(queue: Queue, data: st.DataObject) -> None:
    """One does, where checks are thought to be reliable; three do, where they are known to be flaky."""
    queue.flakes, queue.lies = data.draw(st.sampled_from([(1, 0.005), (3, 0.1)]))
    play(queue, data)
    assert {n for n, broken in queue.breaks.items() if broken} | set(queue.clash or ()) >= set(queue.blocked)


@given(queues(), st.data())
def test_no_job_is_asked_more_often_than_needed(queue: Queue, data: st.DataObject) -> None:
    play(queue, data, kills=False)
    assert all(queue.runs.count(key) <= 2 + queue.slots for key in queue.runs)


@pytest.mark.parametrize(
    ("odds", "flakes", "times"), [(0.05, 0.005, 2), (0.05, 0.03, 3), (0.05, 0.1, 4), (0.5, 0.03, 2), (0.001, 0.5, 4)]
)
def test_the_flakier_the_checks_the_more_often_a_failure_must_come(odds: float, flakes: float, times: int) -> None:
    assert blame.times(odds, flakes) == times


def test_a_longer_state_that_failed_counts_when_all_others_in_it_have_landed() -> None:
    queue = simple(3, max_train=8)
    queue.breaks[1] = frozenset({"one"})
    queue.finish()
    assert queue.runs == ["one:0,1,2", "one:0", "one:0,1", "one:0,2"]
    assert (queue.trains, list(queue.blocked)) == ([(0,), (2,)], [1])


def test_a_longer_state_counts_for_nothing_while_another_in_it_may_be_at_fault() -> None:
    queue = simple(3, max_train=8)
    queue.breaks[1] = queue.breaks[2] = frozenset({"one"})
    queue.finish()
    assert queue.runs.count("one:0,1") == 2
    assert (queue.trains, sorted(queue.blocked)) == ([(0,)], [1, 2])


def test_a_suspect_waits_for_its_second_run_while_others_are_verified_but_not_for_ever() -> None:
    queue = simple(1, max_train=8)
    queue.breaks[0] = frozenset({"one"})
    queue.settle()
    queue.touches |= {n: frozenset({"two"}) for n in range(1, 40)}
    queue.breaks |= {n: frozenset() for n in range(1, 40)}
    for number in range(1, 40):
        queue.filed.append(number)
        queue.end(next(iter(queue.running)))
        queue.settle()
    assert queue.runs[1].startswith("two:"), "others go first"
    assert list(queue.blocked) == [0], "it is told in the end, however busy the gate is"


def test_a_train_without_a_failure_takes_one_run() -> None:
    queue = simple(8, max_train=8)
    queue.finish()
    assert (queue.trains, len(queue.runs)) == ([tuple(range(8))], 1)


def test_others_ship_while_one_surface_is_in_question() -> None:
    queue = Queue({0: frozenset({"one"}), 1: frozenset({"two"})}, {0: frozenset({"one"}), 1: frozenset()}, slots=2)
    queue.filed = [0, 1]
    queue.settle()
    queue.end("one:0")
    queue.end("two:1")
    queue.settle()
    assert queue.trains == [(1,)]
    assert "one:0" in queue.running, "the failure is asked once more"


def test_a_bisection_lands_what_is_before_the_guilty_one_and_goes_on_without_it() -> None:
    queue = simple(8, max_train=8)
    queue.breaks[5] = frozenset({"one"})
    queue.finish()
    assert (sorted(queue.landed), list(queue.blocked)) == ([0, 1, 2, 3, 4, 6, 7], [5])
    assert len(queue.runs) <= 7


def test_a_pair_that_fails_together_is_named() -> None:
    queue = simple(2, max_train=8)
    queue.clash = (0, 1)
    queue.finish()
    assert [r.id for r in queue.blocked[1].behind] == ["r0"] or queue.landed == [0]
    assert queue.landed == [0]


def test_a_time_out_is_run_again_and_never_bisected() -> None:
    queue = simple(4, max_train=8)
    queue.late, queue.breaks[2] = True, frozenset({"one"})
    queue.finish()
    assert queue.runs[:2] == ["one:0,1,2,3"] * 2
    assert queue.runs[2] == "one:0"
    assert list(queue.blocked) == [2]


def test_what_stands_behind_a_train_is_verified_while_that_ships() -> None:
    queue = simple(5, max_train=3)
    queue.settle()
    queue.end("one:0,1,2")
    made = queue.plan()
    assert made.ready is not None
    assert [run.job.key for run in made.start] == ["one:0,1,2,3,4"]


def test_what_passes_stops_what_runs_ahead_of_time() -> None:
    queue = simple(8, max_train=8, slots=4)
    queue.settle()
    assert len(queue.running) > 1
    queue.end("one:0,1,2,3,4,5,6,7")
    queue.settle()
    assert (queue.running, queue.trains) == ({}, [tuple(range(8))])


def test_what_passes_stops_what_runs_ahead_of_it_and_nothing_else() -> None:
    queue = Queue(dict.fromkeys(range(8), frozenset({"one"})) | {8: frozenset({"two"})}, {}, slots=4, max_train=8)
    queue.breaks = {number: frozenset() for number in queue.touches}
    queue.filed = list(queue.touches)
    queue.settle()
    assert len(queue.running) > 2
    queue.end("one:0,1,2,3,4,5,6,7")
    queue.settle()
    assert (set(queue.running), queue.trains) == ({"two:8"}, [tuple(range(8))])


def test_what_is_needed_in_less_than_one_of_five_cases_is_not_run_ahead_of_time() -> None:
    queue = simple(8, max_train=8, slots=8)
    queue.settle()
    assert set(queue.running) == {"one:0,1,2,3,4,5,6,7", "one:0,1,2,3"}
    long = simple(40, max_train=8, slots=9)
    long.settle()
    ends = {int(key.rpartition(",")[2]) for key in long.running}
    assert (ends >= {7, 15, 23, 31}, 39 in ends) == (True, False), "a fifth batch needs four to pass"


def test_who_is_in_question_delays_nobody_who_does_not_share_that_job() -> None:
    one, both, two = frozenset({"one"}), frozenset({"one", "two"}), frozenset({"two"})
    queue = Queue({0: one, 1: one, 2: one, 3: both, 4: two}, {}, slots=3, max_train=8)
    queue.breaks = {number: frozenset() for number in queue.touches} | {3: one}
    queue.filed = list(queue.touches)
    queue.settle()
    queue.end("one:0,1,2,3")
    queue.settle()
    assert set(queue.running) == {"one:0,1", "two:3,4", "two:4"}


def test_a_suspect_is_verified_anew_when_the_one_it_failed_behind_is_withdrawn() -> None:
    queue = Queue({0: frozenset({"one", "two"}), 1: frozenset({"one"})}, {0: frozenset(), 1: frozenset()}, (0, 1))
    queue.filed = [0, 1]
    queue.settle()
    while not (said := queue.verdicts.get("one:0")) or said.outcome is not Outcome.PASSED:
        queue.end(next(iter(queue.running)))
        queue.settle()
    assert [suspect.request.sequence for suspect in queue.suspects] == [1]
    queue.filed.remove(0)
    queue.finish()
    assert (queue.landed, queue.blocked) == ([1], {})


def test_what_is_red_on_release_is_told_and_ships_with_those_who_do_not_touch_it() -> None:
    queue = Queue({0: frozenset({"one"}), 1: frozenset({"two"})}, {0: frozenset({"one"}), 1: frozenset()}, slots=2)
    queue.verdicts["one:"] = Verdict("one:", "", Outcome.FAILED, "", 60.0, "", runs=2)
    queue.filed = [0, 1]
    queue.settle()
    queue.end("two:1")
    made = queue.plan()
    assert [red.job.key for red in made.red] == ["one:"]
    assert made.ready is not None
    assert [stage.request.sequence for stage in made.ready.stages[1:] if stage.request] == [1]
    assert [verdict.key for verdict in made.ready.red] == ["one:"]


@pytest.mark.parametrize(("odds", "size"), [(0.05, 8), (0.1, 7), (0.2, 3), (0.5, 1), (0.9, 1)])
def test_the_worse_the_odds_the_smaller_the_batch(odds: float, size: int) -> None:
    assert planner.batch(odds, 8) == size


def test_short_checks_are_waited_for_and_long_ones_are_not() -> None:
    for seconds, trains in ((2.0, []), (300.0, [(0,)])):
        queue = Queue(
            {0: frozenset({"one"}), 1: frozenset({"two"})}, {0: frozenset(), 1: frozenset()}, slots=2, seconds=seconds
        )
        queue.filed = [0, 1]
        queue.settle()
        queue.end("one:0")
        queue.settle()
        assert queue.trains == trains


def test_the_worked_example_of_the_documentation() -> None:
    shop, blog = frozenset({"one"}), frozenset({"two"})
    queue = Queue(dict.fromkeys(range(4), shop) | {4: blog, 5: blog}, dict.fromkeys(range(6), frozenset()), max_train=8)
    queue.breaks[2] = shop
    queue.filed = list(range(6))
    queue.finish()
    assert queue.runs == ["one:0,1,2,3", "one:0,1", "one:0,1,2", "two:4,5", "one:0,1,3"]
    assert queue.trains == [(0, 1), (4, 5), (3,)]
    assert list(queue.blocked) == [2]
