"""A gate from its first heartbeat on: starts, sites that come and go, changed configurations, the Librarian itself."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest
from gatehouse import Gatehouse, app_files, librarian, until

from gatekeeper.errors import Exit
from gatekeeper.librarian import opening
from gatekeeper.model import State
from gatekeeper.repo import lock, spool

Opener = Callable[..., Gatehouse]


def test_an_empty_release_takes_an_unrelated_history(opener: Opener) -> None:
    gate = opener(("shop",), empty=True)
    gate.tick()
    assert gate.version == "v0.1.0"
    assert gate.json("status")["sites"] == []
    clone = gate.clone()
    clone.git("checkout", "-q", "--orphan", "own")
    clone.commit(app_files(("shop",)), "Begin")
    assert clone.push("HEAD:request/begin").status == 0
    gate.tick()
    assert (gate.version, gate.ask("shop")["text"], gate.ask("shop")["version"]) == ("v0.1.1", "shop one", "v0.1.1")
    clone.git("checkout", "-q", "--orphan", "other")
    clone.commit({"sites/shop/page.txt": "unrelated\n"}, "Begin anew")
    assert clone.push("HEAD:request/unrelated").code == "GATE-206"


def test_an_import_goes_on_after_its_highest_version(opener: Opener) -> None:
    gate = opener(("shop",), tags=("v1.2.3", "v1.10.0", "nightly"))
    assert gate.json("status")["release"]["version"] is None
    gate.tick()
    assert (gate.version, gate.ask("shop")["version"]) == ("v1.10.1", "v1.10.1")
    done = gate.cli("rollback", "v1.2.3", "-m", "it was never live here")
    assert (done.returncode, "v1.10.1" in done.stderr) == (Exit.NOT_FOUND, True)
    gate.clone().request("major", {"sites/shop/page.txt": "two\n"}, "Break it\n\nBump: major")
    gate.tick()
    assert gate.ask("shop")["version"] == "v2.0.0"


def test_a_red_import_starts_nothing_and_says_why(opener: Opener) -> None:
    gate = opener(
        ("shop",), check='[[checks]]\nname = "no"\nrun = ["sh", "-c", "echo never; false"]\nper_site = true\n'
    )
    beat = gate.tick()
    assert [alarm.code for alarm in beat.alarms] == ["GATE-402"]
    assert "never" in beat.alarms[0].text
    assert (gate.refs("refs/tags/"), gate.ask("shop")["version"]) == ({}, None)
    gate.configure(check="")
    assert gate.tick().alarms == ()
    assert gate.ask("shop")["version"] == "v0.1.0"


def test_a_site_comes_with_the_release_that_brings_it_and_leaves_with_the_one_that_takes_it(opener: Opener) -> None:
    gate = opener(("shop",), absent=("blog",))
    gate.tick()
    assert (gate.ask("shop")["version"], gate.ask("blog")["version"]) == ("v0.1.0", None)
    assert [site["name"] for site in gate.json("status")["sites"]] == ["shop"]
    files = {name: text for name, text in app_files(("blog",)).items() if name.startswith("sites/")}
    gate.clone().request("blog", files)
    gate.tick()
    assert gate.versions() == {"v0.1.1"}
    gate.clone().request("no-blog", dict.fromkeys(files, None))
    gate.tick()
    assert (gate.ask("shop")["version"], gate.ask("blog")["version"]) == ("v0.1.2", None)
    assert [site["name"] for site in gate.json("status")["sites"]] == ["shop"]
    assert gate.cli("rollback", "-m", "we want the blog").returncode == 0
    assert gate.versions() == {"v0.1.3"}


def test_a_changed_configuration_is_shipped_without_a_new_version(gate: Gatehouse) -> None:
    version, tags = gate.version, gate.refs("refs/tags/")
    gate.configure(sites={"web": 'boot_env = { A = "b" }\nkill_timeout = "2s"\n'})
    gate.home.sites_toml.write_text(
        gate.home.sites_toml.read_text().replace(
            f'env = {{ PORT = "{gate.ports["web"]}" }}', f'env = {{ PORT = "{gate.ports["web"]}", EXTRA = "new" }}'
        )
    )
    gate.tick()
    assert gate.ask("web")["extra"] == "new"
    assert (gate.versions(), gate.refs("refs/tags/")) == ({version}, tags)
    assert gate.records("reconfigured")[0].data["version"] == version
    count = len(gate.records())
    gate.tick()
    assert len(gate.records()) == count


def test_secrets_reach_the_live_site_only(gate: Gatehouse) -> None:
    (gate.home.var / "env").mkdir(exist_ok=True)
    secrets = gate.home.var / "env" / "web"
    secrets.write_text("TOLD='hush one'\n")
    gate.configure(sites={"web": 'env_file = "var/env/web"\n'})
    gate.tick()
    assert gate.ask("web")["told"] == "hush one"
    secrets.write_text("TOLD='hush two'\n")
    gate.tick()
    assert gate.ask("web")["told"] == "hush two", "a changed env_file is a changed configuration"
    told = json.dumps([[r.subject, r.data] for r in gate.records()]) + "".join(gate.told)
    assert "hush" not in told
    secrets.write_text("this line is wrong: hush\n")
    problem = gate.cli("tick")
    assert (problem.returncode, "GATE-501" in problem.stderr, "hush" in problem.stderr) == (Exit.CONFIG, True, False)
    assert gate.ask("web")["told"] == "hush two"


def test_a_configuration_that_fails_goes_back_and_is_not_tried_again(gate: Gatehouse) -> None:
    version = gate.version
    for more, code in (("", "GATE-402"), ("boot_check = false\n", "GATE-404")):
        gate.toml_with_short_patience(more)
        address = f'"http://127.0.0.1:{gate.ports["web"]}/"'
        gate.home.sites_toml.write_text(gate.home.sites_toml.read_text().replace(address, '"http://127.0.0.1:1/"'))
        beat = gate.tick()
        assert [alarm.code for alarm in beat.alarms] == [code]
        assert gate.versions() == {version}
    count = len(gate.records("shipping"))
    assert gate.tick().alarms == ()
    assert len(gate.records("shipping")) == count, "unchanged, it is not tried again"


def test_an_invalid_configuration_changes_nothing_and_alerts(gate: Gatehouse) -> None:
    version = gate.version
    gate.home.sites_toml.write_text(gate.toml.replace("[sites.web]", "[sites.shop]\n[sites.web]"))
    assert gate.cli("config", "check").returncode == Exit.CONFIG
    gate.clone().request("meanwhile", {"sites/shop/page.txt": f"meanwhile {version}\n"})
    beat = gate.tick()
    assert [alarm.code for alarm in beat.alarms] == ["GATE-501"]
    assert gate.result("meanwhile").state is State.SHIPPED, "the last valid one is in force"
    assert gate.versions() == {gate.version}


def test_a_dry_run_moves_no_ref_and_touches_no_site(gate: Gatehouse) -> None:
    gate.clone().request("dry", {"sites/web/page.txt": f"dry {gate.version}\n"})
    gate.clone().request("red", {"sites/web/list.txt": "short\n"})
    refs, answers, spooled = gate.refs(), gate.answers(), sorted(gate.home.spool.iterdir())
    done = gate.cli("tick", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "merge: dry (Do dry)" in done.stdout
    assert "nothing was changed" in done.stdout
    assert (gate.refs(), gate.answers(), sorted(gate.home.spool.iterdir())) == (refs, answers, spooled)


def test_two_librarians_never_work_at_once(gate: Gatehouse) -> None:
    with lock.hold(gate.home.path):
        done = gate.cli("tick")
        assert done.returncode == Exit.LOCKED
        assert f"process {os.getpid()}" in done.stderr
        assert gate.cli("status").returncode == 0


def test_a_dead_site_is_brought_back(gate: Gatehouse) -> None:
    kill(gate, "web")
    assert gate.ask("web")["version"] is None
    assert gate.json("status")["sites"][2]["healthy"] is False
    assert gate.tick().alarms == ()
    assert gate.versions() == {gate.version}
    assert gate.records("converged")[0].data["sites"] == ["web"]


def test_a_dead_daemon_is_brought_back_with_all_its_sites(gate: Gatehouse) -> None:
    daemon = gate.target().pm2.daemon()
    assert daemon is not None
    os.kill(daemon, signal.SIGKILL)
    gate.clone().request("after-death", {"sites/web/page.txt": f"after death {gate.version}\n"})
    gate.tick()
    assert gate.result("after-death").state is State.SHIPPED
    assert gate.versions() == {gate.version}


def test_a_link_that_somebody_else_moved_is_reported_and_left(gate: Gatehouse) -> None:
    was = gate.home.current.readlink()
    gate.clone().request("moved", {"sites/web/page.txt": f"moved {gate.version}\n"})
    gate.tick()
    now = gate.home.current.readlink()
    gate.switch_by_hand(was)
    kill(gate, "web")
    beat = gate.tick()
    assert [alarm.code for alarm in beat.alarms] == ["GATE-502", "GATE-504"]
    assert "web" in beat.alarms[1].text, "the site that is left dead is told of"
    assert gate.home.current.readlink() == was
    gate.switch_by_hand(now)
    assert gate.tick().alarms == ()
    assert gate.versions() == {gate.version}


def test_a_running_librarian_wakes_on_a_push_and_leaves_its_sites_running(gate: Gatehouse) -> None:
    with librarian(gate) as process:
        until(process, "the Librarian of")
        gate.clone().request("woken", {"sites/web/page.txt": f"woken {gate.version}\n"})
        until(process, "shipped v")
        assert gate.cli("wait", "woken", "--timeout", "20s").returncode == 0
        status = gate.json("status")["librarian"]
        assert (status["running"], status["pid"]) == (True, process.pid)
    assert process.returncode == 0
    assert gate.versions() == {gate.version}
    assert gate.json("status")["librarian"]["running"] is False
    assert [record.event for record in gate.records()[:1]] == ["stopped"]


def test_sigterm_while_a_check_runs_leaves_the_request_for_the_next_start(gate: Gatehouse) -> None:
    gate.configure(check='[[checks]]\nname = "page"\nrun = ["sleep", "500"]\nper_site = true\ntimeout = "9m"\n')
    gate.clone().request("cut", {"sites/web/page.txt": f"cut {gate.version}\n"})
    with librarian(gate) as process:
        until(process, "verifying cut")
    assert process.returncode == 0
    assert (gate.result("cut").state, gate.open()) == (State.VERIFYING, {"cut"})
    gate.configure(check="")
    gate.tick()
    assert gate.result("cut").state is State.SHIPPED


def test_a_decision_goes_through_the_door_of_a_running_librarian(gate: Gatehouse) -> None:
    with librarian(gate) as process:
        until(process, "the Librarian of")
        assert gate.cli("freeze", "-m", "hands off").returncode == 0
        gate.clone().request("iced", {"sites/web/page.txt": f"iced {gate.version}\n"})
        until(process, "GATE-408")
        assert gate.cli("thaw").returncode == 0
        assert gate.cli("wait", "iced", "--timeout", "3m").returncode == 0
    assert gate.records("frozen")[0].actor.role == "operator"
    assert "decision" not in {entry.event for entry in spool.read(gate.home.spool)}


def test_a_decision_waits_for_a_door_that_is_not_open_yet(gate: Gatehouse) -> None:
    """The lock is taken first: until the door is there, nobody would hear it, and it must not fail for that."""
    argv = [sys.executable, "-m", "gatekeeper", "--gate", str(gate.home.path), "freeze", "-m", "hands off"]
    with opening.locked(gate.home):
        person = subprocess.Popen(argv, env=gate.env)
        with pytest.raises(subprocess.TimeoutExpired):
            person.wait(2)  # without patience it ends in half a second
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(gate.home.door))  # as a killed Librarian leaves it
        with pytest.raises(subprocess.TimeoutExpired):
            person.wait(0.5)
    assert person.wait(60) == 0
    assert gate.records("frozen")[0].subject


def pids(gate: Gatehouse) -> dict[str, int]:
    return {one.name: one.pid for one in gate.target().pm2.processes()}


def kill(gate: Gatehouse, name: str) -> None:
    target = gate.target()
    target.pm2.delete([one.pm_id for one in target.pm2.processes() if one.name == name], timeout=10.0)


def test_sites_that_did_not_change_keep_their_process(gate: Gatehouse) -> None:
    gate.configure(gate='reload = "changed"\n')
    old, before = gate.version, pids(gate)
    gate.clone().request("only-web", {"sites/web/page.txt": f"only web {old}\n"})
    assert gate.tick().alarms == ()
    after = pids(gate)
    assert gate.version != old
    assert (after["shop"], after["shop-admin"]) == (before["shop"], before["shop-admin"])
    assert after["web"] != before["web"]
    assert {name: answer["version"] for name, answer in gate.answers().items()} == {
        "shop": old,
        "shop-admin": old,
        "web": gate.version,
    }
    sites = gate.json("status")["sites"]
    assert [(site["version"], site["healthy"]) for site in sites] == [(gate.version, True)] * 3
    told = len(gate.records())
    gate.tick()
    assert (pids(gate), len(gate.records())) == (after, told), "what is kept is well"

    gate.clone().request("only-lib", {"lib/words.txt": f"only lib {old}\n"})
    gate.tick()
    assert pids(gate)["web"] == after["web"]
    assert {gate.ask(name)["version"] for name in ("shop", "shop-admin")} == {gate.version}


def test_a_kept_process_that_dies_comes_back_on_the_present_version(gate: Gatehouse) -> None:
    gate.configure(gate='reload = "changed"\n')
    gate.clone().request("web-again", {"sites/web/page.txt": f"web again {gate.version}\n"})
    gate.tick()
    assert gate.ask("shop")["version"] != gate.version
    kill(gate, "shop")
    assert gate.tick().alarms == ()
    assert gate.ask("shop")["version"] == gate.version
    told = len(gate.records())
    gate.tick()
    assert len(gate.records()) == told


def test_a_failed_ship_leaves_kept_processes_alone_and_brings_the_others_back(gate: Gatehouse) -> None:
    gate.configure(gate='reload = "changed"\n')
    gate.clone().request("web-once-more", {"sites/web/page.txt": f"once more {gate.version}\n"})
    gate.tick()
    live, shown = pids(gate), gate.answers()
    gate.mood("shop", "bad")
    gate.clone().request("rotten-shop", {"sites/shop/page.txt": "FAILS WHEN bad\n"})
    gate.tick()
    assert gate.code("rotten-shop") == "GATE-404"
    now = gate.answers()
    assert {name: one["text"] for name, one in now.items()} == {name: one["text"] for name, one in shown.items()}
    assert (pids(gate)["web"], pids(gate)["shop-admin"]) == (live["web"], live["shop-admin"])
    assert gate.tick().alarms == ()
    assert all(site["healthy"] for site in gate.json("status")["sites"])
