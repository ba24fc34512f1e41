"""The gate cleans up after itself: the oldest go, what is live and the way back stay, a kill leaves no half of one."""

import os
import shutil
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.crash import strike
from gatehouse import Gatehouse, build

from gatekeeper.librarian import space
from gatekeeper.model import State

BIG = 3 << 20


@pytest.fixture(scope="module")
def piled() -> Iterator[Gatehouse]:
    """Five versions of one static site, each with three mebibytes of its own, and what else grows."""
    with build(("shop",)) as gate:
        gate.only_files()
        gate.tick()
        for number in range(4):
            gate.clone().request(f"r{number}", {"sites/shop/big.txt": os.urandom(BIG // 2).hex()})
            gate.tick()
            assert gate.result(f"r{number}").state is State.SHIPPED
        yield gate


def names(gate: Gatehouse) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in gate.home.releases.iterdir())


def limited(gate: Gatehouse, limit: str) -> None:
    gate.only_files()
    text = gate.home.sites_toml.read_text()
    gate.home.sites_toml.write_text(text.replace("[limits]", f'[limits]\nmax_disk = "{limit}"'))


def aged(path: Path, days: float) -> Path:
    path.mkdir() if path.suffix == "" else path.write_bytes(os.urandom(BIG))
    if path.is_dir():
        (path / "output").write_bytes(os.urandom(BIG))
    os.utime(path, (time.time() - days * 86400,) * 2)
    return path


def test_the_oldest_go_and_a_kill_leaves_no_half_release(piled: Gatehouse) -> None:
    build, log = aged(piled.home.builds / "f00", 2), aged(piled.home.logs / "old.log", 3)
    assert names(piled) == ["v0.1.0", "v0.1.1", "v0.1.2", "v0.1.3", "v0.1.4"]
    limited(piled, "10M")
    assert strike(piled, [{"at": "after take away: releases", "nth": 1, "do": "kill"}], "tick") < 0
    assert not build.exists()
    assert not log.exists()
    assert names(piled) == [".new", "v0.1.1", "v0.1.2", "v0.1.3", "v0.1.4"]  # the first is half gone, by another name
    assert strike(piled, (), "tick") == 0
    assert names(piled) == ["v0.1.2", "v0.1.3", "v0.1.4"]
    told = piled.json("status")["disk"]
    assert 9 << 20 < told["used"] <= told["max"] == 10 << 20
    assert "GiB of" in piled.cli("status").stdout
    assert "taken by releases, builds and logs" in piled.cli("status").stdout


def test_the_present_release_and_the_one_before_stay_whatever_the_limit(piled: Gatehouse) -> None:
    limited(piled, "1K")
    piled.tick()
    assert names(piled) == ["v0.1.3", "v0.1.4"]
    assert "more than limits.max_disk" in piled.cli("doctor").stdout
    assert piled.decide("rollback").event == "shipped"


def test_a_disk_that_is_full_is_cleaned_up_before_anybody_is_asked(
    piled: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    piled.only_files()
    old = aged(piled.home.builds / "f01", 2)
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - as shutil has it
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 40, 0, (1 << 40) if not old.exists() else 1))
    piled.clone().request("goes", {"sites/shop/page.txt": "on\n"})
    piled.tick()
    assert piled.result("goes").state is State.SHIPPED


def test_what_is_shared_counts_once(piled: Gatehouse) -> None:
    piled.only_files()
    piled.tick()
    before = space.read(piled.home)
    assert before is not None
    link = piled.home.builds / "f02"
    link.mkdir()
    (link / "output").hardlink_to(next(piled.home.releases.glob("v0.1.4-*/sites/shop/big.txt")))
    piled.home.space.unlink()
    piled.tick()
    after = space.read(piled.home)
    assert after is not None
    assert after.used - before.used < BIG
