"""A full disk, at each write and for real: GATE-503, nothing is lost, and it goes on by itself when there is room."""

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


def test_no_room_at_a_write(site_gate: Gatehouse, request: pytest.FixtureRequest) -> None:
    scenario = SCENARIOS["good ship"]
    steps = [step for step, nth in scenario.passes(site_gate) if nth == 1 and step.startswith("before")]
    chance = random.Random(request.config.getoption("--seed"))  # noqa: S311 - which writes, not a secret
    for step in steps if request.config.getoption("--full") else chance.sample(steps, 5):
        site_gate.told.clear()
        scenario.survives(site_gate, step, 1, "ENOSPC")
        assert "GATE-503" in site_gate.told[0] or "pm2" in step, (step, site_gate.told)


def test_pm2_refuses_at_a_call(site_gate: Gatehouse) -> None:
    SCENARIOS["good ship"].survives(site_gate, "before pm2: reloadProcessId", 2, "ECONNREFUSED")


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
