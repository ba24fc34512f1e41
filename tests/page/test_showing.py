"""The files of www/ on a real gate: they follow it, hold no secret, and stop nothing when they cannot be written."""

import errno
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gatehouse import Gatehouse, build, librarian

from gatekeeper import fault


@pytest.fixture(scope="module")
def shared() -> Iterator[Gatehouse]:
    with build(("shop", "web")) as gate:
        gate.tick()
        yield gate


def page(gate: Gatehouse) -> str:
    return (gate.home.www / "index.html").read_text()


def shown(gate: Gatehouse, words: str) -> bool:
    """Wait until the page says this: it is written beside the work."""
    end = time.monotonic() + 60
    while words not in page(gate) and time.monotonic() < end:
        time.sleep(0.05)
    return words in page(gate)


def test_the_page_follows_the_gate_and_status_json_is_what_status_prints(gate: Gatehouse) -> None:
    clone = gate.clone()
    clone.request("fair", {"sites/shop/page.txt": f"fair {gate.version}\n"}, "Say that prices are fair")
    clone.request("broken", {"sites/web/page.txt": "BROKEN\n"}, "Break the page")
    gate.tick()
    told, printed = json.loads((gate.home.www / "status.json").read_text()), gate.json("status")
    del printed["since_last_look"]  # that is of whoever looks
    assert {**told, "gate": str(gate.home.path)} == printed
    for words in ("Say that prices are fair", f"<b>{gate.version}</b>", "GATE-402", "gatekeeper retry broken"):
        assert words in page(gate)
    assert gate.version.removeprefix("v") in (gate.home.www / "CHANGELOG.md").read_text()


def test_a_stranger_can_read_the_page_and_nothing_else(gate: Gatehouse) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs another user")
    gate.root.chmod(0o711)
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for name in ("index.html", "status.json", "feed.atom", "badge.svg", "metrics.prom", "CHANGELOG.md"):
        subprocess.run([*as_nobody, "cat", str(gate.home.www / name)], check=True, capture_output=True)
    for closed in (gate.home.repo / "HEAD", gate.home.var / "heartbeat.json", gate.home.key, gate.home.path):
        verb = "ls" if closed.is_dir() else "cat"
        assert subprocess.run([*as_nobody, verb, str(closed)], check=False, capture_output=True).returncode != 0


def test_a_page_that_cannot_be_written_stops_no_ship_and_is_told(
    gate: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(step: str) -> None:
        if step == "before draft: index.html":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "index.html")

    before = gate.version
    gate.clone().request("anyway", {"sites/web/page.txt": f"anyway {before}\n"})
    monkeypatch.setattr(fault, "hook", full)
    gate.tick()
    monkeypatch.undo()
    assert any("GATE-503 the status page" in line for line in gate.told)
    assert gate.version != before
    assert gate.versions() == {gate.version}
    (told,) = [cause for cause in gate.json("alert")["open"] if cause["code"] == "GATE-503"]
    assert told["level"] == "warning"
    assert "No space left on device" in told["text"]
    gate.tick()
    assert "GATE-503" not in {cause["code"] for cause in gate.json("alert")["open"]}
    assert gate.version in page(gate)


def test_without_its_folder_the_page_is_made_anew(gate: Gatehouse) -> None:
    shutil.rmtree(gate.home.www)
    gate.tick()
    assert gate.version in page(gate)
    assert gate.home.www.stat().st_mode & 0o777 == 0o755


def test_a_librarian_that_lives_shows_changes_and_one_that_ends_says_so(gate: Gatehouse) -> None:
    with librarian(gate):
        assert shown(gate, "All is well")
        assert 'data-stale="2' in page(gate)
        gate.clone().request("live", {"sites/web/page.txt": f"live {gate.version}\n"}, "Show it while it lives")
        assert shown(gate, "Show it while it lives")
        gate.cli("freeze", "-m", "Stock-taking", ok=True)
        assert shown(gate, "Stock-taking")
        gate.cli("thaw", ok=True)
    assert "The Librarian is not running." in page(gate)
    assert 'data-stale=""' in page(gate)


def test_a_killed_librarian_leaves_a_page_that_names_its_end(gate: Gatehouse) -> None:
    with librarian(gate) as process:
        assert shown(gate, "All is well")
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    beat = json.loads(gate.home.beat.read_text())
    assert beat["last"] < beat["next"] < _stale(gate.home.www / "index.html")


def _stale(path: Path) -> str:
    return path.read_text().partition('data-stale="')[2].partition('"')[0]
