"""The last backup of a gate ends it: what is restored from it is the only one that goes on, with nothing lost."""

import subprocess
import sys
from dataclasses import replace

import pytest
from conftest import Opener
from faults.crash import strike
from gatehouse import Gatehouse

from gatekeeper.errors import Exit
from gatekeeper.model import State

SEALED = "refs/gate/sealed"


@pytest.fixture
def gate(opener: Opener) -> Gatehouse:
    gate = opener(("shop",))
    gate.only_files()
    gate.tick()
    return gate


def moved(gate: Gatehouse) -> Gatehouse:
    """Restore the backup beside the gate."""
    other = replace(gate, root=gate.root / "elsewhere")
    done = gate.cli("restore", str(gate.root / "backup"), str(other.home.path), ok=True)
    assert "is sealed; restore this backup once only" in done.stdout
    assert done.stderr == ""
    return other


def test_a_gate_ends_here_and_goes_on_elsewhere(gate: Gatehouse) -> None:
    backup = str(gate.root / "backup")
    assert gate.cli("backup", backup, "--final").returncode == Exit.USAGE
    tip = gate.clone().request("unseen", {"sites/shop/page.txt": "two\n"})  # no Librarian has seen it
    done = gate.cli("backup", backup, "--final", "-m", "moved to web2", ok=True)
    assert "sealed   this gate runs, ships and takes nothing any more" in done.stdout
    for command in (("tick",), ("run",), ("freeze", "-m", "x"), ("keys", "rotate", "-m", "x"), ("thaw",)):
        refused = gate.cli(*command)
        assert refused.returncode == Exit.FAILED, command
        assert "GATE-408 This gate was sealed at" in refused.stderr
        assert "moved to web2" in refused.stderr
    assert gate.cli("status").returncode == 0
    assert gate.json("status")["sealed"]["reason"].startswith("moved to web2")
    pushed = gate.clone().push("--force", "HEAD:request/late")
    assert (pushed.status, pushed.code, pushed.machine["retry"]) == (1, "GATE-408", "never")
    assert "this gate is sealed: moved to web2" in pushed.text
    assert gate.clone().push(":request/unseen").code == "GATE-408"

    other = moved(gate)
    other.tick()
    assert other.result("unseen").state is State.SHIPPED
    assert (other.result("unseen").tip, other.result("unseen").agent.name) == (tip, "agent-one")
    assert SEALED not in other.refs("refs/gate/")
    assert [record.event for record in other.records() if record.event in ("sealed", "restored")] == [
        "restored",
        "sealed",
    ]
    assert other.json("audit", "verify")["ok"]

    assert gate.cli("thaw", "--unseal").returncode == Exit.USAGE
    back = gate.cli("thaw", "--unseal", "-m", "web2 is broken", ok=True)
    assert "goes on here" in back.stdout
    gate.tick()
    assert gate.result("unseen").state is State.SHIPPED
    assert gate.records("unsealed")[0].data["message"] == "web2 is broken"


@pytest.mark.parametrize(
    ("step", "sealed"),
    [
        ("before refs: sealed", False),
        ("after refs: sealed", True),
        ("after write: policy.json", True),
        ("before label the backup", False),
    ],
)
def test_a_kill_seals_or_does_not_and_the_same_command_ends_it(gate: Gatehouse, step: str, *, sealed: bool) -> None:
    command = ("backup", str(gate.root / "backup"), "--final", "-m", "moved")
    assert strike(gate, [{"at": step, "nth": 1, "do": "kill"}], *command) < 0
    assert (SEALED in gate.refs("refs/gate/")) == sealed
    assert gate.cli("tick").returncode == (Exit.FAILED if sealed else Exit.DONE)
    assert gate.clone().push("HEAD:request/x").code == ("GATE-408" if sealed else "GATE-208")
    gate.cli(*command, ok=True)
    assert len(gate.records("sealed")) == 1
    moved(gate).tick()


def test_a_push_under_way_is_waited_for(gate: Gatehouse) -> None:
    """What a push brings lies in a folder of its own until its ref moves: until then the copy is not the last."""
    incoming = gate.home.repo / "objects" / "tmp_objdir-incoming-test"
    incoming.mkdir()
    argv = [
        sys.executable,
        "-m",
        "gatekeeper",
        "--gate",
        str(gate.home.path),
        "backup",
        str(gate.root / "b"),
        "--final",
        "-m",
        "x",
    ]
    with subprocess.Popen(argv, env=gate.env, stdout=subprocess.PIPE, text=True) as process:
        while SEALED not in gate.refs("refs/gate/"):
            assert process.poll() is None
        gate.git("update-ref", "refs/heads/request/late", "release")
        incoming.rmdir()
        assert process.wait(120) == 0
    assert (gate.root / "b" / "repo.git" / "refs" / "heads" / "request" / "late").exists()


def test_a_backup_of_a_living_gate_warns_when_it_is_restored(gate: Gatehouse) -> None:
    gate.cli("backup", str(gate.root / "backup"), ok=True)
    done = gate.cli("restore", str(gate.root / "backup"), str(gate.root / "new"), ok=True)
    assert f"warning: the gate in {gate.home.path} on" in done.stderr
    assert "was not sealed. If it still runs, two gates ship to the sites." in done.stderr
