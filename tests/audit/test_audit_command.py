"""`gatekeeper audit verify` as an operator and as an auditor run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from gatehouse import Gatehouse

from audit.history import LOG, History


def audit(*args: str, gate: Path, ok: int = 0) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "gatekeeper", "--gate", str(gate), "audit", *args]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == ok, (done.stdout, done.stderr)
    return done


def test_a_gate_is_whole_and_the_second_look_verifies_no_signature_again(lived: Gatehouse) -> None:
    first = audit("verify", gate=lived.home.path)
    assert "whole      nothing was changed since it was written" in first.stdout
    assert first.stderr == ""
    told = json.loads(audit("verify", "--json", gate=lived.home.path).stdout)
    assert (told["schema"], told["ok"], told["first_bad"]) == (1, True, None)
    assert told["verified_now"] == 0 < told["signatures"]
    assert (lived.home.var / "audited.json").stat().st_mode & 0o777 == 0o600


def test_a_plain_mirror_needs_only_the_public_key(past: History, tmp_path: Path) -> None:
    mirror, nowhere = tmp_path / "mirror.git", tmp_path / "nowhere"
    nowhere.mkdir()
    subprocess.run(["git", "clone", "-q", "--mirror", str(past.repo), str(mirror)], check=True)
    done = audit("verify", "--repo", str(mirror), "--signers", str(past.signers), gate=nowhere)
    assert "whole" in done.stdout
    other = tmp_path / "others"
    other.write_text(past.signers.read_text().replace("AAAA", "AAAB", 1))
    done = audit("verify", "--repo", str(mirror), "--signers", str(other), gate=nowhere, ok=30)
    assert "it is signed by a key that is not allowed to" in done.stdout


def test_evidence_of_tampering_is_status_30_and_names_the_first_bad_record(history: History, tmp_path: Path) -> None:
    number = history.number("refused")
    history.rewrite(lambda log: [content.replace(b"GATE-101", b"GATE-999") for content in log])
    args = ("verify", "--repo", str(history.repo), "--signers", str(history.signers))
    done = audit(*args, gate=tmp_path, ok=30)
    assert f"the first bad record is {number}" in done.stderr
    told = json.loads(audit(*args, "--json", gate=tmp_path, ok=30).stdout)
    assert (told["ok"], told["first_bad"]["seq"]) == (False, number)


def test_a_gate_that_was_cut_is_found_beside_its_mirror(lived: Gatehouse, history: History, tmp_path: Path) -> None:
    """The mirror that is held against the gate has a record that the gate never wrote."""
    head = history.git("rev-parse", LOG)
    tree = history.git("rev-parse", f"{LOG}^{{tree}}")
    author = ("-c", "user.name=x", "-c", "user.email=x@x")
    message = history.raw("commit", head).split(b"\n\n", 1)[1].decode().rstrip("\n")
    parent = history.git("rev-parse", f"{LOG}~1")
    history.move(LOG, history.git(*author, "commit-tree", tree, "-p", parent, "-m", message))
    done = audit("verify", "--repo", str(history.repo), gate=lived.home.path, ok=30)
    assert "the log does not hold the head that the other copy has" in done.stdout


@pytest.mark.parametrize(("args", "status"), [(("--since", "v9.9.9"), 3), (("--repo", "/nonexistent"), 2)])
def test_what_is_not_there(lived: Gatehouse, args: tuple[str, str], status: int) -> None:
    audit("verify", *args, gate=lived.home.path, ok=status)


def test_a_repository_that_is_no_gate_is_no_evidence(lived: Gatehouse, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "plain.git")], check=True)
    done = audit("verify", "--repo", str(tmp_path / "plain.git"), gate=lived.home.path, ok=3)
    assert "no repository of a gate" in done.stderr
