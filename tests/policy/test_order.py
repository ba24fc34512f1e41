"""The queue's order: every request once, by turns, dependencies first, whatever the order they are given in."""

from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.model import Actor, Ask, Oid, Request, RequestId, Result, State
from gatekeeper.policy.order import cycle, order, put_first, with_needs


def request(number: int, agent: str = "a", needs: int | None = None, urgency: str | None = None) -> Request:
    depends_on = None if needs is None else RequestId(f"r{needs}")
    ask = Ask((), "Do it", "x", depends_on=depends_on, urgency=urgency)
    return Request(RequestId(f"r{number}"), Oid(f"{number:040x}"), 1, number, Actor(agent), ask, "")


def ids(requests: tuple[Request, ...]) -> list[str]:
    return [one.id for one in requests]


@st.composite
def queues(draw: st.DrawFn) -> list[Request]:
    """Up to ten requests of three agents; some depend on any other, so that circles occur."""
    count = draw(st.integers(0, 10))
    needs = st.none() | st.integers(0, 12)
    return [
        request(n, draw(st.sampled_from("abc")), draw(needs), draw(st.none() | st.just("now"))) for n in range(count)
    ]


@given(queues(), st.randoms())
def test_every_request_once_and_the_given_order_has_no_say(queue: list[Request], chance: object) -> None:
    expected = ids(order(queue))
    assert sorted(expected) == sorted(one.id for one in queue)
    shuffled = queue.copy()
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert ids(order(shuffled)) == expected


@given(queues())
def test_a_dependency_stands_before_what_needs_it(queue: list[Request]) -> None:
    place = {id_: at for at, id_ in enumerate(ids(order(queue)))}
    for one in queue:
        need = one.ask.depends_on
        if need in place and not _in_a_circle(queue, one):
            assert place[RequestId(str(need))] < place[one.id]


def _in_a_circle(queue: list[Request], one: Request) -> bool:
    """Also when it only leads into one: then no order satisfies all."""
    needs, seen, at = {r.id: r.ask.depends_on for r in queue}, [], one.id
    while at in needs and at not in seen:
        seen.append(at)
        at = needs[at] or RequestId("")
    return at in seen


@given(queues())
def test_urgency_has_no_say(queue: list[Request]) -> None:
    calm = [request(one.sequence, one.agent.name, _number(one)) for one in queue]
    assert ids(order(queue)) == ids(order(calm))


def _number(one: Request) -> int | None:
    return int(one.ask.depends_on[1:]) if one.ask.depends_on else None


@given(queues())
def test_no_agent_waits_for_the_second_request_of_another(queue: list[Request]) -> None:
    free = [request(one.sequence, one.agent.name) for one in queue]
    turns: dict[str, int] = {}
    ranks = []
    for one in order(free):
        turns[one.agent.name] = turns.get(one.agent.name, 0) + 1
        ranks.append((turns[one.agent.name], one.sequence))
    assert ranks == sorted(ranks)


def test_turns_between_agents() -> None:
    queue = [request(1, "a"), request(2, "a"), request(3, "a"), request(4, "b"), request(5, "c")]
    assert ids(order(queue)) == ["r1", "r4", "r5", "r2", "r3"]


def test_what_the_operator_puts_first_is_first_with_what_it_needs() -> None:
    queue = [request(1), request(2), request(3, needs=2)]
    assert ids(order(queue, first=[RequestId("r3")])) == ["r2", "r3", "r1"]


def test_a_circle_is_named_from_where_it_is_asked() -> None:
    queue = [request(1, needs=2), request(2, needs=3), request(3, needs=1), request(4, needs=1), request(5, needs=9)]
    assert cycle(queue, RequestId("r2")) == ("r2", "r3", "r1")
    assert cycle(queue, RequestId("r4")) == ()
    assert cycle(queue, RequestId("r5")) == ()


def test_the_latest_that_was_put_first_is_first() -> None:
    results = [_result(request(number), ahead) for number, ahead in enumerate((None, "2026-01-01", "2026-01-02"))]
    assert put_first(results) == ("r2", "r1")
    assert ids(order([request(n) for n in range(3)], first=put_first(results))) == ["r2", "r1", "r0"]


def test_with_what_was_put_first_goes_what_it_depends_on_and_nothing_else() -> None:
    queue = [request(0), request(1, needs=0), request(2, needs=1), request(3, needs=9)]
    assert with_needs([RequestId("r2")], queue) == {"r0", "r1", "r2"}
    assert with_needs([RequestId("r3"), RequestId("gone")], queue) == {"r3"}
    assert with_needs([RequestId("r0")], [request(0, needs=1), request(1, needs=0)]) == {"r0", "r1"}


def _result(one: Request, ahead: str | None) -> Result:
    state = (one.attempt, State.QUEUED, one.agent, one.ask, one.sequence, "", "")
    return Result(one.id, one.tip, *state, ahead=ahead)
