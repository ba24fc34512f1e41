"""`gatekeeper doctor` on a real gate in the advisory set-up; on an enforced one see tests/setup."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from gatehouse import Gatehouse, librarian, until

from gatekeeper.sites import procfs


def wrong(gate: Gatehouse) -> dict[str, str]:
    """Return what is wrong, with what puts it right; the machine's own kernel settings aside."""
    findings = json.loads(gate.cli("doctor", "--json").stdout)["findings"]
    return {one["text"]: one["fix"] for one in findings if one["level"] == "wrong"}


def inventory(folder: Path) -> dict[str, tuple[int, int]]:
    found = (Path(place, name) for place, folders, files in os.walk(folder) for name in (*folders, *files))
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_mode) for path in found}


def test_a_sound_gate_has_nothing_wrong_and_is_not_touched(gate: Gatehouse) -> None:
    before = inventory(gate.home.path)
    done = gate.cli("doctor")
    assert done.returncode == 0, done.stdout
    assert inventory(gate.home.path) == before
    assert not [pid for pid in procfs.parents() if "God Daemon (/tmp/gate-doctor-" in procfs.title(pid)]
    lines = done.stdout.splitlines()
    assert lines[0].startswith("note   The set-up is advisory: it stops mistakes, not intent.")
    assert any(line.startswith("note   No Librarian runs") and line.endswith(" run") for line in lines)
    assert any(line.startswith("fine   The sandbox holds") for line in lines)
    said = json.loads(gate.cli("doctor", "--json").stdout)
    assert said["schema"] == 1
    assert said["enforcement"] == "advisory"
    assert said["versions"]["git"] in done.stdout


def test_the_command_beside_a_finding_puts_it_right(gate: Gatehouse) -> None:
    gate.home.var.chmod(0o755)
    gate.home.key.chmod(0o644)
    (gate.home.repo / "hooks" / "pre-receive").chmod(0o644)
    gate.git("config", "receive.fsckObjects", "false")
    done = gate.cli("doctor")
    assert done.returncode == 1
    assert done.stdout.startswith("wrong  ")
    fixes = dict.fromkeys(wrong(gate).values())
    assert len(fixes) == 3
    for fix in fixes:
        words = shlex.split(fix)
        if words[0] == "gatekeeper":
            gate.cli(*words[3:], ok=True)
        else:
            subprocess.run(words, check=True)
    assert wrong(gate) == {}


def test_mistakes_in_what_the_operator_writes_are_findings_among_others(gate: Gatehouse) -> None:
    gate.home.sites_toml.write_text("[gate]\nheartbeet = 1\n")
    alerts, command = gate.home.var / "alerts", f"gatekeeper --gate {gate.home.path}"
    alerts.write_text("# who is told\nmailto://kim:s3cret@a.example level=loud\n")
    alerts.chmod(0o600)
    assert wrong(gate) == {
        "sites.toml is not valid, so the last valid one is in force.": f"{command} config check",
        "var/alerts, line 2: level is one of info, warning, error. The line is left out.": (
            f"editor {alerts}   (then: {command} alert test)"
        ),
    }


def test_a_running_librarian_is_seen(gate: Gatehouse) -> None:
    with librarian(gate) as process:
        until(process, "runs; Ctrl-C stops it")
        lines = gate.cli("doctor").stdout.splitlines()
    assert "fine   The Librarian runs, and its heartbeat is on time." in lines


def test_a_gate_that_never_had_a_valid_configuration_is_examined_all_the_same(tmp_path: Path) -> None:
    home = tmp_path / "gate"
    env = {name: value for name, value in os.environ.items() if not name.startswith("GATE")}
    argv = (sys.executable, "-m", "gatekeeper")
    subprocess.run((*argv, "init", str(home)), env=env, check=True, capture_output=True)
    (home / "repo.git" / "hooks" / "pre-receive").unlink()
    done = subprocess.run((*argv, "--gate", str(home), "doctor"), env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "sites.toml is not valid, and none was before it" in done.stdout
    assert "pre-receive is missing" in done.stdout
