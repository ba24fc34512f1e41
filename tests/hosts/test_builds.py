"""What builds left and migrations, on the hosts of their sites: one ship of all, and its way back."""

import subprocess
from collections.abc import Iterator
from functools import partial

import pytest
from faults.crash import SITES, building, plain
from gatehouse import Gatehouse

from gatekeeper.hosts import line
from hosts.machines import Farm, Machine, farm

WHERE = {"one": "web1", "two": "web2", "three": "web2"}


@pytest.fixture(scope="module")
def hosts() -> Iterator[Farm]:
    """Site three is built here and served on web2; one and two are migrated where they run."""
    with farm(WHERE, toml=partial(plain, hosts=WHERE)) as made:
        made.gate.toml = building(made.gate)
        made.gate.home.sites_toml.write_text(made.gate.toml)
        made.gate.tick()
        yield made


def _ship(hosts: Farm, text: str) -> None:
    files = {f"sites/{name}/migrations/1": f"{text}\n" for name in SITES[:2]}
    hosts.gate.clone().request(text, {**files, "sites/three/page.txt": f"{text}\n"})
    hosts.gate.tick()
    assert hosts.gate.result(text).state == "shipped", hosts.gate.told


def _bundle(one: Machine) -> str:
    return (one.home.current / "sites" / "three" / "dist" / "bundle.txt").read_text()


def _schema(one: Machine, site: str) -> str:
    return (one.home.data / site / "data" / "schema").read_text()


def _outputs(gate: Gatehouse) -> dict[str, int]:
    """Return when each output was kept here, in nanoseconds."""
    return {path.name: path.stat().st_mtime_ns for path in gate.home.builds.iterdir()}


def test_they_reach_the_hosts_and_only_the_build_goes_back(hosts: Farm) -> None:
    gate, web1, web2 = hosts.gate, hosts.machines["web1"], hosts.machines["web2"]
    _ship(hosts, "first")
    assert _bundle(web2) == "first\n"
    assert (_schema(web1, "one"), _schema(web2, "two")) == ("first\n", "first\n")
    before = gate.version
    _ship(hosts, "second")
    assert _bundle(web2) == "second\n"
    told = [record.data["site"] for record in gate.records("migrated") if record.data["version"] == gate.version]
    assert told[::-1] == ["one", "two"], "in the order of sites.toml, wherever they run"
    gate.decide("rollback", to=before, past_migrations="yes")
    assert gate.versions() == {gate.version}
    assert gate.version > before
    assert _bundle(web2) == "first\n"
    assert (_schema(web1, "one"), _schema(web2, "two")) == ("second\n", "second\n"), "data is never undone"


def test_a_migration_that_fails_on_its_host_leaves_every_site_as_it_was(hosts: Farm) -> None:
    gate, before = hosts.gate, hosts.gate.version
    gate.home.sites_toml.write_text(gate.toml.replace('"cat migrations/* > data/schema"', '"exit 3"'))
    gate.clone().request("broken", {"sites/two/migrations/1": "broken\n"})
    gate.tick()
    assert (gate.result("broken").state, gate.code("broken")) == ("blocked", "GATE-404")
    assert gate.versions() == {before}
    assert all(one.home.current.resolve().name.startswith(f"{before}-") for one in hosts.machines.values())
    gate.clone().push(":request/broken")
    gate.home.sites_toml.write_text(gate.toml)
    gate.tick()


def test_a_host_with_an_empty_disk_gets_the_build_again(hosts: Farm) -> None:
    """It is not built anew: what was verified travels."""
    gate, web2 = hosts.gate, hosts.machines["web2"]
    was, kept = _bundle(web2), _outputs(gate)
    web2.reboot()
    subprocess.run(["chmod", "-R", "u+w", str(web2.home.path)], check=True)
    subprocess.run(["rm", "-rf", *(str(web2.home.path / name) for name in ("live", "repo.git", "var"))], check=True)
    line.close_all()
    gate.tick()
    assert gate.versions() == {gate.version}
    assert _bundle(web2) == was
    assert _outputs(gate) == kept
