"""A step that fails, a full disk above all: it is told, nothing is lost, and it goes on by itself when it can."""

import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from gatehouse import Gatehouse, librarian, until

from faults.crash import SCENARIOS, faulty_gate, start_again, strike
from faults.whole import assert_whole
from gatekeeper.model import State

_SIZE = 64 << 20


@pytest.mark.parametrize(("trouble", "sample"), [("ENOSPC", 4), ("EIO", 2), ("EACCES", 2), ("ECONNREFUSED", 1)])
def test_a_step_that_fails(site_gate: Gatehouse, request: pytest.FixtureRequest, trouble: str, sample: int) -> None:
    """Before it, and for an answer that was lost after it: told, nothing lost, and the next start goes on."""
    scenario = SCENARIOS["good ship"]
    steps = [step for step, nth in scenario.passes(site_gate) if nth == 1 and _may(step, trouble)]
    chance = random.Random(request.config.getoption("--seed"))  # noqa: S311 - which steps, not a secret
    for step in steps if request.config.getoption("--full") else chance.sample(steps, sample):
        site_gate.told.clear()
        scenario.survives(site_gate, step, 1, trouble)
        assert "GATE-50" in site_gate.told[0] or "pm2" in step, (step, site_gate.told)


def _may(step: str, trouble: str) -> bool:
    """Nobody but pm2 refuses a connection; a disk that is full, or closed, is so before a write."""
    when, _, what = step.partition(" ")
    return what.startswith("pm2") == (trouble == "ECONNREFUSED") and (when == "before" or trouble == "EIO")


@contextmanager
def _small_disk() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gk-", dir="/tmp"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("only root can mount a small disk")
    try:
        yield folder / "gate-root"
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


@pytest.fixture
def on_a_small_disk() -> Iterator[Gatehouse]:
    with _small_disk() as root, patch("gatehouse.tempfile.mkdtemp", lambda **_: str(root)):
        root.mkdir()
        with faulty_gate() as gate:
            yield gate


def _fill(gate: Gatehouse, left: int) -> Path:
    """Leave so many bytes of the disk, and return the file that takes the others."""
    ballast = gate.root / "tmp" / "ballast"
    room = os.statvfs(gate.root)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - left)
    return ballast


@pytest.mark.parametrize("left", [0, 24 << 10, 96 << 10])
def test_a_disk_that_is_really_full(on_a_small_disk: Gatehouse, left: int) -> None:
    """Git, the staging and the spool all run into it, wherever `left` bytes get them."""
    gate = on_a_small_disk
    gate.home.sites_toml.write_text(gate.toml.replace('free_disk = "1M"', 'free_disk = "1K"'))
    start_again(gate)
    before = gate.version
    gate.clone().request("squeezed", {"sites/one/page.txt": "squeezed\n"})
    ballast = _fill(gate, left)
    status = strike(gate, (), "tick")
    assert status == 1
    assert "GATE-503" in gate.told[-1]
    assert gate.versions() in ({before}, {"v0.1.1"}), "the sites must agree, before and past the commit point"
    ballast.unlink()
    start_again(gate)
    assert gate.result("squeezed").state is State.SHIPPED
    assert_whole(gate)


def test_a_librarian_that_lives_goes_on_by_itself_when_there_is_room(on_a_small_disk: Gatehouse) -> None:
    gate = on_a_small_disk
    gate.home.sites_toml.write_text(gate.toml.replace('"15m"', '"2s"').replace('free_disk = "1M"', 'free_disk = "1K"'))
    start_again(gate)
    gate.clone().request("patient", {"sites/one/page.txt": "patient\n"})
    ballast = _fill(gate, 0)
    with librarian(gate) as process:
        until(process, "GATE-503")
        ballast.unlink()
        until(process, "shipped v")
    start_again(gate)
    assert gate.result("patient").state is State.SHIPPED
    assert_whole(gate)
