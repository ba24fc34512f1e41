"""Past the commit point nothing stops a publication: not a lock file, a push, a record, or a lost answer."""

import subprocess
import sys
import time

import pytest
from gatehouse import Gatehouse

from faults.crash import start_again, strike
from faults.whole import assert_whole
from gatekeeper.model import State

PUBLISHED = "before refs: ship N"


def test_a_librarian_that_starts_anew_publishes_before_it_records_anything(site_gate: Gatehouse) -> None:
    """`run` records that it started, and a changed sites.toml: either would move the log from under the plan."""
    site_gate.clone().request("log-moved", {"sites/one/page.txt": "log moved\n"})
    assert strike(site_gate, [{"at": PUBLISHED, "do": "kill"}], "tick") < 0
    site_gate.home.sites_toml.write_text(f"# changed\n{site_gate.toml}")
    stop = {"at": "after write: heartbeat.json", "do": "kill"}
    assert strike(site_gate, [stop], "run") < 0
    assert site_gate.result("log-moved").state is State.SHIPPED
    start_again(site_gate)
    assert_whole(site_gate)
    assert site_gate.records("started")


def test_a_stale_lock_on_a_request_holds_nothing_up(site_gate: Gatehouse) -> None:
    lock = site_gate.home.repo / "refs" / "heads" / "request" / "locked.lock"
    site_gate.clone().request("locked", {"sites/one/page.txt": "locked\n"})
    status = strike(site_gate, [{"at": PUBLISHED, "do": ["touch", str(lock)]}], "tick")
    assert site_gate.result("locked").state is State.SHIPPED
    assert "GATE-506" in site_gate.told[-1]
    assert status == 1
    site_gate.clone("agent-two").request("other", {"sites/two/page.txt": "other\n"})
    start_again(site_gate)
    assert site_gate.result("other").state is State.SHIPPED, "one ref that cannot be deleted held the queue up"
    assert "locked" in site_gate.open()
    old = time.time() - 3600
    subprocess.run(["touch", "-d", f"@{old:.0f}", str(lock)], check=True)
    start_again(site_gate)
    assert_whole(site_gate)


def test_a_push_to_its_own_branch_during_the_publication_is_a_new_attempt(site_gate: Gatehouse) -> None:
    clone = site_gate.clone()
    first = clone.request("moved", {"sites/one/page.txt": "first\n"})
    second = clone.commit({"sites/one/page.txt": "second\n"}, "Again")
    push = ["git", "-C", str(clone.folder), "push", "-q", "origin", f"{second}:refs/heads/request/moved"]
    strike(site_gate, [{"at": PUBLISHED, "do": ["env", "GATE_AGENT=agent-one", *push]}], "tick")
    result = site_gate.result("moved")
    assert (result.tip, result.state, result.attempt) == (second, State.SHIPPED, 2)
    assert site_gate.ask("one")["text"] == "second"
    landed = [one["tip"] for record in site_gate.records("shipped")[:2] for one in record.data["requests"]]
    assert landed == [second, first]
    assert_whole(site_gate)


def test_an_update_while_checks_run_never_ships_the_old_tip_under_the_new_name(site_gate: Gatehouse) -> None:
    clone = site_gate.clone()
    first = clone.request("updated", {"sites/one/page.txt": "update one\n"}, "First words")
    second = clone.commit({"sites/one/page.txt": "update two\n"}, "Second words")
    push = ["git", "-C", str(clone.folder), "push", "-q", "origin", f"{second}:refs/heads/request/updated"]
    strike(site_gate, [{"at": "after write: check log", "do": ["env", "GATE_AGENT=agent-one", *push]}], "tick")
    subjects = site_gate.git("log", "--first-parent", "-3", "--format=%s %P", "release").splitlines()
    assert subjects[0].startswith("Second words"), subjects
    assert subjects[0].split()[-1] == second
    assert not any(first in line.split()[2:] and line.startswith("Second") for line in subjects)
    assert site_gate.ask("one")["text"] == "update two"
    assert_whole(site_gate)


