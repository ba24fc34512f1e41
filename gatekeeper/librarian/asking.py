"""Asks the live sites how they are, once a heartbeat. What runs and is not well is told; a person restarts it."""

from concurrent.futures import ThreadPoolExecutor

from gatekeeper import messages
from gatekeeper.gate import Gate
from gatekeeper.model import Reason, Version
from gatekeeper.ship import runs, secrecy
from gatekeeper.sites.health import ask
from gatekeeper.sites.run import HealthCheck


def unwell(gate: Gate) -> tuple[tuple[str, Reason], ...]:
    """Return each site that answered badly twice, with the reason; all are asked at once, two seconds each time."""
    live = runs.load(gate.home.live_plan)
    asked = {run.name: run.health for run in live.runs if run.health is not None} if live else {}
    if live is None or not asked:
        return ()
    versions = {name: live.footing(name).stamp.version for name in asked}
    with ThreadPoolExecutor(len(asked), thread_name_prefix="well") as pool:
        said = pool.map(_twice, asked.values(), versions.values())
    mask = secrecy.known(gate.home, gate.config)
    ill = {name: mask(problem) for name, problem in zip(asked, said, strict=True) if problem}
    return tuple((name, _reason(name, versions[name], problem)) for name, problem in ill.items())


def _twice(check: HealthCheck, version: Version) -> str | None:
    """A site that is slow for a moment wakes nobody."""
    return ask(check, version) and ask(check, version)


def _reason(name: str, version: Version, problem: str) -> Reason:
    text = messages.reason("GATE-504", what=f"Site {name}", version=version, problem=problem)
    return Reason("GATE-504", text, (("gatekeeper", "reload", name),))
