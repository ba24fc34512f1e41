"""Six sites on three hosts: shipped, failed and rolled back as one; and each loss of a host."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gatekeeper import fault
from gatekeeper.errors import GateError
from gatekeeper.hosts import line
from gatekeeper.hosts.program import prepare
from gatekeeper.hosts.wire import SILENCE
from hosts.machines import Farm, farm

WHERE = {"one": "web1", "two": "web2", "three": "web3", "four": "web1", "five": "web2", "six": "web3"}


@pytest.fixture(scope="module")
def farmed() -> Iterator[Farm]:
    with farm(WHERE) as made:
        yield made


@pytest.fixture
def hosts(farmed: Farm) -> Iterator[Farm]:
    """The module's hosts, all reachable and at rest."""
    farmed.settle()
    yield farmed
    fault.hook = None


@contextmanager
def at(step: str, act: Callable[[], None]) -> Iterator[list[str]]:
    """Do something the first time that the gate reaches a step; yield the steps that it reached."""
    reached: list[str] = []

    def hook(name: str) -> None:
        reached.append(name)
        if name == step and reached.count(step) == 1:
            act()

    fault.hook = hook
    try:
        yield reached
    finally:
        fault.hook = None
    assert step in reached


def change(hosts: Farm, id_: str, site: str, text: str | None = None) -> None:
    hosts.gate.clone().request(id_, {f"sites/{site}/page.txt": f"{text or id_}\n"})


def lose(hosts: Farm, name: str) -> None:
    """Cut a host off before the gate speaks to it again."""
    hosts.machines[name].cut()
    line.close_all()


def back(hosts: Farm, name: str) -> None:
    """Mend a host's link, and do the heartbeat that finds it."""
    hosts.machines[name].mend()
    line.close_all()
    hosts.gate.tick()


def test_a_ship_reaches_every_host(hosts: Farm) -> None:
    gate = hosts.gate
    before = gate.version
    change(hosts, "first", "two")
    gate.tick()
    assert gate.result("first").state == "shipped", gate.told
    assert gate.version != before
    assert gate.versions() == {gate.version}
    assert gate.ask("two")["text"] == "first"
    for one in hosts.machines.values():
        assert one.home.current.resolve().name == one.home.published.resolve().name == gate.home.current.resolve().name
        assert not one.home.next_plan.exists()


def test_one_site_that_is_not_well_brings_every_host_back(hosts: Farm) -> None:
    gate = hosts.gate
    before, release = gate.version, gate.release
    hosts.mood("five", "bad")
    change(hosts, "sick", "five", "FAILS WHEN bad")
    change(hosts, "fine", "one")
    gate.tick()
    result = gate.result("sick")
    assert (result.state, result.reason and result.reason.code) == ("blocked", "GATE-404")
    assert result.reason is not None
    assert "site five" in result.reason.text
    assert gate.result("fine").state == "shipped"
    assert gate.versions() == {gate.version}
    assert gate.version != before
    assert gate.release != release


def test_a_site_that_takes_long_is_no_lost_host(hosts: Farm) -> None:
    """Longer than a silence that counts: both sides say that they live while one of them works."""
    gate = hosts.gate
    gate.home.sites_toml.write_text(
        gate.toml.replace('health_timeout = "3s"', f'health_timeout = "{SILENCE + 3:.0f}s"')
    )
    gate.tick()
    hosts.mood("two", "slow")
    change(hosts, "slow", "two", "FAILS WHEN slow")
    gate.tick()
    assert gate.code("slow") == "GATE-404", gate.told


def test_a_rollback_reaches_every_host(hosts: Farm) -> None:
    gate = hosts.gate
    before = gate.version
    old = gate.ask("three")["text"]
    change(hosts, "unwanted", "three")
    gate.tick()
    assert gate.ask("three")["text"] == "unwanted"
    gate.decide("rollback", to=before)
    assert gate.result("unwanted").state == "rolled_back"
    assert gate.ask("three")["text"] == old
    assert gate.versions() == {gate.version}


def test_a_host_that_is_lost_before_stops_a_ship_before_anything_is_touched(hosts: Farm) -> None:
    gate = hosts.gate
    before, begun = gate.version, len(gate.records("shipping"))
    change(hosts, "early", "one")
    lose(hosts, "web2")
    with pytest.raises(GateError, match='Host "web2" cannot be reached') as refused:
        gate.tick()
    assert refused.value.code == "GATE-504"
    assert gate.result("early").state == "queued"
    assert gate.versions() == {before}
    assert len(gate.records("shipping")) == begun
    back(hosts, "web2")
    assert gate.result("early").state == "shipped"
    assert gate.versions() == {gate.version}


