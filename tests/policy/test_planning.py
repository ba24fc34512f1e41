"""What the planner asks for at one moment: a start, builds, a release that is red, suspects, slots to spare."""

from dataclasses import dataclass

import pytest
from msgspec.structs import replace
from queueing import Queue, simple

from gatekeeper.model import Job, JobName, Kind, Outcome, Request, Stage, Verdict
from gatekeeper.policy.scene import Plan, Run, Suspect

ONE, TWO = frozenset({"one"}), frozenset({"two"})


def started(made: Plan) -> list[str]:
    return [run.job.key for run in made.start]


def _said(key: str, outcome: Outcome, runs: int = 1) -> Verdict:
    return Verdict(key, "", outcome, "", 60.0, "", runs=runs)


def _import(*, knows: bool = True) -> Queue:
    """Return a queue of one request before a release that nothing was ever shipped of."""
    queue = simple(1, slots=4)
    queue.live = False
    if not knows:
        queue.verdicts.clear()
    return queue


def test_an_import_is_verified_and_started_before_anything_else() -> None:
    queue = _import(knows=False)
    made = queue.plan()
    assert (started(made), made.ready, made.settled) == (["one:", "two:", "three:"], None, False)
    made = _import().plan()
    assert made.ready is not None
    assert (len(made.ready.stages), started(made), made.settled) == (1, [], True)


def test_what_mends_a_red_import_ships_with_it() -> None:
    queue = _import()
    queue.verdicts["one:"] = _said("one:", Outcome.FAILED, 2)
    made = queue.settle()
    assert (made.ready, [red.job.key for red in made.red]) == (None, ["one:"])
    queue.end("one:0")
    made = queue.plan()
    assert made.ready is not None
    assert [stage.tree for stage in made.ready.stages] == ["", "0"]


def test_a_red_import_alone_does_not_start() -> None:
    queue = _import()
    queue.filed.clear()
    queue.verdicts["one:"] = _said("one:", Outcome.FAILED, 2)
    assert queue.plan().ready is None


@pytest.mark.parametrize("waiting", [0, 1])
def test_an_import_without_any_job_goes_live_with_what_waits(waiting: int) -> None:
    queue = _import(knows=False)
    queue.jobs, queue.filed = (), list(range(waiting))
    made = queue.plan()
    assert made.ready is not None
    assert len(made.ready.stages) == 1 + waiting


@pytest.mark.parametrize("doubted", [False, True])
def test_what_failed_on_release_is_asked_again_until_it_is_sure_and_in_each_heartbeat(*, doubted: bool) -> None:
    queue = simple(0, slots=2)
    queue.verdicts["one:"] = _said("one:", Outcome.FAILED, 2 if doubted else 1)
    queue.doubted = frozenset({"one:"}) if doubted else frozenset()
    made = queue.plan()
    assert (started(made), made.red, made.settled) == (["one:"], (), False)


@dataclass
class New(Queue):
    """The second request brings the second job."""

    def make(self, requests: tuple[Request, ...]) -> tuple[Stage, ...]:
        stages = super().make(requests)
        return tuple(s if "1" in s.tree else replace(s, checks=s.checks[:1]) for s in stages)


def test_a_job_that_only_a_request_brings_is_not_taken_for_short() -> None:
    """No train waits for companions whose checks nobody knows the length of."""
    queue = New({0: ONE, 1: TWO}, {0: frozenset(), 1: frozenset()}, slots=2, seconds=2.0, jobs=("one", "two"))
    queue.filed = [0, 1]
    queue.settle()
    queue.end("one:0")
    queue.settle()
    assert (queue.trains, set(queue.running)) == ([(0,)], {"two:1"})


def test_a_short_check_that_takes_long_today_is_not_waited_for() -> None:
    queue = Queue({0: ONE, 1: TWO}, {0: frozenset(), 1: frozenset()}, slots=2, seconds=2.0)
    queue.filed = [0, 1]
    queue.settle()
    queue.end("one:0")
    queue.settle()
    assert queue.trains == []
    queue.now += 11
    queue.settle()
    assert queue.trains == [(0,)]


