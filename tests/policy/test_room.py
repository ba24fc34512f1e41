"""What goes first, and what never goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.policy.room import Taken, too_much

NEWEST, OLD, OLDEST = Taken("newest", 5, 3.0), Taken("old", 4, 2.0), Taken("oldest", 3, 1.0)


@pytest.mark.parametrize(
    ("taken", "most", "gone"),
    [
        ((NEWEST, OLD, OLDEST), 12, ()),
        ((NEWEST, OLD, OLDEST), 11, ("oldest",)),
        ((NEWEST, OLD, OLDEST), 8, ("oldest", "old")),
        ((NEWEST, OLD, OLDEST._replace(keep=True)), 8, ("old",)),
        ((NEWEST, OLD, OLDEST._replace(size=0)), 8, ("old",)),
        ((NEWEST._replace(keep=True),), 0, ()),
    ],
)
def test_the_oldest_go_until_there_is_room(taken: tuple[Taken, ...], most: int, gone: tuple[str, ...]) -> None:
    assert too_much(taken, most) == gone


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans()), max_size=9), st.integers(0, 50))
def test_nothing_that_is_kept_goes_and_nothing_goes_that_need_not(
    sizes: list[tuple[int, int, bool]], most: int
) -> None:
    taken = [Taken(str(number), size, float(at), keep) for number, (size, at, keep) in enumerate(sizes)]
    gone = too_much(taken, most)
    left = [one for one in taken if one.name not in gone]
    assert not any(one.keep for one in taken if one.name in gone)
    assert sum(one.size for one in left) <= most or all(one.keep or not one.size for one in left)
    if gone:
        assert sum(one.size for one in left) + next(one.size for one in taken if one.name == gone[-1]) > most
