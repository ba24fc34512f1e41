"""Another Node, another verdict: `release` is judged anew before anything ships; red there, it stops only itself."""

from collections.abc import Iterator

import pytest
from gatehouse import Gatehouse, build

from gatekeeper.model import State


@pytest.fixture(scope="module")
def tooled() -> Iterator[Gatehouse]:
    """Two static sites, whose check knows which Node there is."""
    with build(("shop", "web")) as gate:
        gate.only_files()
        node = gate.root / "node"
        node.write_text("v1\n")
        text = gate.home.sites_toml.read_text().replace("toolchain = []", f'toolchain = [["cat", "{node}"]]')
        run = f'["sh", "-c", "echo ran >> {gate.root}/runs; ! grep -q shop page.txt || ! grep -q v2 {node}"]'
        gate.home.sites_toml.write_text(f'{text}[[checks]]\nname = "page"\nper_site = true\nrun = {run}\n')
        gate.tick()
        yield gate


def runs(gate: Gatehouse) -> int:
    return len((gate.root / "runs").read_text().splitlines())


def test_release_is_verified_again_and_ships_on_when_it_is_green(tooled: Gatehouse) -> None:
    (tooled.root / "node").write_text("v1.1\n")
    before = runs(tooled)
    tooled.clone().request("one", {"sites/web/page.txt": "web again\n"})
    assert tooled.tick().alarms == ()
    assert tooled.result("one").state is State.SHIPPED
    assert runs(tooled) - before >= 2  # both sites, though one is as it was
    again = runs(tooled)
    tooled.tick()
    assert runs(tooled) == again  # once is enough


def test_what_is_red_with_it_is_told_and_stops_nobody_else(tooled: Gatehouse) -> None:
    (tooled.root / "node").write_text("v2\n")
    version = tooled.version
    tooled.clone().request("two", {"sites/shop/list.txt": "two\n"})
    alarms = tooled.tick().alarms
    assert "GATE-402" in [alarm.code for alarm in alarms]
    assert (tooled.version, tooled.result("two").state) == (version, State.BLOCKED)
    tooled.clone().request("three", {"sites/web/page.txt": "web three\n"})
    tooled.tick()
    assert tooled.result("three").state is State.SHIPPED
    (tooled.root / "node").write_text("v1.1\n")  # back to the old one: what was said of it counts again
    tooled.decide("retry", "two")
    tooled.tick()
    assert tooled.result("two").state is State.SHIPPED
