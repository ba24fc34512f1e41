"""Mirrors: one that works, one that refuses, one that hangs. The first proves and restores; none stops the gate."""

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import ANY

import pytest
from gatehouse import Gatehouse, librarian, until

from gatekeeper.model import LOG, Oid
from gatekeeper.repo import mirror
from gatekeeper.repo.git import Git

from .listener import Heard
from .test_alerts import UNREACHABLE, addresses


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port that takes every connection and never says a word."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in taken:
        connection.close()


def bare(folder: Path) -> Path:
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=release", str(folder)], check=True)
    return folder


def refs(folder: Path, *below: str) -> dict[str, str]:
    with Git(folder) as git:
        return {str(ref): str(oid) for ref, oid in git.refs(*below).items()}


def configure(gate: Gatehouse, *urls: object, timeout: str = "30s") -> None:
    gate.configure(f'[mirror]\nurls = {json.dumps([str(url) for url in urls])}\ntimeout = "{timeout}"\n')


def test_a_mirror_has_each_release_and_proves_and_restores_it(gate: Gatehouse, tmp_path: Path) -> None:
    there = bare(tmp_path / "mirror.git")
    configure(gate, there)
    gate.clone().request("mirrored", {"sites/web/page.txt": "mirrored\n"})
    gate.tick()
    below = ("refs/heads/release", "refs/tags", "refs/gate/log", "refs/gate/results")
    assert refs(there, *below)["refs/heads/release"] == gate.release
    own = refs(gate.home.repo, *below)
    assert {name: oid for name, oid in own.items() if name != "refs/gate/log"}.items() <= refs(there).items()
    assert gate.records("mirrored")[0].data == {"url": str(there), "release": gate.release, "told_at": ANY}
    gate.tick()
    assert len(gate.records("mirrored")) == 1
    proved = gate.cli("audit", "verify", "--repo", str(there), "--signers", str(gate.home.allowed_signers))
    assert proved.returncode == 0, proved.stdout + proved.stderr
    gate.cli("backup", str(tmp_path / "backup"), ok=True)
    shutil.rmtree(tmp_path / "backup" / "repo.git")
    there.rename(tmp_path / "backup" / "repo.git")
    gate.cli("restore", str(tmp_path / "backup"), str(tmp_path / "again"), ok=True)
    assert refs(tmp_path / "again" / "repo.git", "refs/heads/release") == {"refs/heads/release": gate.release}


def test_one_that_refuses_and_one_that_hangs_alert_and_stop_nothing(
    gate: Gatehouse, heard: Heard, deaf: int, tmp_path: Path
) -> None:
    refuses, works = bare(tmp_path / "refuses.git"), bare(tmp_path / "works.git")
    hook = refuses / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o700)
    addresses(gate, heard.apprise)
    configure(gate, refuses, f"git://127.0.0.1:{deaf}/gate.git", works, timeout="2s")
    gate.clone().request("sturdy", {"sites/web/page.txt": "sturdy\n"})
    gate.tick()
    assert gate.result("sturdy").state == "shipped"
    assert refs(works)["refs/heads/release"] == gate.release
    (alert,) = heard.messages
    assert alert["title"].endswith(f"] GATE-504, {UNREACHABLE}; and 1 more")
    assert f"the mirror {refuses} cannot be reached" in alert["message"]
    assert "pre-receive hook declined" in alert["message"]
    assert f"git://127.0.0.1:{deaf}/gate.git cannot be reached: it did not end within 2 seconds" in alert["message"]
    hook.unlink()
    configure(gate, refuses, works)
    gate.tick()
    assert refs(refuses)["refs/heads/release"] == gate.release
    assert heard.titles[1].endswith(f"] resolved: GATE-504, {UNREACHABLE}; and 1 more")
    addresses(gate)


def test_a_librarian_ships_on_while_a_mirror_hangs(gate: Gatehouse, deaf: int) -> None:
    configure(gate, f"git://127.0.0.1:{deaf}/gate.git", timeout="5m")
    with librarian(gate) as process:
        for id_ in ("before", "meanwhile"):  # had the first waited for the mirror, the second would have, too
            gate.clone().request(id_, {"sites/web/page.txt": f"{id_}\n"})
            until(process, f"healthy; Do {id_}")
    assert gate.result("meanwhile").state == "shipped"
    configure(gate)


def test_a_mirror_with_another_past_keeps_it(gate: Gatehouse, tmp_path: Path) -> None:
    there = bare(tmp_path / "mirror.git")
    with Git(gate.home.repo) as git:
        mine = git.refs()
        assert mirror.push(git.folder, mine, str(there), timeout=30) is None
        before = refs(there)
        cut = git.text("rev-parse", f"{mine[LOG]}~2")
        said = mirror.push(git.folder, {**mine, LOG: Oid(cut)}, str(there), timeout=30)
    assert said is not None
    assert "refs/gate/log" in said
    assert refs(there) == before