def test_what_nobody_can_verify_for_now_is_not_started_and_not_waited_for() -> None:
    queue = Queue({0: ONE, 1: TWO}, {0: frozenset(), 1: frozenset()}, slots=2, seconds=2.0)
    queue.filed, queue.barred = [0, 1], frozenset({"two:1"})
    queue.settle()
    assert set(queue.running) == {"one:0"}
    queue.end("one:0")
    queue.settle()
    assert (queue.trains, queue.running) == ([(0,)], {})
    queue.barred = frozenset()
    queue.settle()
    assert set(queue.running) == {"two:1"}


def test_a_train_that_is_full_waits_for_nobody() -> None:
    queue = Queue({0: ONE, 1: TWO}, {0: frozenset(), 1: frozenset()}, slots=2, max_train=1, seconds=2.0)
    queue.filed = [0, 1]
    queue.settle()
    queue.end("one:0")
    queue.settle()
    assert queue.trains == [(0,)]


def test_a_ship_names_what_passed_and_does_not_pass_by_what_failed_once() -> None:
    queue = Queue({0: TWO}, {0: frozenset()}, slots=2)
    queue.filed = [0]
    queue.settle()
    queue.end("two:0")
    queue.verdicts["one:"] = _said("one:", Outcome.FAILED)
    assert queue.plan().ready is None
    queue.verdicts["one:"] = _said("one:", Outcome.FAILED, 2)
    made = queue.plan()
    assert made.ready is not None
    assert [said.key for said in made.ready.verdicts] == ["two:0", "three:"]


def test_slots_to_spare_bisect_ahead_of_time_on_both_sides_of_the_middle() -> None:
    queue = simple(8, max_train=8, slots=8)
    queue.settle()
    queue.running.pop("one:0,1,2,3")
    queue.breaks[5] = ONE
    queue.end("one:0,1,2,3,4,5,6,7")
    queue.settle()
    middle, others = "one:0,1,2,3", ("one:0", "one:0,1", "one:0,1,2", *("one:0,1,2,3,4", "one:0,1,2,3,4,5"))
    assert set(queue.running) == {middle, *others, "one:0,1,2,3,4,5,6"}


def test_a_time_out_is_not_bisected_with_slots_to_spare_either() -> None:
    queue = simple(4, max_train=8, slots=4)
    queue.late, queue.breaks[2] = True, ONE
    queue.settle()
    for _ in range(2):
        queue.end("one:0,1,2,3")
        queue.settle()
    assert set(queue.running) == {"one:0"}


def test_a_state_that_passes_asks_for_nothing_ahead_of_it_while_another_job_is_awaited() -> None:
    both = ONE | TWO
    queue = Queue(dict.fromkeys(range(8), both), dict.fromkeys(range(8), frozenset()), slots=8, max_train=8)
    queue.filed = list(range(8))
    queue.settle()
    queue.end("one:0,1,2,3,4,5,6,7")
    queue.settle()
    assert {key for key in queue.running if key.startswith("one:")} == set()
    assert "two:0,1,2,3,4,5,6,7" in queue.running


def test_who_fails_two_jobs_is_suspected_once() -> None:
    queue = Queue({0: ONE | TWO}, {0: ONE | TWO}, slots=2)
    queue.filed = [0]
    queue.settle()
    for key in ("one:0", "two:0"):
        queue.end(key)
    assert [suspect.run.job.key for suspect in queue.plan().suspects] == ["one:0"]


def test_the_state_just_before_a_suspect_is_asked_for_when_nobody_knows_it_any_more() -> None:
    """Its verdict was pruned, or `release` has moved on: without it nobody is blamed."""
    queue = simple(1, slots=4)
    release, state = queue.make(queue.requests())
    before = replace(release.checks[0], key="one:before")
    queue.verdicts["one:0"] = _said("one:0", Outcome.FAILED, 2)
    queue.suspects = (Suspect(queue.requests()[0], Run(state, state.checks[0]), Run(release, before), (), 0.0),)
    made = queue.plan()
    assert ("one:before" in started(made), made.guilty) == (True, None)
    queue.verdicts["one:before"] = _said("one:before", Outcome.PASSED)
    assert queue.plan().guilty is not None


