"""A backup is a mirror that follows no cut log; what is restored from it is the same gate, live again."""

import subprocess
from dataclasses import replace
from pathlib import Path

from conftest import Opener
from gatehouse import Gatehouse

from gatekeeper.config import load
from gatekeeper.librarian import gates

LOG = "refs/gate/log"


def refs(folder: Path) -> dict[str, str]:
    argv = ["git", f"--git-dir={folder}", "for-each-ref", "--format=%(refname) %(objectname)"]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    return {ref: oid for ref, oid in (line.split(" ") for line in lines) if not ref.endswith("/_")}


def restored(gate: Gatehouse, backup: Path, where: str) -> Gatehouse:
    """Restore beside the first gate, and return it as one of its own."""
    other = replace(gate, root=gate.root / where)
    done = gate.cli("restore", str(backup), str(other.home.path))
    assert done.returncode == 0, done.stderr
    return other


def test_a_restored_gate_ships_on_where_the_first_one_stopped(opener: Opener) -> None:
    gate = opener(("shop",), sites={"shop": 'env_file = "var/env-shop"'})
    secret = gate.home.var / "env-shop"
    secret.write_text("TOLD=hush\n")
    secret.chmod(0o600)
    gate.tick()
    gate.clone().request("first", {"sites/shop/page.txt": "shop two\n"})
    gate.tick()
    backup = gate.root / "backup"
    gate.cli("backup", str(backup), ok=True)
    gate.clone().request("second", {"sites/shop/page.txt": "shop three\n"})
    gate.tick()
    gate.clone().request("open", {"sites/shop/page.txt": "shop four\n"})
    gate.cli("backup", str(backup), ok=True)
    assert refs(backup / "repo.git") == refs(gate.home.repo)
    assert (backup / "files" / "var" / "env-shop").stat().st_mode & 0o777 == 0o600
    assert backup.stat().st_mode & 0o777 == 0o700

    gates.fleet(gate.home, load.load(gate.home.sites_toml)).stop_all()
    other = restored(gate, backup, "elsewhere")
    try:
        assert other.cli("audit", "verify").returncode == 0
        other.tick()
        assert other.ask("shop")["text"] == "shop four"  # what was filed and not shipped is not lost
        assert other.ask("shop")["told"] == "hush"
        assert other.version == "v0.1.3"
        assert [record.event for record in other.records()].count("restored") == 1
        assert other.cli("audit", "verify").returncode == 0
    finally:
        other.close()


def test_a_backup_does_not_follow_a_log_that_was_cut(opener: Opener) -> None:
    gate = opener(("shop",))
    backup = gate.root / "backup"
    gate.decide("freeze")
    gate.cli("backup", str(backup), ok=True)
    kept = refs(backup / "repo.git")
    gate.git("update-ref", LOG, f"{LOG}~2")
    done = gate.cli("backup", str(backup))
    assert done.returncode == 30
    assert "it was cut or rewritten. The backup was left alone" in done.stderr
    assert refs(backup / "repo.git") == kept


def test_a_backup_that_was_changed_is_not_restored(opener: Opener) -> None:
    gate = opener(("shop",))
    gate.tick()
    backup = gate.root / "backup"
    gate.cli("backup", str(backup), ok=True)
    argv = ["git", f"--git-dir={backup / 'repo.git'}", "update-ref", LOG, f"{LOG}~1"]
    subprocess.run(argv, check=True)
    done = gate.cli("restore", str(backup), str(gate.root / "elsewhere"))
    assert done.returncode == 30
    assert "not as it was written" in done.stderr
    assert not (gate.root / "elsewhere").exists()


def test_nothing_is_written_over(opener: Opener, tmp_path: Path) -> None:
    gate = opener(("shop",))
    (tmp_path / "precious").write_text("x")
    assert gate.cli("backup", str(tmp_path)).returncode == 2
    gate.cli("backup", str(gate.root / "backup"), ok=True)
    assert gate.cli("restore", str(gate.root / "backup"), str(tmp_path)).returncode == 2
    assert gate.cli("restore", str(tmp_path), str(gate.root / "new")).returncode == 3
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
