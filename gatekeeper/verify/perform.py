"""Runs one job on what lies in a throw-away folder: a function of its orders and that folder, on whatever machine."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from gatekeeper.model import Argv, Oid, Version
from gatekeeper.process import Cancel
from gatekeeper.repo.export import remove
from gatekeeper.sites.run import SiteRun, Stamp
from gatekeeper.verify.boot import PATIENCE, BootSpec, boot
from gatekeeper.verify.box import Box, Kind
from gatekeeper.verify.sandbox import Ran
from gatekeeper.verify.sandbox import run as run_boxed

_BOOT_VERSION = Version("v0.0.0")
"""A tree that is verified has no version yet; the site must only repeat the one it is told."""


class Start(Struct, frozen=True):
    """How a boot starts its site: `at` is the folder that its tree lies at in the box, `kept` its data and scratch."""

    site: SiteRun
    path: str
    kept: tuple[str, ...]
    at: str
    tree: Oid


class Orders(Struct, frozen=True, kw_only=True):
    """All that a run depends on besides what lies in its folder: plain values, none of them secret."""

    cwd: str
    run: Argv
    env: Mapping[str, str]
    timeout: float
    network: bool
    sandbox: Kind
    read_only: tuple[str, ...]
    memory: int
    processes: int
    disk: int
    output: int
    start: Start | None = None

    @property
    def longest(self) -> float:
        """Seconds after which it has ended, whatever the job does; making and clearing the box comes on top."""
        return self.timeout if self.start is None else self.timeout + self.start.site.soak + PATIENCE


class Said(Struct, frozen=True):
    """What came of a job: how it ended, and why that is no success, in one sentence."""

    ran: Ran
    wrong: str = ""


def perform(orders: Orders, folder: Path, cancel: Cancel) -> Said:
    """Run a job in the box on the tree in `folder`. GateError 505 when there can be no box: that is no answer."""
    (folder / orders.cwd).mkdir(parents=True, exist_ok=True)  # of what the tree does not hold it sees an empty folder
    if orders.start is not None:
        return _boot(orders, orders.start, folder, cancel)
    box = _box(orders, folder)
    ran = run_boxed(box, orders.run, timeout=orders.timeout, cancel=cancel, output_limit=orders.output)
    return Said(ran, "" if ran.ok else ran.stopped or f"It ended with status {ran.status}.")


def _box(orders: Orders, folder: Path) -> Box:
    return Box(
        tree=folder,
        cwd=orders.cwd,
        env=orders.env,
        read_only=orders.read_only,
        network=orders.network,
        kind=orders.sandbox,
        memory=orders.memory,
        processes=orders.processes,
        file_size=orders.disk,
        disk=orders.disk,
    )


def _boot(orders: Orders, start: Start, folder: Path, cancel: Cancel) -> Said:
    """Start the site where it will stand: below `live/current`, which in the box is the tree."""
    for kept in start.kept:
        remove(folder / start.path / kept)
        (folder / start.path / kept).mkdir(parents=True)
    booted = boot(
        BootSpec(
            site=start.site,
            stamp=Stamp(_BOOT_VERSION, start.tree),
            tree=folder,
            at=start.at,
            scratch=tuple(str(start.site.cwd / kept) for kept in start.kept),
            read_only=orders.read_only,
            memory=orders.memory,
            processes=orders.processes,
            disk=orders.disk,
        ),
        cancel=cancel,
        output_limit=orders.output,
    )
    return Said(booted.ran, "" if booted.passed else booted.reason)
