"""pm2's daemon, or a site, dies beside a ship: no request is to blame, and all sites end on what `release` says."""

import os
import signal

import pytest
from gatehouse import Gatehouse

from faults.crash import Act, start_again, strike
from faults.whole import assert_whole
from gatekeeper.model import State
from gatekeeper.sites import procfs


def _daemon(gate: Gatehouse) -> int:
    return int((gate.home.var / "pm2" / "pm2.pid").read_text())


@pytest.mark.parametrize(
    "step",
    [
        "before switch: current",
        "after switch: current",
        "before pm2: reloadProcessId",
        "after pm2: reloadProcessId",
        "before object: shipped: N: Do dead-N",
        "before refs: publish N",
        "before refs: ship N",
    ],
)
def test_the_daemon_dies(site_gate: Gatehouse, step: str) -> None:
    key = f"dead-{len(site_gate.records())}"
    site_gate.clone().request(key, {"sites/one/page.txt": f"{key}\n"})
    daemon = _daemon(site_gate)
    strike(site_gate, [{"at": step, "do": ["kill", "-9", str(daemon)]}], "tick")
    assert "God Daemon" not in procfs.title(daemon)
    start_again(site_gate)
    assert site_gate.result(key).state is State.SHIPPED, site_gate.told
    assert site_gate.ask("one")["text"] == key
    assert not site_gate.refs("refs/gate/bad/")
    assert_whole(site_gate)


def test_a_site_dies_between_two_heartbeats(site_gate: Gatehouse) -> None:
    site = next(pid for pid, parent in procfs.parents().items() if parent == _daemon(site_gate))
    os.kill(site, signal.SIGKILL)
    start_again(site_gate)
    assert_whole(site_gate)


def test_the_daemon_and_the_librarian_die_at_once(site_gate: Gatehouse) -> None:
    key = f"both-{len(site_gate.records())}"
    site_gate.clone().request(key, {"sites/one/page.txt": f"{key}\n"})
    step = "after pm2: reloadProcessId"
    acts: list[Act] = [{"at": step, "do": ["kill", "-9", str(_daemon(site_gate))]}, {"at": step, "do": "kill"}]
    assert strike(site_gate, acts, "tick") < 0
    start_again(site_gate)
    assert site_gate.result(key).state is State.SHIPPED, site_gate.told
    assert_whole(site_gate)
