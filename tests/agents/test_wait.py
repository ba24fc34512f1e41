"""`gatekeeper wait`: tells what changes, and ends when the request does."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gatehouse import Gatehouse


def waiting(gate: Gatehouse, *args: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "gatekeeper", "--gate", str(gate.home.path), "wait", *args]
    return subprocess.Popen(
        argv, env=dict(gate.env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def test_it_tells_state_and_place_until_the_request_is_live(gate: Gatehouse) -> None:
    gate.decide("freeze")
    gate.clone("agent-one").request("wait-1", {"sites/shop/page.txt": "wait one\n"})
    gate.clone("agent-two").request("wait-2", {"sites/web/page.txt": "wait two\n"})
    with waiting(gate, "wait-2", "--timeout", "60s") as child:
        assert child.stderr
        assert child.stderr.readline() == "wait-2 is queued, number 2 in the queue\n"
        gate.decide("reject", "wait-1")
        told = child.stderr.readline()
        while "number 1" not in told:
            assert told.startswith("wait-2 is ")
            told = child.stderr.readline()
        gate.decide("thaw")
        output, _ = child.communicate()
    assert child.returncode == 0
    assert output == f"wait-2 is shipped in {gate.version}\n"


def test_nothing_is_looked_at_while_nothing_moves(gate: Gatehouse, tmp_path: Path) -> None:
    """A look is one `git for-each-ref`; it was one each half second."""
    gate.clone().request("wait-5", {"sites/shop/page.txt": "wait five\n"})
    said, real = tmp_path / "said", shutil.which("git")
    (tmp_path / "git").write_text(f'#!/bin/sh\necho "$@" >>{said}\nexec {real} "$@"\n')
    (tmp_path / "git").chmod(0o755)
    gate.env["PATH"], path = f"{tmp_path}:{gate.env['PATH']}", gate.env["PATH"]
    assert gate.cli("wait", "wait-5", "--timeout", "5s").returncode == 75
    gate.env["PATH"] = path
    assert sum("refs/gate/results/wait-5 refs/heads/request/" in line for line in said.read_text().splitlines()) == 2


def test_still_waiting_is_75(gate: Gatehouse) -> None:
    gate.clone().request("wait-3", {"sites/shop/page.txt": "wait three\n"})
    done = gate.cli("wait", "wait-3", "--timeout", "1s")
    assert (done.returncode, done.stdout) == (75, "wait-3 is queued\n")
    assert gate.json("wait", "wait-3", "--timeout", "0s")["position"] == 1


@pytest.mark.parametrize(("page", "status"), [("BROKEN\n", 10), ("wait four\n", 0)])
def test_an_end_is_told_at_once(gate: Gatehouse, page: str, status: int) -> None:
    id_ = f"wait-{status}"
    gate.clone().request(id_, {"sites/shop/page.txt": page})
    gate.tick()
    assert gate.cli("wait", id_).returncode == status


def test_no_such_request(gate: Gatehouse) -> None:
    assert gate.cli("wait", "wait-9").returncode == 3


def test_the_log_is_followed_a_line_a_record_and_a_deploy_is_one(gate: Gatehouse) -> None:
    argv = [sys.executable, "-m", "gatekeeper", "--gate", str(gate.home.path), "log", "--follow", "--json", "-n", "1"]
    with subprocess.Popen(argv, env=gate.env, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        before = json.loads(child.stdout.readline())["seq"]
        gate.clone("agent-one").request("followed", {"sites/shop/page.txt": "followed\n"}, "Follow it")
        gate.tick()
        seen = list[dict[str, Any]]()
        while not seen or seen[-1]["event"] != "shipped":
            seen.append(json.loads(child.stdout.readline()))
        child.kill()
    assert [record["seq"] for record in seen] == list(range(before + 1, before + 1 + len(seen)))
    assert seen[-1]["data"]["requests"][0]["id"] == "followed"
    assert {"schema", "oid", "at", "actor", "mode", "subject"} <= seen[-1].keys()
