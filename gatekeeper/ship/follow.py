"""Makes the sites follow a plan, those that keep an earlier version's process apart from the others."""

from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from gatekeeper.gate import Gate
from gatekeeper.model import SiteName
from gatekeeper.ship import runs
from gatekeeper.ship.runs import LivePlan
from gatekeeper.sites.watch import SiteHealth

Seen = Mapping[SiteName, SiteHealth]


def reload(gate: Gate, live: LivePlan) -> Seen:
    """Reload what moves to the plan's version, and judge every site where it stands."""
    untold = gate.target.reload(live.runs, live.stamp, only=live.moved if live.kept else None)
    return {**_kept(gate, live), **_moved(gate, live, untold), **untold}


def converge(gate: Gate, live: LivePlan, *, file: Path) -> Seen:
    """Bring every site to the plan, whatever state it is in.

    A kept process that is gone or ill is not brought back: its site moves to the plan's version; one whose user is
    gone moves to who runs it now. `file` says so.
    """
    now = runs.resettled(live, gate.config)
    kept = _kept(gate, now)
    ill = [name for name, site in kept.items() if not site.healthy]
    settled = now.moving(ill)
    if settled != live:
        runs.save(file, settled)
    only = settled.moved if settled.kept else None
    seen = gate.target.converge(settled.runs, live.stamp, live.folder, only=only)
    return {**{name: site for name, site in kept.items() if name not in ill}, **seen}


def _moved(gate: Gate, live: LivePlan, untold: Seen) -> Seen:
    mine = [run for run in live.runs if run.name not in live.kept and run.name not in untold]
    return gate.target.health(mine, live.stamp, live.folder)


def _kept(gate: Gate, live: LivePlan) -> Seen:
    """Judge each kept process by the version and folder that it was started with; it has soaked long ago."""
    found: dict[SiteName, SiteHealth] = {}
    for run in live.runs:
        if run.name in live.kept:
            footing = live.kept[run.name]
            settled = replace(run, soak=0.0)
            found |= gate.target.health([settled], footing.stamp, footing.folder)
    return found