def test_when_the_commit_point_may_have_been_passed_only_the_ref_decides(site_gate: Gatehouse) -> None:
    """The transaction went through, and what came after it failed: going back now would make `release` a lie."""
    site_gate.clone().request("passed", {"sites/one/page.txt": "passed\n"})
    strike(site_gate, [{"at": "after refs: publish N", "do": "EIO"}], "tick")
    start_again(site_gate)
    assert site_gate.result("passed").state is State.SHIPPED
    assert site_gate.ask("one")["text"] == "passed"
    assert_whole(site_gate)


def test_a_tree_that_was_interrupted_twice_waits_for_a_person(site_gate: Gatehouse) -> None:
    site_gate.clone().request("deadly", {"sites/one/page.txt": "deadly\n"})
    for _ in range(2):
        assert strike(site_gate, [{"at": "after stage: name", "do": "kill"}], "tick") < 0
    start_again(site_gate)
    assert (site_gate.result("deadly").state, site_gate.code("deadly")) == (State.HELD, "GATE-406")
    start_again(site_gate)
    assert site_gate.result("deadly").state is State.HELD, "nothing but a person lifts it"
    assert_whole(site_gate)
    assert site_gate.cli("retry", "deadly").returncode == 0
    assert site_gate.result("deadly").state is State.SHIPPED
    assert_whole(site_gate)


def test_what_a_killed_librarian_was_writing_is_cleared_away(site_gate: Gatehouse) -> None:
    """A kill between two steps leaves what no step names: an index, a signature, the draft of a trial merge."""
    for name in ("index-x", "sign-x"):
        (site_gate.home.repo / name).mkdir()
    (site_gate.home.repo / "draft-x").touch()
    start_again(site_gate)
    assert_whole(site_gate)


def test_a_second_librarian_refuses(site_gate: Gatehouse) -> None:
    tick = [
        "env",
        f"GATEKEEPER_HOME={site_gate.home.path}",
        "sh",
        "-c",
        f'{sys.executable} -m gatekeeper tick; echo $? > "$0"',
    ]
    said = site_gate.root / "second"
    strike(site_gate, [{"at": "after write: heartbeat.json", "do": [*tick, str(said)]}], "tick")
    assert said.read_text() == "21\n"
    said.unlink()


def test_what_was_withdrawn_before_anybody_saw_it_is_recorded_and_forgotten(site_gate: Gatehouse) -> None:
    clone = site_gate.clone()
    tips = {id_: clone.request(id_, {"sites/one/page.txt": f"{id_}\n"}) for id_ in ("gone-1", "gone-2")}
    for id_ in tips:
        clone.push(f":request/{id_}")
    start_again(site_gate)
    told = {record.data["id"]: record.data["tip"] for record in site_gate.records("withdrawn")[:2]}
    assert told == tips
    assert_whole(site_gate)


def test_a_refusal_is_recorded_once_though_the_librarian_was_killed_beside_it(site_gate: Gatehouse) -> None:
    assert site_gate.clone().push("HEAD:release").status != 0
    assert strike(site_gate, [{"at": "before spool: drop", "do": "kill"}], "tick") < 0
    before = len(site_gate.records("refused"))
    start_again(site_gate)
    assert len(site_gate.records("refused")) == before
    assert_whole(site_gate)


@pytest.mark.parametrize("command", [("tick",), ("rollback", "-m", "back")])
def test_a_publication_that_fails_is_not_written_over(site_gate: Gatehouse, command: tuple[str, ...]) -> None:
    """What the heartbeat has to say of the failure must not move the log from under the plan."""
    site_gate.clone().request("failing", {"sites/one/page.txt": f"failing {command[0]}\n"})
    if command != ("tick",):
        start_again(site_gate)
    lock = site_gate.home.repo / "refs" / "heads" / "release.lock"
    assert strike(site_gate, [{"at": PUBLISHED, "do": ["touch", str(lock)]}], *command) == 1
    assert lock.exists()
    start_again(site_gate)
    assert site_gate.result("failing").state is (State.SHIPPED if command == ("tick",) else State.ROLLED_BACK)
    assert_whole(site_gate)
