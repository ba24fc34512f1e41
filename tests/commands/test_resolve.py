"""`gatekeeper resolve`: a conflict mended in a clone of its own, and handed back as a new attempt."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from gatehouse import Clone, Gatehouse

from gatekeeper.errors import Exit
from gatekeeper.librarian.door import ourselves
from gatekeeper.model import State

PAGE = "sites/web/page.txt"


@pytest.fixture
def desk(gate: Gatehouse, tmp_path: Path) -> Path:
    """Where the operator stands."""
    return tmp_path


def run(gate: Gatehouse, desk: Path, *args: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "gatekeeper", "--gate", str(gate.home.path), "resolve", *args]
    return subprocess.run(argv, cwd=desk, env=gate.env, capture_output=True, text=True, check=False)


def conflict(gate: Gatehouse, name: str, trailers: str = "") -> str:
    """Block a request of agent-two's; return its tip."""
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    two.fresh()
    one.request(f"{name}-first", {PAGE: f"{name} first\n"})
    gate.tick()
    tip = two.again(name, {PAGE: f"{name} second\n"}, f"Do {name}{trailers}")
    gate.tick()
    assert gate.code(name) == "GATE-401"
    return tip


def mend(gate: Gatehouse, folder: Path, text: str, *how: str) -> None:
    """Do what the command says, as somebody who never told Git who they are."""
    person = Clone(folder, "kim", gate.env)
    (folder / PAGE).write_text(text)
    person.git("add", "-A")
    person.git("commit", "-q", "--no-edit", *how)


def test_the_conflict_is_mended_in_a_clone_and_handed_back(gate: Gatehouse, desk: Path) -> None:
    tip = conflict(gate, "fight", "\n\nSurface: web\nArtifact: build-7")
    began = run(gate, desk, "fight")
    assert began.returncode == 0, began.stderr
    folder = desk / "resolve-fight"
    assert f"  {PAGE}" in began.stdout.splitlines()
    assert "gatekeeper resolve fight --done" in began.stdout
    assert "<<<<<<<" in (folder / PAGE).read_text()
    early = run(gate, desk, "fight", "--done")
    assert (early.returncode, "not committed yet" in early.stderr) == (Exit.FAILED, True)
    assert run(gate, desk, "fight").stdout == began.stdout, "run twice it goes on"
    mend(gate, folder, "fight both\n")
    assert json.loads(run(gate, desk, "fight", "--json").stdout)["committed"] is True
    done = run(gate, desk, "fight", "--done", "-m", "both are needed")
    assert done.returncode == 0, done.stderr
    result = gate.result("fight")
    assert (result.state, result.attempt, result.agent.name) == (State.SHIPPED, 2, "agent-two")
    assert (result.ask.surfaces, result.ask.artifact, result.ask.intent) == (("web",), "build-7", "Do fight")
    assert gate.ask("web")["text"] == "fight both"
    assert gate.refs("refs/gate/keep/fight/") == {"refs/gate/keep/fight/1": tip}
    filed = next(r for r in gate.records("filed") if r.data.get("resolves"))
    assert (filed.actor, filed.data["resolves"]) == (ourselves(), tip)
    assert filed.data["message"] == "both are needed"
    assert gate.cli("audit", "verify").returncode == 0


def test_marks_that_are_left_and_a_request_that_moved_on_are_refused(gate: Gatehouse, desk: Path) -> None:
    conflict(gate, "marks")
    assert run(gate, desk, "marks").returncode == 0
    folder = desk / "resolve-marks"
    mend(gate, folder, (folder / PAGE).read_text())
    left = run(gate, desk, "marks", "--done")
    assert (left.returncode, "Conflict marks are left" in left.stderr) == (Exit.FAILED, True)
    assert "commit --amend" in left.stderr
    mend(gate, folder, "marks both\n", "--amend")
    clone = gate.clone("agent-two")
    clone.git("fetch", "-q", "origin", "request/marks")
    clone.git("checkout", "-q", "--detach", "FETCH_HEAD")
    tip = clone.again("marks", {"sites/web/list.txt": "moved\n"})
    late = run(gate, desk, "marks", "--done")
    assert (late.returncode, "has moved on" in late.stderr) == (Exit.REFUSED, True)
    assert gate.result("marks").tip == tip
    again = run(gate, desk, "marks")
    assert (again.returncode, "--into resolve-marks-2" in again.stderr) == (Exit.REFUSED, True)
    assert run(gate, desk, "marks", "--into", "resolve-marks-2").returncode == 0


def test_a_plain_push_from_the_clone_does_the_same(gate: Gatehouse, desk: Path) -> None:
    conflict(gate, "plain")
    assert run(gate, desk, "plain", "--into", "here").returncode == 0
    mend(gate, desk / "here", "plain both\n")
    person = Clone(desk / "here", "kim", gate.env)
    pushed = person.run("git", "push", ok=False)
    assert pushed.returncode == 0, pushed.stderr
    gate.tick()
    result = gate.result("plain")
    assert (result.state, result.agent.name, gate.ask("web")["text"]) == (State.SHIPPED, "agent-two", "plain both")


def test_the_other_side_may_be_a_request_ahead_in_the_queue(gate: Gatehouse, desk: Path) -> None:
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    gate.decide("freeze")
    first = one.request("ahead", {PAGE: f"ahead {gate.version}\n"})
    two.request("behind", {PAGE: "behind\n"})
    gate.tick()
    assert gate.code("behind") == "GATE-409"
    began = json.loads(run(gate, desk, "behind", "--json").stdout)
    assert (began["against"], began["files"], began["folder"]) == ("request ahead", [PAGE], "resolve-behind")
    mend(gate, desk / "resolve-behind", "both of them\n")
    assert run(gate, desk / "resolve-behind", "behind", "--done").returncode == 0, "also from inside"
    gate.decide("thaw")
    assert (gate.result("ahead").state, gate.result("behind").state) == (State.SHIPPED, State.SHIPPED)
    gate.git("merge-base", "--is-ancestor", first, gate.result("behind").tip)


def test_what_cannot_be_resolved_is_said_with_the_way_out(gate: Gatehouse, desk: Path) -> None:
    gate.clone().request("red", {PAGE: "BROKEN\n"})
    gate.tick()
    nothing = run(gate, desk, "red")
    assert (nothing.returncode, "in conflict with nothing" in nothing.stderr) == (Exit.FAILED, True)
    assert run(gate, desk, "no-such").returncode == Exit.NOT_FOUND
    (desk / "resolve-red").mkdir()
    for args in (("red",), ("red", "--done")):
        way = run(gate, desk, *args)
        assert (way.returncode, "--into resolve-red-2" in way.stderr) == (Exit.FAILED, True)