def test_a_rollback_goes_on_without_a_host_that_is_lost(hosts: Farm) -> None:
    """The others do not wait for it; it is brought along when it is back, and the next ship waits for all again."""
    gate, before = hosts.gate, hosts.gate.version
    change(hosts, "regretted", "three")
    gate.tick()
    bad = gate.version
    lose(hosts, "web2")
    said = gate.cli("rollback", before, "-m", "the shop is down", ok=True).stdout
    assert "Host web2 cannot be reached: it serves what it had" in said
    assert gate.result("regretted").state == "rolled_back"
    assert gate.version not in (before, bad)
    assert hosts.on("web1") == hosts.on("web3") == {gate.version}
    assert hosts.on("web2") == {bad}
    assert gate.records("shipped")[0].data["lost"] == ["web2"]
    change(hosts, "meanwhile", "one")
    with pytest.raises(GateError, match='Host "web2" cannot be reached'):
        gate.tick()
    back(hosts, "web2")
    assert gate.result("meanwhile").state == "shipped"
    assert gate.versions() == {gate.version}


def test_a_lost_host_is_brought_to_what_a_rollback_made_live(hosts: Farm) -> None:
    gate, before = hosts.gate, hosts.gate.version
    change(hosts, "mistaken", "five")
    gate.tick()
    lose(hosts, "web2")
    gate.decide("rollback", to=before)
    back(hosts, "web2")
    assert gate.versions() == {gate.version}
    assert gate.result("mistaken").state == "rolled_back"


