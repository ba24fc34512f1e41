"""Rollbacks: a new version with the old content, whatever else is going on."""

from gatehouse import CHECK, Gatehouse, librarian, until

from gatekeeper.errors import Exit
from gatekeeper.librarian.door import ourselves
from gatekeeper.model import State


def test_a_rollback_is_a_new_version_with_the_content_before(gate: Gatehouse) -> None:
    old, tree = gate.version, gate.git("rev-parse", "release^{tree}")
    tip = gate.clone().request("regretted", {"sites/shop/page.txt": f"after {old}\n"})
    gate.tick()
    done = gate.cli("rollback", "-m", "checkout is broken")
    assert done.returncode == 0, done.stderr
    assert gate.git("rev-parse", "release^{tree}") == tree
    assert gate.versions() == {gate.version}
    assert gate.git("log", "-1", "--format=%s", "release") == f"Roll back to {old}: checkout is broken"
    assert gate.git("log", "-1", "--format=%(trailers:key=Takes-Out,valueonly)", "release") == "regretted"
    decided = gate.git("log", "-1", "--format=%(trailers:key=Decided-By,valueonly)", "release")
    assert decided == f"{ourselves().name} (kernel)"
    gate.git("merge-base", "--is-ancestor", tip, "release")
    result = gate.result("regretted")
    assert (result.state, result.version) == (State.ROLLED_BACK, gate.version)
    assert gate.cli("wait", "regretted").returncode == Exit.ROLLED_BACK
    assert gate.records("shipped")[0].data["takes_out"] == ["regretted"]


def test_what_a_rollback_took_out_is_refused_and_filed_again_by_retry(gate: Gatehouse) -> None:
    clone, mark = gate.clone(), gate.version
    tip = clone.request("innocent", {"sites/web/page.txt": f"innocent {mark}\n"}, "Be innocent\n\nArtifact: b-7")
    gate.tick()
    gate.decide("rollback")
    assert gate.ask("web")["text"] != f"innocent {mark}"
    assert clone.push(f"{tip}:refs/heads/request/innocent").code in ("GATE-208", "GATE-211")
    clone.git("checkout", "-q", "--detach", tip)
    clone.commit({"sites/web/list.txt": "one line\n"}, "Fix it")
    assert clone.push("HEAD:refs/heads/request/on-top-of-it").code == "GATE-211"
    assert gate.decide("retry", "innocent").event == "filed"
    again = gate.result("innocent")
    assert (again.state, again.attempt, again.ask.artifact) == (State.SHIPPED, 2, "b-7")
    assert gate.ask("web")["text"] == f"innocent {mark}"
    assert gate.versions() == {gate.version}
    assert gate.git("log", "-1", "--format=%an %s", "release") == "agent-one Be innocent"


def test_back_to_a_named_version_across_several(gate: Gatehouse) -> None:
    clone, old = gate.clone(), gate.version
    shown = gate.ask("shop")["text"]
    for number in (1, 2):
        clone.request(f"step-{number}", {"sites/shop/page.txt": f"step {number} after {old}\n"})
        gate.tick()
    assert gate.cli("rollback", old, "-m", "both were wrong").returncode == 0
    assert (gate.ask("shop")["text"], gate.versions()) == (shown, {gate.version})
    assert {gate.result(f"step-{number}").state for number in (1, 2)} == {State.ROLLED_BACK}
    assert gate.records("shipped")[0].data["takes_out"] == ["step-2", "step-1"]


def test_a_version_that_was_never_live_is_refused(gate: Gatehouse) -> None:
    before = gate.version
    done = gate.cli("rollback", "v7.7.7", "-m", "to nowhere")
    assert (done.returncode, gate.version) == (Exit.NOT_FOUND, before)
    assert "v7.7.7 was never live here" in done.stderr
    assert before in done.stderr


