"""A line of merged requests as its jobs see it, and when a failure counts."""

import pytest
from queueing import Queue, simple

from gatekeeper.model import Outcome, Request, Stage, Verdict
from gatekeeper.policy import blame
from gatekeeper.policy.line import first_of_each, tracks, without
from gatekeeper.policy.order import order

ONE = frozenset({"one"})


def _said(outcome: Outcome, runs: int = 1) -> Verdict:
    return Verdict("", "", outcome, "", 1.0, "", runs=runs)


def _stages(queue: Queue) -> tuple[Stage, ...]:
    return queue.make(queue.requests())


def test_a_job_that_is_gone_for_a_while_has_one_turn_for_that() -> None:
    stages = _stages(simple(4))
    gone = [stages[0], *(Stage(s.request, s.commit, s.tree) for s in stages[1:4]), stages[4]]
    track = next(track for name, track in tracks(gone).items() if name.name == "one")
    assert [(turn.at, turn.job is None) for turn in track] == [(0, False), (1, True), (4, False)]


def test_release_is_in_reach_once_and_counts_for_no_bundle() -> None:
    assert first_of_each([0, 1, 1, 2, 1], 2) == [0, 1, 2, 3]
    assert first_of_each([0, 0, 0], 1) == [0, 1]


def test_who_depends_on_who_depends_on_one_that_steps_aside_steps_aside() -> None:
    queue = simple(4)
    queue.needs = {1: 0, 2: 1}
    requests: tuple[Request, ...] = queue.requests()
    assert [request.sequence for request in without(requests, {requests[0].id})] == [3]


def test_requests_that_depend_on_each_other_in_a_circle_are_all_in_the_order() -> None:
    """The door refuses them, and so does the Librarian; until then nobody may hang on it."""
    queue = simple(3)
    queue.needs = {0: 1, 1: 0}
    assert [request.sequence for request in order(queue.requests())] == [1, 0, 2]


def test_what_holds_a_known_failure_is_stopped() -> None:
    queue = simple(16, max_train=8, slots=2)
    queue.breaks[3] = ONE
    queue.settle()
    first, both = (f"one:{','.join(map(str, range(count)))}" for count in (8, 16))
    assert set(queue.running) == {first, both}
    queue.end(first)
    queue.settle()
    assert both not in queue.running


def test_what_passes_beyond_one_train_does_not_speak_for_what_ships_first() -> None:
    """The state that ships is the shorter one, and nobody has verified that tree."""
    queue = simple(5, max_train=3, slots=2)
    queue.settle()
    assert set(queue.running) == {"one:0,1,2", "one:0,1,2,3,4"}
    queue.end("one:0,1,2,3,4")
    queue.settle()
    assert (set(queue.running), queue.trains) == ({"one:0,1,2"}, [])
    queue.end("one:0,1,2")
    queue.settle()
    assert queue.trains == [(0, 1, 2), (3, 4)]


@pytest.mark.parametrize(
    ("outcome", "runs", "others", "sure"),
    [
        (Outcome.PASSED, 1, 0, True),
        (Outcome.FAILED, 3, 0, False),
        (Outcome.FAILED, 3, 1, True),
        (Outcome.FAILED, 4, 0, True),
        (Outcome.TIMED_OUT, 1, 9, False),
        (Outcome.TIMED_OUT, 2, 0, True),
    ],
)
def test_where_checks_are_flaky_a_failure_must_come_four_times_and_a_time_out_twice(
    outcome: Outcome, runs: int, others: int, *, sure: bool
) -> None:
    assert blame.settled(_said(outcome, runs), 4, others=others) is sure


def test_of_longer_states_only_those_that_failed_speak_against_a_suspect() -> None:
    queue = simple(5)
    (track,) = (track for name, track in tracks(_stages(queue)).items() if name.name == "one")
    outcomes = {2: Outcome.TIMED_OUT, 3: Outcome.FAILED, 4: Outcome.PASSED}
    verdicts = {turn.job.key: _said(outcomes[turn.at]) for turn in track if turn.job and turn.at in outcomes}
    (others,) = blame.among(track, track[1], verdicts)
    assert [request.sequence for request in others] == [1, 2]