def test_a_host_of_another_gatekeeper_is_not_left_out_of_a_rollback(
    hosts: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be reached: the gate was upgraded, and its hosts are to be, before anything moves."""
    gate, before = hosts.gate, hosts.gate.version
    change(hosts, "newest", "one")
    gate.tick()
    live = gate.version
    line.close_all()
    monkeypatch.setattr(line, "__version__", "9.9.9")
    gate.decide("rollback", to=before)
    monkeypatch.undo()
    line.close_all()
    assert gate.versions() == {live} == {gate.version}
    assert gate.result("newest").state == "shipped"


@pytest.mark.parametrize(
    "step", ["before web2: stage", "after web2: switch", "before web2: reload", "after web2: reload"]
)
def test_a_host_that_is_lost_in_a_ship_is_nobodys_fault(hosts: Farm, step: str) -> None:
    """The others are brought back; the host goes back by itself, before its link is mended."""
    gate, before = hosts.gate, hosts.gate.version
    id_ = step.replace(": ", "-").replace(" ", "-")
    change(hosts, id_, "three")
    with at(step, hosts.machines["web2"].cut), pytest.raises(GateError, match='Host "web2"'):
        gate.tick()
    result = gate.result(id_)
    assert result.reason is not None
    assert (result.state, result.reason.code) == ("queued", "GATE-504"), gate.told
    assert hosts.on("web1") == hosts.on("web3") == {before}
    hosts.until("web2", before)
    back(hosts, "web2")
    assert gate.result(id_).state == "shipped", gate.told
    assert gate.versions() == {gate.version}


def test_a_host_that_is_lost_after_the_commit_point_hears_of_it_when_it_is_back(hosts: Farm) -> None:
    gate = hosts.gate
    change(hosts, "late", "one")
    with at("before web3: publish", hosts.machines["web3"].cut):
        beat = gate.tick()
    assert gate.result("late").state == "shipped"
    assert hosts.on("web1") == hosts.on("web2") == {gate.version}
    assert any(alarm.code == "GATE-504" and "web3" in alarm.text for alarm in beat.alarms), beat
    assert beat.wake is not None, "it is looked for again soon"
    seen = {site["name"]: site for site in gate.json("status")["sites"]}
    assert (seen["three"]["host"], seen["three"]["healthy"]) == ("web3", False)
    assert seen["one"]["healthy"]
    back(hosts, "web3")
    assert gate.versions() == {gate.version}
    assert not hosts.machines["web3"].home.next_plan.exists()
    assert all(site["healthy"] for site in gate.json("status")["sites"])


def test_a_host_that_comes_up_again_is_brought_along(hosts: Farm) -> None:
    """Nothing starts there by itself: the gate says what it serves."""
    gate = hosts.gate
    hosts.machines["web1"].reboot()
    assert hosts.on("web1") == {None}
    gate.tick()
    assert gate.versions() == {gate.version}


def test_a_host_that_has_nothing_any_more_gets_it_again(hosts: Farm) -> None:
    gate, one = hosts.gate, hosts.machines["web2"]
    one.reboot()
    subprocess.run(["chmod", "-R", "u+w", str(one.home.path)], check=True)
    subprocess.run(
        ["rm", "-rf", *(str(one.home.path / name) for name in ("live", "repo.git", "var", "data"))], check=True
    )
    line.close_all()
    gate.tick()
    assert gate.versions() == {gate.version}


def test_the_hosts_program_killed_in_a_ship(hosts: Farm) -> None:
    gate, before = hosts.gate, hosts.gate.version

    def kill() -> None:
        for pid in hosts.machines["web1"].sessions():
            os.kill(pid, signal.SIGKILL)

    change(hosts, "struck", "two")
    with at("after web1: reload", kill), suppress(GateError):
        gate.tick()
    state = gate.result("struck").state
    assert state in ("queued", "shipped"), "the next question opens the line anew, unless it was being asked"
    assert gate.versions() == {before if state == "queued" else gate.version}
    line.close_all()
    gate.tick()
    assert gate.result("struck").state == "shipped"
    assert gate.versions() == {gate.version}


def test_a_switch_by_somebody_else_is_told_and_left(hosts: Farm) -> None:
    gate, home = hosts.gate, hosts.machines["web3"].home
    change(hosts, "newer", "one")
    gate.tick()
    there = home.current.resolve()
    other = next(folder for folder in home.releases.iterdir() if folder != there)
    draft = home.current.with_name("by-hand")
    draft.symlink_to(other)
    draft.rename(home.current)
    hosts.machines["web3"].reboot()
    beat = gate.tick()
    assert any(alarm.code == "GATE-502" and "web3" in alarm.text for alarm in beat.alarms), beat
    assert home.current.resolve() == other
    draft.symlink_to(there)
    draft.rename(home.current)
    gate.tick()
    assert gate.versions() == {gate.version}


def test_the_key_opens_one_program_only(hosts: Farm) -> None:
    gate, one = hosts.gate, hosts.machines["web1"]
    known = f"UserKnownHostsFile={gate.home.known_hosts}"
    argv = ["ssh", "-F", "none", "-i", str(gate.home.host_key), "-o", known, "-o", "IdentitiesOnly=yes", one.ssh, "id"]
    done = subprocess.run(argv, input=b"", capture_output=True, check=False, timeout=60)
    assert b"uid=" not in done.stdout + done.stderr
    tunnel = [*argv[:-2], "-N", "-R", "0:127.0.0.1:1", "-o", "ExitOnForwardFailure=yes", one.ssh]
    forwarded = subprocess.run(tunnel, capture_output=True, check=False, timeout=60)
    assert forwarded.returncode != 0


def test_a_host_with_another_key_is_not_spoken_to(hosts: Farm) -> None:
    gate = hosts.gate
    good = gate.home.known_hosts.read_text()
    other = gate.home.host_key.with_suffix(".pub").read_text().split()[:2]
    address = hosts.machines["web2"].address
    lines = [
        f"{address} {' '.join(other)}" if entry.startswith(f"{address} ") else entry for entry in good.splitlines()
    ]
    line.close_all()
    gate.home.known_hosts.write_text("\n".join(lines) + "\n")
    try:
        beat = gate.tick()
        assert any(alarm.code == "GATE-504" and "web2" in alarm.text for alarm in beat.alarms), beat
    finally:
        gate.home.known_hosts.write_text(good)


def test_a_site_moves_to_another_host(hosts: Farm) -> None:
    gate = hosts.gate
    gate.home.sites_toml.write_text(gate.toml.replace('host = "web3"', 'host = "web1"'))
    gate.tick()
    ports = {site: gate.ports[site] for site in ("three", "six")}
    assert {hosts.machines["web1"].ask(port)["version"] for port in ports.values()} == {gate.version}
    assert {hosts.machines["web3"].ask(port)["version"] for port in ports.values()} == {None}
    assert gate.records("reconfigured")
    gate.home.sites_toml.write_text(gate.toml)
    gate.tick()
    assert gate.versions() == {gate.version}
    assert {hosts.machines["web1"].ask(port)["version"] for port in ports.values()} == {None}


def test_what_a_site_keeps_stays_on_its_host(hosts: Farm) -> None:
    gate, home = hosts.gate, hosts.machines["web2"].home
    (home.data / "two" / "data" / "upload").write_text("kept")
    change(hosts, "again", "two")
    gate.tick()
    assert (home.current / "sites/two/data/upload").read_text() == "kept"


def test_a_home_is_made_whole_when_it_is_served(tmp_path: Path) -> None:
    from gatekeeper.home import Home  # noqa: PLC0415

    home = Home(tmp_path / "gate")
    prepare(home)
    prepare(home)
    assert (home.repo / "HEAD").is_file()
    assert home.var.stat().st_mode & 0o777 == 0o700
