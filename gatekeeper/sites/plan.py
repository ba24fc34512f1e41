"""Which pm2 process is which site's, and what has to happen to them. Pure: looks at lists, touches nothing.

What pm2 holds is compared with what the ecosystem file is about to say, so that a plan that was cut short is
simply made again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from gatekeeper.errors import GateError
from gatekeeper.sites.ecosystem import NAMESPACE, App
from gatekeeper.sites.listed import Pm2Process
from gatekeeper.sites.run import SiteRun


class Plan(Struct, frozen=True):
    """What brings pm2 from its list to the ecosystem file; the deletions come first."""

    delete: tuple[Pm2Process, ...] = ()
    start: tuple[App, ...] = ()
    reload: tuple[tuple[Pm2Process, App], ...] = ()


def is_ours(one: Pm2Process, current: Path) -> bool:
    """Tell whether this gate started it: our namespace, and a script below our own `current`."""
    return one.namespace == NAMESPACE and Path(one.script).is_relative_to(current)


def belonging(run: SiteRun, processes: Iterable[Pm2Process]) -> list[Pm2Process]:
    """Return the processes of one site: exact name, absolute script, our namespace, and started as this site.

    A process can rename itself in pm2's list; the GATE_SITE it was started with it cannot change.
    """
    want = (run.name, run.name, str(run.script), NAMESPACE)
    return [one for one in processes if (one.name, one.site, one.script, one.namespace) == want]


def make(
    runs: Sequence[SiteRun],
    ecosystem: Mapping[str, Any],
    processes: Sequence[Pm2Process],
    *,
    current: Path,
    only: Collection[str] | None,
) -> Plan:
    """Plan: start the missing, replace what a reload cannot change, delete what is no site's, reload `only`.

    Raises GATE-501 when a foreign process has a site's name: pm2 must not be asked to tell them apart.
    """
    refuse_namesakes(runs, processes, current)
    apps: dict[str, App] = {app["name"]: app for app in ecosystem["apps"]}
    own = {run.name: belonging(run, processes) for run in runs if run.name in apps}
    kept = {name: ones for name, ones in own.items() if _reloadable(apps[name], ones)}
    staying = {one.pm_id for ones in kept.values() for one in ones}
    return Plan(
        delete=tuple(one for one in processes if is_ours(one, current) and one.pm_id not in staying),
        start=tuple(app for name, app in apps.items() if name not in kept),
        reload=tuple((one, apps[name]) for name, ones in kept.items() for one in ones if only is None or name in only),
    )


def refuse_namesakes(runs: Iterable[SiteRun], processes: Iterable[Pm2Process], current: Path) -> None:
    """Raise GATE-501 when a process that this gate did not start has the name of one of its sites."""
    names = {run.name for run in runs if run.mode != "static"}
    foreign = next((one for one in processes if one.name in names and not is_ours(one, current)), None)
    if foreign is not None:
        raise GateError(
            f'pm2 already runs a process named "{foreign.name}" (id {foreign.pm_id}, {foreign.script}) that is not'
            " this gate's.",
            code="GATE-501",
            hints=(f"Stop it with `pm2 delete {foreign.pm_id}`, or give `[pm2] home` a folder of the gate's own.",),
        )


def _reloadable(app: App, ones: Sequence[Pm2Process]) -> bool:
    """Tell whether a reload is enough: folder, mode, interpreter and number stay as first started."""
    shape = (app["cwd"], app["exec_mode"]) + ((app["interpreter"],) if app["exec_mode"] == "fork" else ())
    return len(ones) == app["instances"] and all(
        shape == (one.cwd, one.mode, *((one.interpreter,) if one.mode == "fork" else ())) for one in ones
    )
