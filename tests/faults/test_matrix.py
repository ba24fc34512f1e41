"""Killed at every step that a scenario passes, and started again: the whole invariant holds."""

import random

import pytest
from gatehouse import Gatehouse

from faults.crash import SCENARIOS, Scenario

SHIP_BEGINS = "before refs: shipping N"
SAMPLE = 4


def test_a_good_ship_survives_a_kill_at_every_step_of_it(site_gate: Gatehouse, request: pytest.FixtureRequest) -> None:
    """Before each step, which is after the one ahead of it; with --full after each as well, and whenever it recurs."""
    scenario = SCENARIOS["good ship"]
    steps = scenario.passes(site_gate)
    begin = steps.index((SHIP_BEGINS, 1))
    first = [step for step in steps[begin:] if step[1] == 1 and step[0].startswith("before")]
    _strike_all(site_gate, scenario, steps if request.config.getoption("--full") else first)


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "good ship"])
def test_it_survives_a_kill(site_gate: Gatehouse, request: pytest.FixtureRequest, name: str) -> None:
    scenario = SCENARIOS[name]
    steps = scenario.passes(site_gate)
    chance = random.Random(request.config.getoption("--seed"))  # noqa: S311 - which steps, not a secret
    chosen = steps if request.config.getoption("--full") else chance.sample(steps, SAMPLE)
    _strike_all(site_gate, scenario, chosen)


def _strike_all(gate: Gatehouse, scenario: Scenario, steps: list[tuple[str, int]]) -> None:
    """Strike at each step and print a line a step; a step that a run does not reach is no failure, but is told."""
    killed = 0
    for step, nth in steps:
        hit = scenario.survives(gate, step, nth) > 0
        killed += hit
        print(f"{scenario.name:18} {'killed' if hit else 'not reached':12} {step} ({nth})")  # noqa: T201
    print(f"{scenario.name:18} {len(steps)} steps, {killed} kills, all converged")  # noqa: T201
    assert killed >= len(steps) * 0.8
