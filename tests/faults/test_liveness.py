"""Whatever hangs, the others go on, and somebody is told."""

import os
import signal

import pytest
from gatehouse import Gatehouse

from faults.crash import start_again, strike
from faults.whole import assert_whole
from gatekeeper.model import State
from gatekeeper.sites import procfs


def _with_slots(gate: Gatehouse, jobs: int) -> None:
    text = gate.toml.replace("[verify]", f"[verify]\njobs = {jobs}").replace(
        "per_site = true\n", 'per_site = true\ntimeout = "5s"\n', 1
    )
    gate.home.sites_toml.write_text(text)
    start_again(gate)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_check_that_hangs_holds_nobody_else_up(site_gate: Gatehouse, jobs: int) -> None:
    """It came first; the other surface ships all the same, and the head is told of its time-out."""
    _with_slots(site_gate, jobs)
    head, other = f"head-{jobs}", f"other-{jobs}"
    site_gate.clone().request(head, {"sites/one/test.sh": f"sleep 60 # {jobs}\n"})
    site_gate.clone("agent-two").request(other, {"sites/two/page.txt": f"{other}\n"})
    strike(site_gate, (), "tick")
    assert (site_gate.result(head).state, site_gate.code(head)) == (State.BLOCKED, "GATE-403")
    assert site_gate.result(other).state is State.SHIPPED
    order = [(r.event, r.data.get("id")) for r in site_gate.records()[::-1] if r.event in ("shipped", "blocked")]
    if jobs > 1:
        assert order.index(("blocked", head)) > max(at for at, (event, _) in enumerate(order) if event == "shipped")
    assert_whole(site_gate)


def test_a_site_that_hangs_is_told_and_holds_nobody_up(site_gate: Gatehouse) -> None:
    """Its process lives and listens, and answers nobody. A person restarts it, or the next ship does."""
    site_gate.home.sites_toml.write_text(site_gate.toml.replace('health_timeout = "5s"', 'health_timeout = "30s"'))
    start_again(site_gate)
    for way in (("reload", "two"), ("tick",)):
        place = str(site_gate.home.current.resolve() / "sites" / "two")
        os.kill(next(pid for pid in procfs.parents() if procfs.cwd(pid) == place), signal.SIGSTOP)
        assert strike(site_gate, (), "tick") == 1
        assert f"GATE-504 Site two runs {site_gate.version} and is not well" in site_gate.told[-1]
        site_gate.clone().request(f"before-{way[0]}", {"sites/one/page.txt": f"{way[0]}\n"})
        assert strike(site_gate, (), *way) == 0, site_gate.told[-1]
        assert strike(site_gate, (), "tick") == 0, site_gate.told[-1]
        assert site_gate.result(f"before-{way[0]}").state is State.SHIPPED
        assert_whole(site_gate)
