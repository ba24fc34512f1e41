"""Runs one site's migration as whoever calls, with the site's own environment. What it means is decided elsewhere."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from gatekeeper import process
from gatekeeper.sites.pm2 import base_environment
from gatekeeper.sites.run import SiteRun, Stamp

LONGEST = 1800.0
"""Seconds."""

_KEPT = 1 << 20


class Ended(Struct, frozen=True):
    """How it ended: what was wrong, empty for nothing, and the first megabyte that it printed."""

    problem: str
    output: bytes
    seconds: float


def run(
    site: SiteRun, stamp: Stamp, argv: Sequence[str], cwd: Path, *, watch: Callable[[], str | None] | None = None
) -> Ended:
    """Run it to its end; it is killed with this thread, and when `watch` says why."""
    gate = {"GATE_SITE": site.name, "GATE_VERSION": stamp.version, "GATE_COMMIT": stamp.commit}
    ended = process.run(
        argv,
        cwd=cwd,
        env={**base_environment(), **site.env, **gate},
        timeout=LONGEST,
        limit=_KEPT,
        merge=True,
        die_with_parent=True,
        watch=watch,
        sweep=True,
    )
    return Ended("" if ended.ok else _why(ended), ended.output, ended.seconds)


def _why(ended: process.Done) -> str:
    if ended.timed_out:
        return f"it did not end within {LONGEST:.0f} seconds"
    if ended.stopped:
        return ended.stopped
    if ended.status < 0:
        return f"it was ended by {signal.Signals(-ended.status).name}"
    return f"it ended with status {ended.status}"
