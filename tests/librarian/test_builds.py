"""What a build leaves: checked, shipped as it was checked, and made again when it is gone or no longer the same."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from gatehouse import Gatehouse, build

from gatekeeper.model import State

NAMES = ("shop", "web")
BUILD = """[[builds]]
name = "bundle"
run = ["sh", "-c", "mkdir -p dist && grep -v UNBUILDABLE page.txt > dist/page && date +%s%N > dist/when"]
per_site = true
outputs = ["dist"]
[[checks]]
name = "whole"
run = ["sh", "-c", "! grep -q HALF dist/page"]
per_site = true
"""
"""No two builds leave the same."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Gatehouse]:
    with build(NAMES, check=BUILD, sites=dict.fromkeys(NAMES, "boot_check = false")) as gate:
        gate.tick()
        yield gate


def live(gate: Gatehouse, site: str) -> dict[str, str]:
    """Return what the build of a site left in the live release."""
    return {path.name: path.read_text().strip() for path in (gate.home.current / "sites" / site / "dist").iterdir()}


def jobs(gate: Gatehouse, after: int) -> list[str]:
    """Return what was run since a record, in order."""
    return [r.data["job"] for r in gate.records("checked")[::-1] if r.sequence > after]


def outputs(gate: Gatehouse) -> set[Path]:
    return set(gate.home.builds.iterdir())


def ship(gate: Gatehouse, id_: str) -> set[Path]:
    """Ship a change of the web site and return what its build left."""
    before = outputs(gate)
    gate.clone().request(id_, {"sites/web/page.txt": f"{id_}\n"})
    gate.tick()
    assert (gate.result(id_).state, live(gate, "web")["page"]) == (State.SHIPPED, id_)
    return outputs(gate) - before


def test_what_a_build_leaves_is_checked_and_ships(gate: Gatehouse) -> None:
    shop = live(gate, "shop")
    for id_, text in (("half", "HALF\n"), ("not-at-all", "UNBUILDABLE\n")):
        gate.clone(f"agent-{id_}").request(id_, {"sites/shop/page.txt": text})
    ship(gate, "good")
    assert {gate.code(id_) for id_ in ("half", "not-at-all")} == {"GATE-402"}
    assert live(gate, "shop") == shop, "the same output, not another one of the same content"


def test_an_output_that_was_changed_on_disk_is_built_and_checked_again(gate: Gatehouse) -> None:
    gate.decide("freeze")
    before = outputs(gate)
    gate.clone().request("touched", {"sites/web/page.txt": "touched\n"})
    gate.tick()
    (made,) = outputs(gate) - before
    (made / "sites" / "web" / "dist" / "page").write_text("not what was checked\n")
    last = gate.records()[0].sequence
    gate.decide("thaw")
    assert (gate.result("touched").state, live(gate, "web")["page"]) == (State.SHIPPED, "touched")
    assert [r.data["build"] for r in gate.records("ship_put_off")] == [made.name]
    assert jobs(gate, last) == ["bundle of web", "whole of web"]


def test_a_rollback_to_a_version_whose_output_is_gone_builds_and_checks_it_again(gate: Gatehouse) -> None:
    text = gate.home.sites_toml.read_text()
    gate.home.sites_toml.write_text(text.replace("[gate]\n", "[gate]\nkeep_releases = 1\n"))
    (made,) = ship(gate, "older")
    version, when = gate.version, live(gate, "web")["when"]
    ship(gate, "newer")
    shutil.rmtree(made)
    last = gate.records()[0].sequence
    assert gate.decide("rollback", version=version).event == "shipped"
    assert live(gate, "web")["page"] == "older"
    assert live(gate, "web")["when"] != when
    assert jobs(gate, last) == ["bundle of web", "whole of web"]
    assert gate.versions() == {gate.version}
