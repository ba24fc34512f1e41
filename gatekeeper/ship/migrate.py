"""Runs the migrations that a release brings, once its folder is complete and before any site is switched to it.

Data is never undone: a migration must be repeatable, and the version before must work with what it leaves.
"""

from typing import Any

from msgspec import Struct

from gatekeeper import fault, progress
from gatekeeper.config.schema import Site
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.model import Oid
from gatekeeper.ship import secrecy
from gatekeeper.ship.plan import Cause, Plan
from gatekeeper.ship.runs import LivePlan, load
from gatekeeper.sites.migration import Ended
from gatekeeper.sites.run import SiteRun

_NOT_HERE = (Cause.ROLLBACK, Cause.RECONFIGURE)
"""A rollback keeps the data as it is; a new configuration brings no new tree."""


class Unmigrated(Struct, frozen=True):
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
    progress.at(f"shipping {stamp.version}: migrating {run.name}")
    try:
        with fault.step(f"migrate: {run.name}"):
            ended = gate.target.migrate(run, stamp, site.migrate, live.folder)
    except GateError as problem:  # whoever runs the site could not be asked, or died with it
        ended = Ended(problem.text, b"", 0.0)
    mask = secrecy.known(gate.home, gate.config)
    wrong = mask(ended.problem)
    log = f"migrate-{stamp.version}-{run.name}.log"
    gate.home.logs.mkdir(parents=True, exist_ok=True)
    (gate.home.logs / log).write_text(mask(ended.output.decode("utf-8", "replace")), "utf-8")
    told: dict[str, Any] = {"site": run.name, "version": stamp.version, "seconds": round(ended.seconds, 3), "log": log}
    gate.ledger.record("migration_failed" if wrong else "migrated", f"{run.name}: {wrong or 'done'}", **told)
    return Unmigrated(run.name, f"{wrong}; what it printed is in var/logs/{log}") if wrong else None
