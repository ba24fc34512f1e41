"""A clock that is stepped, and housekeeping of the repository by somebody else, beside a ship."""

import time

import pytest
from gatehouse import Gatehouse

from faults.crash import start_again, strike
from faults.whole import assert_whole
from gatekeeper.model import State

DAY = 86400.0


def test_a_clock_that_is_stepped_back_and_forth(site_gate: Gatehouse) -> None:
    for name, step in (("back", -DAY), ("forth", DAY), ("home", 0.0)):
        site_gate.clone().request(name, {"sites/two/page.txt": f"{name}\n"})
        site_gate.tick(clock=lambda step=step: time.time() + step)  # type: ignore[misc]
        assert site_gate.result(name).state is State.SHIPPED
    assert_whole(site_gate)


@pytest.mark.parametrize("command", [("gc", "-q"), ("repack", "-adq")])
@pytest.mark.parametrize("step", ["before refs: shipping N", "before refs: publish N", "before refs: ship N"])
def test_the_repository_is_repacked_in_the_middle(site_gate: Gatehouse, step: str, command: tuple[str, ...]) -> None:
    name = f"packed-{len(site_gate.records())}"
    site_gate.clone().request(name, {"sites/one/page.txt": f"{name}\n"})
    pack = ["git", f"--git-dir={site_gate.home.repo}", *command]
    assert strike(site_gate, [{"at": step, "do": pack}], "tick") == 0
    assert site_gate.result(name).state is State.SHIPPED
    start_again(site_gate)
    assert_whole(site_gate)