def test_it_works_frozen_and_outside_the_windows(gate: Gatehouse) -> None:
    gate.clone().request("frosty", {"sites/web/page.txt": f"frosty {gate.version}\n"})
    gate.tick()
    gate.decide("freeze")
    gate.configure(gate='ship_windows = ["Mon 00:00-00:01"]\n')
    assert gate.cli("rollback", "-m", "even so").returncode == 0
    assert gate.result("frosty").state is State.ROLLED_BACK
    assert gate.versions() == {gate.version}


def test_it_refuses_to_cross_a_migration_without_a_word(gate: Gatehouse) -> None:
    migrates = 'migrate = ["sh", "migrate.sh"]\nmigrate_paths = ["sites/web/migrations"]\n'
    gate.configure(sites={"web": migrates})
    files = {
        "sites/web/migrate.sh": 'cat migrations/* >> data/schema; echo "$GATE_SITE $GATE_VERSION" >> data/schema\n',
        "sites/web/migrations/1": f"created after {gate.version}\n",
    }
    gate.clone().request("schema", files)
    gate.tick()
    schema = gate.home.data / "web" / "data" / "schema"
    assert gate.result("schema").state is State.SHIPPED
    assert schema.read_text().splitlines()[-1] == f"web {gate.version}"
    assert [(r.data["site"], r.data["version"]) for r in gate.records("migrated")[:1]] == [("web", gate.version)]
    told = schema.read_text()
    gate.clone().request("no-schema", {"sites/web/page.txt": f"no schema {gate.version}\n"})
    gate.tick()
    assert schema.read_text() == told, "it runs only for a change of its paths"
    assert gate.cli("rollback", "-m", "back over nothing").returncode == 0
    oldest = gate.records("shipped")[3].data["version"]
    refused = gate.cli("rollback", oldest, "-m", "back over the schema")
    assert (refused.returncode, "migration of web" in refused.stderr) == (Exit.FAILED, True)
    assert gate.cli("rollback", oldest, "-m", "I know", "--past-migrations").returncode == 0
    assert (schema.read_text(), gate.versions()) == (told, {gate.version})


def test_a_migration_that_fails_ships_nothing(gate: Gatehouse) -> None:
    before = gate.version
    gate.configure(
        sites={"web": 'migrate = ["sh", "-c", "echo no such table; exit 4"]\nmigrate_paths = ["sites/web"]\n'}
    )
    gate.clone().request("bad-schema", {"sites/web/page.txt": f"bad schema {before}\n"})
    gate.tick()
    reason = gate.result("bad-schema").reason
    assert reason is not None
    assert (reason.code, gate.version, gate.versions()) == ("GATE-404", before, {before})
    assert "the migration of site web failed" in reason.text
    assert "status 4" in reason.text
    log = gate.home.logs / gate.records("migration_failed")[0].data["log"]
    assert log.read_text() == "no such table\n"


def test_beside_a_librarian_it_cancels_the_check_that_runs(gate: Gatehouse) -> None:
    clone, old = gate.clone(), gate.version
    clone.request("live", {"sites/web/page.txt": f"live after {old}\n"})
    gate.tick()
    gate.configure(
        check=CHECK.replace('"test.sh"', '"-c", "! grep -q ENDLESS page.txt || sleep 500"').replace("10s", "9m")
    )
    gate.tick()
    clone.request("endless", {"sites/shop/page.txt": "ENDLESS\n"})
    with librarian(gate) as process:
        until(process, "verifying endless")
        done = gate.cli("rollback", "-m", "now")
        assert done.returncode == 0, done.stderr
        assert gate.result("live").state is State.ROLLED_BACK
        assert gate.versions() == {gate.version}
        until(process, "verifying endless")  # it goes on with what it left
    assert process.returncode == 0
    said = {r.data["outcome"] for r in gate.records("checked") if r.at >= gate.result("endless").filed_at}
    assert said <= {"passed"}, "the check was cancelled: no verdict"
    assert gate.result("endless").state in (State.QUEUED, State.VERIFYING)