def test_nobody_is_blamed_before_the_state_ahead_has_answered() -> None:
    queue = simple(1, slots=2)
    del queue.verdicts["one:"]
    queue.breaks[0] = ONE
    queue.settle()
    for _ in range(2):
        queue.end("one:0")
        queue.settle()
    assert (queue.blocked, list(queue.running)) == ({}, ["one:"])
    queue.end("one:")
    queue.settle()
    assert list(queue.blocked) == [0]


def test_who_brings_a_job_that_fails_is_blamed_though_nothing_was_there_before() -> None:
    queue = New({1: TWO}, {1: TWO}, jobs=("one", "two"))
    queue.filed = [1]
    queue.finish()
    assert (queue.runs, list(queue.blocked)) == (["two:1", "two:1"], [1])


@pytest.mark.parametrize("outcome", [None, Outcome.PASSED])
def test_a_suspect_is_let_go_after_a_flake_or_when_its_verdict_is_gone(outcome: Outcome | None) -> None:
    queue = simple(1, slots=4)
    release, state = queue.make(queue.requests())
    if outcome is not None:
        queue.verdicts["one:0"] = _said("one:0", outcome)
    before = Run(release, release.checks[0])
    queue.suspects = (Suspect(queue.requests()[0], Run(state, state.checks[0]), before, (), 0.0),)
    made = queue.plan()
    assert (made.suspects, made.guilty, [request.sequence for request in made.line]) == ((), None, [0])


def _stacked() -> Queue:
    queue = Queue({0: ONE, 1: TWO, 2: TWO}, {n: frozenset() for n in range(3)}, slots=4, needs={1: 0})
    queue.filed = [0, 1, 2]
    return queue


def test_who_depends_on_another_ships_with_it_or_after_it() -> None:
    queue = _stacked()
    queue.settle()
    queue.end("two:1,2")
    assert queue.plan().ready is None, "the third stands on the second, and the second on the first"
    queue.end("one:0")
    queue.settle()
    assert queue.trains == [(0, 1, 2)]


def test_who_depends_on_one_in_question_steps_aside_with_it_and_nobody_else_does() -> None:
    queue = _stacked()
    queue.breaks[0] = ONE
    queue.settle()
    queue.end("one:0")
    queue.settle()
    assert set(queue.running) == {"one:0", "two:2"}
    queue.end("two:2")
    queue.settle()
    assert queue.trains == [(2,)]


def test_who_depends_on_each_other_is_one_bundle_and_is_not_torn_apart() -> None:
    """Of a train of two, the pair goes or stays; it shares no job."""
    queue = Queue({0: TWO, 1: ONE, 2: frozenset({"three"})}, {n: frozenset() for n in range(3)}, slots=4, max_train=2)
    queue.filed, queue.needs = [0, 1, 2], {2: 1}
    queue.settle()
    for key in ("two:0", "one:1", "three:2"):
        queue.end(key)
    queue.settle()
    assert queue.trains == [(0,), (1, 2)]


def test_nothing_ships_while_nobody_is_known_to_pass() -> None:
    assert simple(1).plan().ready is None
    assert simple(0).plan().ready is None


def test_who_only_tries_is_verified_alone_and_does_not_ship() -> None:
    queue = simple(2, slots=4, max_train=8)
    queue.tries = {0}
    queue.settle()
    assert set(queue.running) == {"one:0", "one:1"}
    for key in ("one:0", "one:1"):
        queue.end(key)
    made = queue.plan()
    assert made.tried is not None
    assert made.tried.sequence == 0
    assert made.ready is not None
    assert [stage.tree for stage in made.ready.stages] == ["", "1"]


