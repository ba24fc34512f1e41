"""`abort` beside a running Librarian: checks end, a ship goes back, and nothing begins before the thaw."""

import json
import time

from gatehouse import CHECK, Gatehouse, librarian, until

from gatekeeper.model import State

ENDLESS = CHECK.replace('"test.sh"', '"-c", "! grep -q ENDLESS page.txt || sleep 500"').replace("10s", "9m")


def test_checks_are_cancelled_and_wait_for_the_thaw(gate: Gatehouse) -> None:
    gate.configure(check=ENDLESS)
    gate.tick()
    gate.clone().request("endless", {"sites/shop/page.txt": "ENDLESS\n"})
    with librarian(gate) as process:
        until(process, "verifying endless")
        done = gate.cli("abort", "-m", "wrong branch", "--json")
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert (answer["event"], answer["data"]["ids"]) == ("aborted", ["endless"])
        assert "The checks of endless were cancelled." in answer["text"]
        until(process, "abort by")
        gate.clone().request("calm", {"sites/web/page.txt": f"calm {gate.version}\n"})
        until(process, "queued: calm")
        for name in ("endless", "calm"):
            assert (gate.result(name).state, gate.code(name)) == (State.QUEUED, "GATE-408")
        reason = gate.result("calm").reason
        assert reason is not None
        assert "aborted: wrong branch" in reason.text
        gate.clone().push(":request/endless")
        assert gate.cli("thaw").returncode == 0
        until(process, "shipped ")
    assert gate.result("calm").state is State.SHIPPED
    assert gate.versions() == {gate.version}


def test_a_ship_before_its_commit_point_goes_back(gate: Gatehouse) -> None:
    before = gate.version
    gate.toml_with_short_patience()
    slow = gate.home.sites_toml.read_text().replace('soak = "100ms"', 'soak = "2s"')
    gate.home.sites_toml.write_text(slow)
    gate.tick()
    gate.clone().request("regretted", {"sites/web/page.txt": f"regretted {before}\n"})
    with librarian(gate) as process:
        until(process, "shipping ")
        done = gate.cli("abort")
        assert done.returncode == 0, done.stderr
        assert f"was stopped: every site is on {before}." in done.stdout
        until(process, "abort by")
    assert (gate.version, gate.versions(), gate.refs("refs/gate/shipping")) == (before, {before}, {})
    assert (gate.result("regretted").state, gate.code("regretted")) == (State.QUEUED, "GATE-408")
    assert gate.refs("refs/gate/bad/") == {}, "nobody is to blame"
    assert gate.records("ship_aborted")[0].data["abort"] == gate.records("aborted")[0].data["decision"]
    assert gate.tick().rest.startswith("the gate is frozen: aborted")
    assert gate.decide("thaw").event == "thawed"
    assert gate.result("regretted").state is State.SHIPPED


def test_with_nothing_under_way_it_says_so_and_freezes_all_the_same(gate: Gatehouse) -> None:
    gate.clone().request("solid", {"sites/web/page.txt": f"solid {gate.version}\n"})
    gate.tick()
    time.sleep(1 - time.time() % 1)  # what went live in the second in which it was asked may have been under way
    done = gate.cli("abort")
    assert (done.returncode, done.stdout.startswith("Nothing was under way.")) == (0, True)
    assert gate.json("status")["frozen"]["reason"].startswith("aborted")
    gate.clone().request("still", {"sites/shop/page.txt": f"still {gate.version}\n"})
    checks = len(gate.records("checked"))
    gate.configure(sites={"web": 'instances = 2\nmode = "cluster"\n'})
    gate.tick()
    assert (len(gate.records("checked")), gate.code("still")) == (checks, "GATE-408")
    assert gate.cli("config", "apply").returncode == 1
    assert gate.cli("rollback", "-m", "even so").returncode == 0
    gate.decide("thaw")
    assert gate.result("still").state is State.SHIPPED


def test_what_is_urgent_does_not_wait_for_what_else_may_come(gate: Gatehouse) -> None:
    text = gate.home.sites_toml.read_text()
    assert "[gate]\n" in text
    gate.home.sites_toml.write_text(text.replace("[gate]\n", '[gate]\nsettle = "10m"\n'))
    with librarian(gate) as process:
        until(process, "runs; Ctrl-C stops it")
        gate.clone().request("patient", {"sites/web/page.txt": f"patient {gate.version}\n"})  # from here on it waits
        done = gate.cli("freeze", "-m", "at once")
        assert done.returncode == 0, done.stderr
    gate.home.sites_toml.write_text(text)
    assert gate.cli("thaw").returncode == 0
    assert gate.result("patient").state is State.SHIPPED
