"""Which version comes next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.policy.versions import following, newest, parse


@pytest.mark.parametrize(
    ("names", "bumps", "expected"),
    [
        ([], ["major"], "v0.1.0"),
        (["nightly", "1.2.3", "v1", "v01.2.3"], ["patch"], "v0.1.0"),
        (["v1.2.3"], [], "v1.2.4"),
        (["v1.2.3"], ["patch", "minor", "patch"], "v1.3.0"),
        (["v1.2.3"], ["minor", "major"], "v2.0.0"),
        (["v1.9.0", "v1.10.0", "v0.99.0"], ["patch"], "v1.10.1"),
        (["v2.0.0-rc.1", "v1.9.9"], ["patch"], "v2.0.1"),
    ],
)
def test_the_largest_bump_on_the_highest_version(names: list[str], bumps: list[str], expected: str) -> None:
    assert following(names, bumps) == expected


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 3)), st.lists(st.sampled_from(["patch", "minor", "major"])))
def test_it_is_always_new_and_higher(numbers: list[tuple[int, int, int]], bumps: list[str]) -> None:
    names = [f"v{major}.{minor}.{patch}" for major, minor, patch in numbers]
    after = following(names, bumps)
    assert after not in names
    assert newest([*names, after]) == after
    assert parse(after) is not None


PARTS = st.sampled_from(["0", "1", "7", "10", "007", "", "999999999", "1000000000", "٣", "1\n", "-1"])


@given(st.lists(st.tuples(PARTS, PARTS, PARTS, st.sampled_from(["", "", "-rc.1", "-rc.2", "+b", "\n"]))))
def test_the_highest_is_what_semver_says(parts: list[tuple[str, str, str, str]]) -> None:
    """Plain names are told apart without it."""
    names = [f"v{major}.{minor}.{patch}{more}" for major, minor, patch, more in parts]
    known = [(version, name) for name in names if (version := parse(name))]
    assert newest(names) == (max(known)[1] if known else None)
