"""The Librarian killed at each step that has to do with a host, over two hosts and the gate's own machine."""

import random
from collections.abc import Iterator
from functools import partial

import pytest
from faults.crash import SCENARIOS, clear, plain, start_again

from hosts.machines import Farm, farm

WHERE = {"one": "web1", "two": "web2"}
SAMPLE = 6


@pytest.fixture(scope="module")
def hosts() -> Iterator[Farm]:
    with farm(WHERE, names=("one", "two", "three"), toml=partial(plain, hosts=WHERE)) as made:
        yield made


@pytest.mark.parametrize("name", ["good ship", "bad ship", "rollback", "reconfigured"])
def test_it_survives_a_kill(hosts: Farm, request: pytest.FixtureRequest, name: str) -> None:
    """At a sample of them; with --full before and after each."""
    scenario = SCENARIOS[name]
    clear(hosts.gate)
    start_again(hosts.gate)
    hosts.gate.told.clear()
    steps = [step for step in scenario.passes(hosts.gate) if _matters(step[0])]
    assert {host for host in ("web1", "web2") if any(host in step for step, _ in steps)} == {"web1", "web2"}
    if not request.config.getoption("--full"):
        steps = random.Random(request.config.getoption("--seed")).sample(steps, SAMPLE)  # noqa: S311
    killed = 0
    for step, nth in steps:
        killed += scenario.survives(hosts.gate, step, nth) > 0
        assert hosts.whole() == [], step
    print(f"{name:12} {len(steps)} steps, {killed} kills, all converged")  # noqa: T201
    assert killed >= len(steps) * 0.8


def _matters(step: str) -> bool:
    return any(
        word in step for word in ("web1", "web2", "switch", "refs: shipping", "refs: publish", "refs: ship ", "adopt")
    )
