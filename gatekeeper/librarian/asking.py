"""Asks the live sites how they are, once a heartbeat. What runs and is not well is told; a person restarts it."""

from gatekeeper import messages
from gatekeeper.gate import Gate
from gatekeeper.model import Reason, Version
from gatekeeper.ship import runs, secrecy


def unwell(gate: Gate) -> tuple[tuple[str, Reason], ...]:
    """Return each site that answered badly twice, with the reason; all are asked at once, two seconds each time."""
    live = runs.load(gate.home.live_plan)
    if live is None:
        return ()
    versions = {run.name: live.footing(run.name).stamp.version for run in live.runs}
    first = gate.target.ask(live.runs, versions)
    # a site that is slow for a moment wakes nobody
    ill = gate.target.ask([run for run in live.runs if run.name in first], versions)
    mask = secrecy.known(gate.home, gate.config)
    here = gate.config.gate.ship == "pm2"
    return tuple((name, _reason(name, versions[name], mask(problem), here=here)) for name, problem in ill.items())


def lost(gate: Gate) -> tuple[tuple[str, Reason], ...]:
    """Return each host that cannot be reached, with the reason."""
    found = gate.target.lost()
    told = {name: messages.reason("GATE-504", what=f"Host {name}", problem=why) for name, why in found.items()}
    return tuple((name, Reason("GATE-504", text, (("gatekeeper", "doctor"),))) for name, text in told.items())


def _reason(name: str, version: Version, problem: str, *, here: bool) -> Reason:
    text = messages.reason("GATE-504", what=f"Site {name}", version=version, problem=problem)
    return Reason("GATE-504", text, (("gatekeeper", "reload", name),) if here else ())
