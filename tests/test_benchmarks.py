"""The form of docs/benchmarks.md, and how figures are made of times; never the figures themselves."""

import json
from pathlib import Path

import pytest

from benchmarks import __main__ as runner
from benchmarks import figure, page

ROOT = Path(__file__).parents[1]


def test_a_ratio_is_taken_round_by_round() -> None:
    one = figure.at_most("push", "no hook", [2.0, 4.0, 30.0], [1.0, 2.0, 10.0], 2.5)
    assert (one.times, one.spread, one.met) == (2.0, (2.0, 3.0), True)
    other = figure.faster("merge", "clone", [1.0, 1.0, 1.0], [10.0, 20.0, 40.0], 30)
    assert (other.times, other.goal, other.met) == (20.0, "≥ 30 times faster", False)


def test_a_slope_of_one_is_linear() -> None:
    slope = figure.growth("look", (10, 100, 1000), (0.1, 1.0, 10.0)).times
    assert slope is not None
    assert abs(slope - 1) < 1e-9


def test_two_ways_run_in_turn() -> None:
    ran: list[str] = []
    taken = figure.in_turn({"a": lambda: ran.append("a"), "b": lambda: ran.append("b")}, 2)
    assert ran == ["a", "b"] * 3
    assert [len(seconds) for seconds in taken.values()] == [2, 2]


def test_the_page_holds_all_that_was_measured_and_says_what_was_not() -> None:
    met = figure.at_most("push, path", "no hook", [2.0], [1.0], 2.5)
    missed = figure.value("first to last site", 0.4, "s", 0.25)
    gone = figure.absent("push, gitolite", "not installed")
    groups = {
        "push": {"at": "now", "figures": [one.as_json for one in (met, missed)]},
        "doors": {"at": "before", "figures": [gone.as_json]},
    }
    text = page.render({"at": "now", "full": False, "machine": {"Git": "2"}, "groups": groups})
    assert "{{" not in text
    assert "from 2 runs" in text
    assert "- before: doors\n- now: push\n" in text
    assert all(page.row(one) in text for one in (met, missed, gone))
    assert "- first to last site: 0.4 s, wanted ≤ 0.25 s." in text
    assert "- push, gitolite: not installed" in text


@pytest.mark.parametrize("full", [False, True])
def test_the_written_page_is_that_of_its_json(*, full: bool) -> None:
    told = runner.RESULTS[full]
    found = json.loads(told.read_text())
    assert found["full"] is full
    assert page.render(found) == told.with_suffix(".md").read_text(), "both are written by `make bench`, at once"


def test_every_group_is_a_module_that_yields_figures() -> None:
    there = {path.stem for path in (ROOT / "benchmarks" / "figures").glob("[!_]*.py")}
    assert there == set(runner.GROUPS)
