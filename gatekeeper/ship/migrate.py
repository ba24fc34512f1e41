"""Runs the migrations that a release brings, once its folder is complete and before any site is switched to it.

Data is never undone: a migration must be repeatable, and the version before must work with what it leaves.
"""

import signal
from dataclasses import dataclass
from typing import Any

from gatekeeper import process
from gatekeeper.config.schema import Site
from gatekeeper.gate import Gate
from gatekeeper.model import Oid
from gatekeeper.ship.plan import Cause, Plan
from gatekeeper.ship.runs import LivePlan, load
from gatekeeper.sites.pm2 import base_environment
from gatekeeper.sites.run import SiteRun

_LONGEST = 1800.0
_KEPT = 1 << 20
_NOT_HERE = (Cause.ROLLBACK, Cause.RECONFIGURE)
"""A rollback keeps the data as it is; a new configuration brings no new tree."""


@dataclass(frozen=True, slots=True)
class Unmigrated:
    """The migration of one site failed; no site was switched."""

    site: str
    problem: str


def migrate(gate: Gate, plan: Plan, live: LivePlan) -> Unmigrated | None:
    """Run what must run, one site after the other, each noted for the log; stop at the first that fails."""
    if plan.cause in _NOT_HERE:
        return None
    changed = _changed_paths(gate, plan.tree)
    for run in live.runs:
        site = gate.config.sites[run.name]
        if site.migrate and _calls(site, changed):
            failed = _run(gate, site, run, live)
            if failed is not None:
                return failed
    return None


def _changed_paths(gate: Gate, tree: Oid) -> tuple[str, ...] | None:
    """Return what the release changes of the one that is live; None at the first start: everything is new."""
    before = load(gate.home.live_plan)
    return None if before is None else gate.git.changed_paths(gate.git.tree_of(before.stamp.commit), tree)


def _calls(site: Site, changed: tuple[str, ...] | None) -> bool:
    if changed is None:
        return True
    return any(path == asked or path.startswith(f"{asked}/") for path in changed for asked in site.migrate_paths)


def _run(gate: Gate, site: Site, run: SiteRun, live: LivePlan) -> Unmigrated | None:
    stamp = live.stamp
    ended = process.run(
        site.migrate,
        cwd=gate.home.releases / live.folder / site.path,
        env={
            **base_environment(),
            **run.env,
            "GATE_SITE": run.name,
            "GATE_VERSION": stamp.version,
            "GATE_COMMIT": stamp.commit,
        },
        timeout=_LONGEST,
        limit=_KEPT,
        merge=True,
        die_with_parent=True,
        sweep=True,
    )
    log = f"migrate-{stamp.version}-{run.name}.log"  # it may tell secrets: it stays here, and only its name is recorded
    gate.home.logs.mkdir(parents=True, exist_ok=True)
    (gate.home.logs / log).write_bytes(ended.output)
    outcome = "done" if ended.ok else _why(ended)
    told: dict[str, Any] = {"site": run.name, "version": stamp.version, "seconds": round(ended.seconds, 3), "log": log}
    gate.ledger.record("migrated" if ended.ok else "migration_failed", f"{run.name}: {outcome}", **told)
    return None if ended.ok else Unmigrated(run.name, f"{outcome}; what it printed is in var/logs/{log}")


def _why(ended: process.Done) -> str:
    if ended.timed_out:
        return f"it did not end within {_LONGEST:.0f} seconds"
    if ended.status < 0:
        return f"it was ended by {signal.Signals(-ended.status).name}"
    return f"it ended with status {ended.status}"
