"""`reload` and `apply`: the sites as they are live, and as sites.toml wants them. A ship of the change goes before."""

from gatekeeper.config.force import in_force
from gatekeeper.config.load import refuse_not_yet
from gatekeeper.config.problems import ConfigProblems
from gatekeeper.errors import Exit, GateError
from gatekeeper.librarian.observe import desired_runs, runs_digest
from gatekeeper.librarian.verbs.hearing import Hearing
from gatekeeper.model import BAD, Reason
from gatekeeper.policy.texts import nearest
from gatekeeper.repo import records
from gatekeeper.ship import runs
from gatekeeper.ship.runs import LivePlan
from gatekeeper.sites.run import SiteRun

_LOOK_BACK = 200


def reload(hearing: Hearing) -> Reason | None:
    """Restart one site on what is live and prove it healthy; a change of how it runs has been shipped before."""
    name, live = hearing.decision.args.get("site", ""), runs.load(hearing.gate.home.live_plan)
    run = next((run for run in live.runs if run.name == name), None) if live else None
    if live is None or run is None:
        hearing.decline(_unknown(name, [run.name for run in live.runs] if live else []), Exit.NOT_FOUND)
        return None
    if hearing.gate.config.gate.ship == "external":
        hearing.decline(f"{name} has no process here: an engine runs {name}, and restarts it.", Exit.FAILED)
        return None
    if run.mode == "static":
        hearing.decline(f"{name} is static files: it has no process.", Exit.FAILED)
        return None
    if _reconfigured(hearing):
        hearing.conclude("reloaded", f"{name} was restarted with what sites.toml says now.", site=name)
        return None
    return _restart(hearing, live, run)


def apply(hearing: Hearing) -> Reason | None:
    """Say whether the present sites.toml is in force and the sites follow it.

    A heartbeat that began before it was saved is ended, and the next one takes the decision up again.
    """
    gate = hearing.gate
    force = in_force(gate.home)
    if force.text != gate.home.applied_toml.read_text("utf-8"):
        hearing.hands.cancel.throw()
        return None
    problem = force.problems or _not_yet(hearing)
    refused = None if problem else _not_followed(hearing)
    if problem is not None:
        hearing.decline(problem.text, Exit.CONFIG)
    elif refused is not None:
        hearing.decline(refused, Exit.FAILED)
    else:
        sites = " The sites run as it says." if hearing.seen.release.version else ""
        hearing.conclude("applied", f"sites.toml is in force.{sites}")
    return None


def _restart(hearing: Hearing, live: LivePlan, run: SiteRun) -> Reason | None:
    gate = hearing.gate
    if gate.target.astray(live.folder):
        hearing.decline("live/current leads elsewhere: somebody else has switched it. Nothing was done.", Exit.TAMPERED)
        return None
    settled = live.moving((run.name,))
    runs.save(gate.home.live_plan, settled)
    try:
        gate.target.reload(settled.runs, settled.stamp, only=(run.name,))
        seen = gate.target.health([run], settled.stamp, live.folder)[run.name]
    except (GateError, OSError) as problem:
        hearing.decline(f"{run.name} could not be restarted: {problem}", Exit.FAILED)
        return None
    if seen.healthy:
        text = f"{run.name} was restarted on {settled.stamp.version} and is healthy."
        hearing.conclude("reloaded", text, site=run.name, pid=seen.pid, version=settled.stamp.version)
        return None
    text = f"{run.name} was restarted on {settled.stamp.version} and is not healthy: {seen.reason}"
    hearing.decline(text, Exit.FAILED)
    return Reason("GATE-504", text)


def _unknown(name: str, known: list[str]) -> str:
    near = nearest(name, known)
    hint = f'Did you mean "{near}"? Names are matched whole.' if near else f"There are: {', '.join(known) or 'none'}."
    return f"No site {name!a} is live. {hint}"


def _reconfigured(hearing: Hearing) -> bool:
    """Tell whether the sites were shipped anew since the person asked."""
    recent = (written.record for written in records.walk(hearing.gate.git, limit=_LOOK_BACK))
    return any(one.event == "reconfigured" and one.at >= hearing.decision.at for one in recent)


def _not_yet(hearing: Hearing) -> ConfigProblems | None:
    try:
        refuse_not_yet(hearing.gate.config, hearing.gate.home.sites_toml)
    except ConfigProblems as problems:
        return problems
    return None


def _not_followed(hearing: Hearing) -> str | None:
    """Return why the sites do not run as sites.toml says, or None when they do."""
    gate, seen = hearing.gate, hearing.seen
    if seen.closed is not None and seen.closed.stopped and seen.changed_sites:
        return f"sites.toml is in force, but {', '.join(seen.changed_sites)} will follow only after `gatekeeper thaw`."
    if seen.changed_sites:
        red = ", ".join(str(red.job.name) for red in seen.plan.red) or "a check"
        return f"sites.toml is in force at the doors, but with it {red} fails on `release`: the sites run as before."
    wanted = desired_runs(gate, seen.release.tree)
    if gate.git.resolve(BAD + runs_digest(wanted)) is not None:
        return "sites.toml is in force at the doors, but the sites failed with it and run as before."
    return None
