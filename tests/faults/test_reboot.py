"""A power cut in the middle of a ship: whatever starts first afterwards, nothing starts that was never published."""

import os
import signal
from contextlib import suppress

import pytest
from gatehouse import Gatehouse

from faults.crash import start_again, strike
from faults.whole import assert_whole
from gatekeeper.model import State


def power_cut(gate: Gatehouse) -> None:
    """End everything that the gate started, pm2 with it, at once."""
    for pid in gate.pm2_family():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("step", ["after switch: current", "after write: ecosystem.json"])
def test_the_sites_come_back_on_what_was_published(site_gate: Gatehouse, step: str) -> None:
    before = site_gate.version
    site_gate.clone().request("cut", {"sites/one/page.txt": f"never published {step}\n"})
    assert strike(site_gate, [{"at": step, "nth": 1, "do": "kill"}], "tick") < 0
    power_cut(site_gate)
    woken = site_gate.target().wake(site_gate.home.published)  # as a unit would that is started before the Librarian
    assert woken == "a ship is under way, or was cut short: the Librarian says what runs"
    assert {answer["version"] for answer in site_gate.answers().values()} == {None}
    assert not (site_gate.target().pm2.home / "dump.pm2").exists()  # and pm2 has nothing to bring back by itself
    site_gate.decide("freeze")
    assert site_gate.versions() == {before}  # recovered first: the cut ship is undone before it is tried again
    site_gate.decide("thaw")
    start_again(site_gate)
    assert site_gate.result("cut").state is State.SHIPPED
    assert_whole(site_gate)
