"""The one decision: what comes before what, and that whole queues end as they should without an innocent blamed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gatekeeper.model import (
    Actor,
    Ask,
    Decision,
    Job,
    JobName,
    Kind,
    Oid,
    Outcome,
    Reason,
    Release,
    Request,
    RequestId,
    Result,
    SiteName,
    Stage,
    State,
    Verdict,
    Version,
)
from gatekeeper.policy import planner, step
from gatekeeper.policy.found import Arrival, Closed
from gatekeeper.policy.scene import Plan, Red, Scene, Suspect
from gatekeeper.policy.step import Mark, Rest, Restate, Ship, Snapshot, Standing, Tried, Verify, next_step
from gatekeeper.policy.why import Why

LIVE = Release(Version("v1.0.0"), Oid("a" * 40), Oid("b" * 40))


def result(name: str, state: State = State.QUEUED, code: str | None = None, *, try_only: bool = False) -> Result:
    reason = Reason(code, "why") if code else None
    ask = Ask((), "Do it", "x", try_only=try_only)
    return Result(RequestId(name), Oid("c" * 40), 1, state, Actor("a"), ask, 1, "", "", reason=reason)


def decision(verb: str, key: str) -> Decision:
    return Decision(key, verb, Actor("kim", role="operator"), "")


EVERYTHING = {
    "shipping": Oid("d" * 40),
    "leftovers": (result("left", State.SHIPPED),),
    "reports": ("1.json",),
    "vanished": (result("gone"),),
    "arrivals": (Arrival(RequestId("new"), Oid("e" * 40), Actor("a"), Ask((), "x", "y")),),
    "decisions": (decision("approve", "1"),),
    "expired": (result("old", State.BLOCKED, "GATE-402"),),
    "changed_sites": ("shop",),
    "ailing_sites": ("web",),
    "standings": (Standing(result("stands"), State.BLOCKED, Reason("GATE-401", "why")),),
}
ORDER = [
    ("shipping", step.Recover),
    ("leftovers", step.Sweep),
    ("reports", step.Seal),
    ("vanished", step.Close),
    ("arrivals", step.File),
    ("decisions", step.CarryOut),
    ("expired", step.Expire),
    ("changed_sites", step.Reconfigure),
    ("ailing_sites", step.Converge),
    ("standings", step.Restate),
]


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_what_matters_more_comes_first(first: int) -> None:
    fields = {name: EVERYTHING[name] for name, _ in ORDER[first:]}
    seen = Snapshot(LIVE, **fields)  # type: ignore[arg-type]
    assert isinstance(next_step(seen), ORDER[first][1])
    assert isinstance(next_step(Snapshot(LIVE)), Rest)


@pytest.mark.parametrize("verb", ["rollback", "freeze", "abort"])
def test_what_is_urgent_waits_for_an_unfinished_ship_and_for_nothing_else(verb: str) -> None:
    fields = {**EVERYTHING, "decisions": (decision("approve", "1"), decision(verb, "2"))}
    assert next_step(Snapshot(LIVE, **fields)) == step.Recover()  # type: ignore[arg-type]
    without = {**fields, "shipping": None}
    assert next_step(Snapshot(LIVE, **without)) == step.CarryOut(decision(verb, "2"))  # type: ignore[arg-type]


def test_a_rollback_goes_before_older_decisions() -> None:
    seen = Snapshot(LIVE, decisions=(decision("approve", "1"), decision("rollback", "2"), decision("freeze", "3")))
    assert next_step(seen) == step.CarryOut(decision("rollback", "2"))


def test_a_request_without_a_wish_to_withdraw_was_not_withdrawn() -> None:
    gone = result("gone")
    assert next_step(Snapshot(LIVE, vanished=(gone,))) == step.Close(gone, wished=False)
    wished = Snapshot(LIVE, vanished=(gone,), withdrawn=frozenset({gone.id}))
    assert next_step(wished) == step.Close(gone, wished=True)


@dataclass
class World:
    """A queue on `release`, where a request touches some checks and breaks some of them."""

    touches: Mapping[str, frozenset[str]]
    breaks: Mapping[str, frozenset[str]]
    red: frozenset[str] = frozenset()
    together: frozenset[str] = frozenset()
    """Who breaks a check in company only."""
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    landed: list[str] = field(default_factory=list)
    closed: Closed | None = None
    bad: frozenset[Oid] = frozenset()
    interrupted: frozenset[Oid] = frozenset()
    running: dict[str, float] = field(default_factory=dict)
    suspects: tuple[Suspect, ...] = ()

    def __post_init__(self) -> None:
        self.results = {name: result(name) for name in self.touches}

    def make(self, requests: tuple[Request, ...]) -> tuple[Stage, ...]:
        names, stages = list(self.landed), []
        for request in (None, *requests):
            names += [request.id] if request else []
            checks = tuple(self._job(check, names) for check in ("one", "two", "three"))
            stages.append(Stage(request, Oid("+".join(names)), Oid("+".join(names)), (), checks))
        return tuple(stages)

    def _in_queue(self, one: Result) -> bool:
        return not one.state.final and one.state not in (State.BLOCKED, State.HELD)

    def _request(self, name: str) -> Request:
        one = self.results[name]
        return Request(one.id, one.tip, 1, 1, one.agent, one.ask, "")

    def _job(self, check: str, names: list[str]) -> Job:
        seen = [name for name in names if check in self.touches[name]]
        return Job(JobName(Kind.CHECK, check), f"{check} of {'+'.join(seen)}", check)

    def outcome(self, job: Job) -> Outcome:
        seen = [name for name in job.key.partition(" of ")[2].split("+") if name]
        red = job.name.name in self.red or any(job.name.name in self.breaks[name] for name in seen)
        red |= bool(self.together) and self.together <= set(seen)
        return Outcome.FAILED if red else Outcome.PASSED

    def snapshot(self) -> Snapshot:
        standings = tuple(_standing(one) for one in self.results.values() if not one.state.final)
        queue = tuple(self._request(name) for name, one in self.results.items() if self._in_queue(one))
        plan = planner.plan(
            Scene(
                queue,
                self.make,
                dict(self.verdicts),
                dict(self.running),
                slots=2,
                suspects=self.suspects,
                closed=self.closed is not None,
            )
        )
        return Snapshot(
            LIVE,
            standings=standings,
            plan=plan,
            closed=self.closed,
            bad_trees=self.bad,
            interrupted=self.interrupted,
        )

    def live(self) -> Rest:
        """Do what each step says until nothing is left to do."""
        for _ in range(500):
            seen = self.snapshot()
            now = next_step(seen)
            assert now == next_step(self.snapshot()), "the same snapshot, the same step"
            self.suspects = seen.plan.suspects
            if isinstance(now, Rest):
                return now
            self.do(now)
        raise AssertionError("it never comes to rest")

    def do(self, now: step.Step) -> None:
        match now:
            case Restate(marks):
                for mark in marks:
                    said = Reason(mark.reason.code, "why") if isinstance(mark.reason, Why) else mark.reason
                    rests_on, until = dict(mark.rests_on), mark.not_before
                    self.results[mark.result.id] = replace(
                        mark.result, state=mark.state, reason=said, rests_on=rests_on, not_before=until
                    )
            case Verify(start, cancel, _):
                for key in cancel:
                    del self.running[key]
                for run in start:
                    self.started(run.job)
                assert start or cancel, "nothing runs that could be waited for"
            case Ship():
                for request in now.requests:
                    self.landed.append(request.id)
                    self.results[request.id] = replace(self.results[request.id], state=State.SHIPPED)
            case Tried(one):
                self.results[one.id] = replace(one, state=State.WITHDRAWN)
            case _:
                raise AssertionError(now)

    def started(self, job: Job) -> None:
        """Every answer is there at once."""
        before = self.verdicts.get(job.key)
        if before is not None:
            assert before.outcome is Outcome.FAILED, "what passed is never asked again"
            assert before.runs == 1, "what failed twice is never asked again"
        said = Verdict(job.key, str(job.name), self.outcome(job), "", 0.1, "", runs=2 if before else 1)
        self.verdicts[job.key] = said


def _standing(one: Result) -> Standing:
    """A block still counts; all else belongs into the queue."""
    if one.state in (State.BLOCKED, State.HELD):
        return Standing(one, one.state, one.reason, one.rests_on)
    return Standing(one, State.QUEUED)


CHECKS = st.frozensets(st.sampled_from(["one", "two", "three"]))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    names = [f"r{number}" for number in range(draw(st.integers(1, 6)))]
    touches = {name: draw(CHECKS) for name in names}
    return World(touches, {name: draw(CHECKS) & touches[name] for name in names})


@given(worlds())
def test_exactly_the_requests_that_break_a_check_are_blocked(world: World) -> None:
    world.live()
    blocked = {name for name, one in world.results.items() if one.state is State.BLOCKED}
    assert blocked == {name for name, broken in world.breaks.items() if broken}
    assert sorted(world.landed) == sorted(set(world.results) - blocked)


@given(worlds())
def test_nothing_ships_that_was_not_verified_as_it_is(world: World) -> None:
    while not isinstance(now := next_step(seen := world.snapshot()), Rest):
        world.suspects = seen.plan.suspects
        if isinstance(now, Ship):
            last = now.train[-1]
            assert all(world.outcome(job) is Outcome.PASSED for job in last.checks)
            assert all(job.key in world.verdicts for job in last.checks)
        world.do(now)


def test_a_check_red_on_release_blocks_only_what_touches_it_and_leaves_it_red() -> None:
    world = World({"in": frozenset({"one"}), "out": frozenset({"two"})}, {"in": frozenset(), "out": frozenset()})
    world.red = frozenset({"one"})
    world.live()
    assert (world.landed, world.results["in"].state) == (["out"], State.BLOCKED)


def test_closed_requests_are_verified_and_wait_with_the_reason() -> None:
    world = World({"a": frozenset({"one"})}, {"a": frozenset()})
    world.closed = Closed(Reason("GATE-408", "frozen"), "2026-01-01T00:00:00Z")
    assert world.live().why == "frozen"
    waiting = world.results["a"]
    assert (waiting.state, waiting.reason, waiting.not_before) == (
        State.VERIFIED,
        Reason("GATE-408", "frozen"),
        "2026-01-01T00:00:00Z",
    )
    world.closed = None
    world.live()
    assert world.landed == ["a"]


def test_while_closed_who_only_fails_behind_others_waits_with_the_reason_for_their_landing() -> None:
    world = World({"a": frozenset({"one"}), "b": frozenset({"one"})}, {"a": frozenset(), "b": frozenset()})
    world.together = frozenset({"a", "b"})
    world.closed = Closed(Reason("GATE-408", "frozen"))
    assert world.live().why == "frozen"
    assert [(world.results[name].state, world.results[name].reason) for name in "ab"] == [
        (State.VERIFIED, world.closed.reason),
        (State.QUEUED, world.closed.reason),
    ]
    world.closed = None
    world.live()
    assert (world.landed, world.results["b"].state) == (["a"], State.BLOCKED)


def test_a_tree_that_failed_when_live_costs_the_last_request_only() -> None:
    nothing: frozenset[str] = frozenset()
    world = World({"a": nothing, "b": nothing}, {"a": nothing, "b": nothing})
    world.bad = frozenset({Oid("a+b")})
    world.live()
    assert (world.landed, world.results["b"].state) == (["a"], State.BLOCKED)
    assert world.results["b"].rests_on == {"bad": "a+b"}


def test_a_tree_whose_ship_was_interrupted_twice_is_held_for_a_person() -> None:
    nothing: frozenset[str] = frozenset()
    world = World({"a": nothing, "b": nothing}, {"a": nothing, "b": nothing})
    world.interrupted = frozenset({Oid("a+b")})
    world.live()
    held = world.results["b"]
    assert (world.landed, held.state, held.rests_on) == (["a"], State.HELD, {"interrupted": "a+b"})


def test_past_the_windows_goes_only_a_train_that_a_person_put_first_whole() -> None:
    nothing: frozenset[str] = frozenset()
    world = World({"a": nothing, "b": nothing}, {"a": nothing, "b": nothing})
    for lets, landed in ((("a",), []), (("a", "b"), ["a", "b"])):
        world.closed = Closed(Reason("GATE-408", "night"), lets=frozenset(map(RequestId, lets)))
        world.live()
        assert world.landed == landed


@pytest.mark.parametrize(("was", "stays"), [(State.VERIFYING, State.QUEUED), (State.VERIFIED, State.VERIFIED)])
def test_after_an_abort_what_waits_says_so_and_nothing_begins(was: State, stays: State) -> None:
    reason = Reason("GATE-408", "aborted")
    waits = Standing(result("a", was), State.QUEUED)
    seen = Snapshot(LIVE, standings=(waits,), closed=Closed(reason, stopped=True), changed_sites=("shop",))
    assert next_step(seen) == Restate((Mark(waits.result, stays, reason),))
    told = replace(waits, result=replace(waits.result, state=stays, reason=reason))
    assert next_step(replace(seen, standings=(told,))) == Rest("aborted")


def test_a_queue_of_any_length_is_restated_in_parts_that_let_an_urgent_wish_in() -> None:
    standings = [Standing(result(f"r{n}"), State.BLOCKED, Reason("GATE-401", "why")) for n in range(501)]
    first = next_step(Snapshot(LIVE, standings=tuple(standings)))
    assert first == Restate(tuple(Mark(one.result, one.state, one.reason) for one in standings[:500]))
    wish = decision("abort", "1")
    assert next_step(Snapshot(LIVE, standings=tuple(standings), decisions=(wish,))) == step.CarryOut(wish)


def test_a_freeze_whose_time_is_over_ends_after_what_people_decided() -> None:
    seen = Snapshot(LIVE, thaws=Oid("f" * 40), decisions=(decision("thaw", "1"),), changed_sites=("shop",))
    assert next_step(seen) == step.CarryOut(decision("thaw", "1"))
    assert next_step(replace(seen, decisions=())) == step.Thaw(Oid("f" * 40))


@pytest.mark.parametrize("verb", ["apply", "reload"])
def test_who_asks_about_sites_hears_once_a_change_is_shipped_or_refused(verb: str) -> None:
    asked = Snapshot(LIVE, changed_sites=("shop",), decisions=(decision(verb, "1"),))
    assert next_step(asked) == step.Reconfigure(("shop",))
    assert next_step(replace(asked, changed_sites=())) == step.CarryOut(decision(verb, "1"))
    job = Job(JobName(Kind.CHECK, "unit", SiteName("shop")), "key", "definition")
    red = Red(job, Verdict("key", "unit", Outcome.FAILED, "", 0.1, ""))
    assert next_step(replace(asked, plan=Plan(red=(red,)))) == step.CarryOut(decision(verb, "1"))
    stopped = Closed(Reason("GATE-408", "aborted"), stopped=True)
    assert next_step(replace(asked, closed=stopped)) == step.CarryOut(decision(verb, "1"))


def test_a_changed_sites_toml_waits_for_what_runs_and_rests_when_nothing_can() -> None:
    unknown = Snapshot(LIVE, changed_sites=("shop",), plan=Plan(settled=False))
    assert next_step(unknown) == Rest("what sites.toml wants run cannot be verified for now")
    assert next_step(replace(unknown, plan=Plan(settled=False, running=True))) == step.Verify()