def test_who_only_tries_and_fails_is_blamed_as_others_are() -> None:
    queue = simple(1)
    queue.tries, queue.breaks[0] = {0}, ONE
    queue.finish()
    assert (list(queue.blocked), queue.plan().tried) == ([0], None)


@dataclass
class Stacked(Queue):
    """The second request merges only where the first one is."""

    def make(self, requests: tuple[Request, ...]) -> tuple[Stage, ...]:
        here = {request.sequence for request in requests} | set(self.landed)
        return super().make(tuple(r for r in requests if r.sequence != 1 or 0 in here))


def test_what_does_not_merge_without_another_does_not_ship_without_it() -> None:
    queue = Stacked({0: ONE, 1: TWO}, {0: frozenset(), 1: frozenset()}, slots=2)
    queue.filed = [0, 1]
    queue.settle()
    queue.end("two:1")
    assert queue.plan().ready is None
    queue.end("one:0")
    queue.settle()
    assert queue.trains == [(0, 1)]


@dataclass
class Built(Queue):
    """Each state has a build; the check of what it left has another key until that is known."""

    def make(self, requests: tuple[Request, ...]) -> tuple[Stage, ...]:
        return tuple(self._with_build(stage) for stage in super().make(requests))

    def _with_build(self, stage: Stage) -> Stage:
        (check,) = (job for job in stage.checks if job.name.name == "one")
        build = Job(JobName(Kind.BUILD, "one"), check.key.replace("one", "three"), "d")
        said = self.verdicts.get(build.key)
        if said is None or said.outcome is not Outcome.PASSED:
            check = replace(check, key=f"{check.key}?", needs=(build.key,))
        return replace(stage, builds=(build,), checks=(check,))


def _building() -> Built:
    queue = Built({0: ONE | {"three"}}, {0: frozenset()}, slots=4)
    queue.filed = [0]
    return queue


def test_a_build_comes_before_what_looks_at_its_output() -> None:
    queue = _building()
    queue.finish()
    assert (queue.runs, queue.trains) == (["three:0", "one:0"], [(0,)])


def test_a_build_that_fails_twice_is_blamed_and_nothing_looks_at_what_it_left() -> None:
    queue = _building()
    queue.breaks[0] = frozenset({"three"})
    queue.finish()
    assert (queue.runs, list(queue.blocked)) == (["three:0", "three:0"], [0])


def test_what_looks_at_a_build_that_is_red_on_release_is_not_run() -> None:
    queue = _building()
    queue.verdicts["three:"] = _said("three:", Outcome.FAILED, 2)
    queue.filed.clear()
    assert started(queue.plan()) == []


def test_who_mends_a_build_that_is_red_on_release_ships() -> None:
    queue = _building()
    queue.verdicts["three:"] = _said("three:", Outcome.FAILED, 2)
    queue.finish()
    assert (queue.runs, queue.trains) == (["three:0", "one:0"], [(0,)])


def test_who_does_not_touch_a_build_that_is_red_on_release_ships_past_it() -> None:
    queue = _building()
    queue.verdicts["three:"] = _said("three:", Outcome.FAILED, 2)
    queue.touches[0] = frozenset()
    made = queue.plan()
    assert made.ready is not None
    assert [said.key for said in made.ready.red] == ["three:"]


def test_a_job_that_is_gone_in_the_middle_of_the_line_has_nothing_to_say_there() -> None:
    """The second request takes the site away, the last brings it back."""

    @dataclass
    class Gone(Queue):
        def make(self, requests: tuple[Request, ...]) -> tuple[Stage, ...]:
            stages = super().make(requests)
            return tuple(replace(s, checks=s.checks[1:]) if s.tree == "0+1" else s for s in stages)

    queue = Gone(dict.fromkeys(range(3), ONE), dict.fromkeys(range(3), frozenset()), slots=4, max_train=1)
    queue.filed = [0, 1, 2]
    queue.finish()
    assert queue.trains == [(0,), (1,), (2,)]
    assert set(queue.runs) == {"one:0", "one:0,1,2"}
