"""docs/scale.md against the figures that it is computed from; and the simulation against what it gave before."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks.simulator.engine import Engine
from benchmarks.simulator.shipping import Costs, Shipping
from benchmarks.simulator.world import World

ROOT = Path(__file__).parents[1]
MEASURED = json.loads((ROOT / "docs" / "benchmarks.json").read_text("utf-8"))
TOLD = json.loads((ROOT / "docs" / "scale.json").read_text("utf-8"))
OF_THE_MACHINE = {"plan_ms", "plan_ms_most"}


def test_the_tables_of_the_page_are_what_the_program_makes_of_the_committed_figures() -> None:
    generated = scale.tables(scale.figures(MEASURED), TOLD)
    text = (ROOT / "docs" / "scale.md").read_text("utf-8")
    assert text == scale.page(generated)
    assert generated in text


def test_a_machine_that_is_much_slower_asks_for_a_new_simulation() -> None:
    slower = {name: 3 * value for name, value in scale.figures(MEASURED).items()}
    with pytest.raises(SystemExit, match="another machine"):
        scale.tables(slower, TOLD)


def test_every_case_was_played() -> None:
    for name, cases in (("streams", scale.STREAMS), ("limits", scale.LIMITS), ("small", (scale.SMALL,))):
        assert [scale.Case(**case) for case, _ in TOLD[name]] == list(cases)


def test_a_case_that_is_played_again_comes_to_the_same() -> None:
    ((case, came),) = TOLD["small"]
    again = scale.play(scale.Case(**case), Costs(**TOLD["costs"]))
    same = [one.name for one in fields(scale.Played) if one.name not in OF_THE_MACHINE]
    assert {name: getattr(again, name) for name in same} == {name: came[name] for name in same}


def test_a_train_takes_the_librarian_its_time() -> None:
    costs = Costs(ship=10.0, merge=1.0, look_few=2.0, look_many=20.0)
    assert [costs.look(waiting) for waiting in (0, 10, 55, 100, 9_999)] == [2.0, 2.0, 11.0, 20.0, 20.0]
    assert costs.train(3, 10) == 15.0
    setup = scale.Case(0, 1.0, 0.0, 4, burst=12, bad=0.0).setup
    engine = Engine(World(setup, 0))
    queue = Shipping(engine, costs)
    engine.play(queue)
    assert len(engine.landed) == 12
    assert queue.shipped >= 10.0 * queue.trains
    assert engine.last >= setup.seconds + queue.shipped, "nothing begins while it ships"
