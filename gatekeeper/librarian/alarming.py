"""Names what a heartbeat found wrong as causes, so that what lasts is told once, and its end is seen."""

from collections.abc import Iterable, Sequence

from gatekeeper import messages
from gatekeeper.config.schema import MINUTE
from gatekeeper.errors import GateError
from gatekeeper.model import Reason, Result, State
from gatekeeper.policy import step as steps
from gatekeeper.policy.alerting import EVENT, Cause, Level, Sight
from gatekeeper.policy.overdue import since
from gatekeeper.policy.scene import Plan
from gatekeeper.policy.step import Snapshot, Step

Alarmed = tuple[Step, Reason]
"""A step that ended in something that a person must be told."""

_AGENT_FIRST = ("GATE-2", "GATE-302", "GATE-303", "GATE-304", "GATE-402", "GATE-403")
"""Not GATE-301: where an agent was removed, nobody is there to repair anything."""

_GRAVE = ("GATE-404", "GATE-5")
_AT_EACH_BEAT = frozenset({"config", "heartbeat", "mirror"})


def sight(seen: Snapshot, alarms: Sequence[Alarmed], late: Iterable[Cause], *, now: float, patience: float) -> Sight:
    """Return what a heartbeat at rest has found; on ground that was tampered with, it looked at nothing else."""
    if seen.tampering:
        return Sight(_of_steps(alarms, seen, now), _AT_EACH_BEAT | {"repository"})
    results = [standing.result for standing in seen.standings]
    blocked = tuple(_waiting(result, result.reason, patience) for result in results if _waits(result) and result.reason)
    judged = _AT_EACH_BEAT | {"repository", "request", "sites"}
    asked = seen.plan != Plan()  # with nothing to verify, nobody asked whether `release` is still red
    return Sight((*blocked, *late, *_of_steps(alarms, seen, now)), judged | ({"release"} if asked else set()))


def glimpse(seen: Snapshot, alarms: Sequence[Alarmed], *, now: float) -> Sight:
    """Return what a heartbeat has found that was interrupted: it did not see everything, so that nothing is over."""
    return Sight(_of_steps(alarms, seen, now))


def stuck(result: Result, reason: Reason) -> Cause:
    """Return the cause of a request that stands still."""
    return _about(result, reason, level=Level.WARNING)


def unwell(site: str, reason: Reason) -> Cause:
    """Return the cause of a site that runs what it should, and does not answer as configured."""
    return Cause(f"sites/{site}/{reason.code}", reason.code, reason.text)


def lost(host: str, reason: Reason) -> Cause:
    """Return the cause of a host that cannot be reached."""
    return Cause(f"host/{host}/{reason.code}", reason.code, reason.text)


def failed(problem: GateError | OSError) -> Sight:
    """Return what a heartbeat that could not do its work has found."""
    code = problem.code if isinstance(problem, GateError) else None
    code = code or ("GATE-503" if isinstance(problem, OSError) else "GATE-506")
    return Sight((Cause(f"heartbeat/failed/{code}", code, f"The heartbeat failed. {problem}"),))


def invalid(reason: Reason) -> Cause:
    """Return the cause of a sites.toml that cannot be used; whatever is wrong with it, it is one cause."""
    return Cause(f"config/sites.toml/{reason.code}", reason.code, reason.text)


def away(seconds: float, *, now: float) -> Cause:
    """Return what a Librarian tells that was away for longer than it should have been."""
    text = messages.reason("GATE-506", id=None, minutes=round(seconds / MINUTE))
    return Cause(f"{EVENT}/away {int(now)}/GATE-506", "GATE-506", text, Level.WARNING)


def _waits(result: Result) -> bool:
    return result.state in (State.BLOCKED, State.HELD)


def _waiting(result: Result, reason: Reason, patience: float) -> Cause:
    level = Level.ERROR if reason.code.startswith(_GRAVE) else Level.WARNING
    return _about(result, reason, level=level, delay=patience if reason.code.startswith(_AGENT_FIRST) else 0.0)


def _about(result: Result, reason: Reason, *, level: Level, delay: float = 0.0) -> Cause:
    """A new tip that fails in the same way is the same cause: an agent that tries again wakes nobody."""
    return Cause(
        key=f"request/{result.id}/{reason.code}",
        code=reason.code,
        text=reason.text,
        level=level,
        id=result.id,
        agent=result.agent.name,
        intent=result.ask.intent,
        tip=result.tip,
        since=since(result),
        delay=delay,
    )


def _of_steps(alarms: Iterable[Alarmed], seen: Snapshot, now: float) -> tuple[Cause, ...]:
    blocked = frozenset(str(standing.result.id) for standing in seen.standings if _waits(standing.result))
    found = []
    for step, reason in alarms:
        about = _subject(step, blocked, int(now))
        if about is not None:
            found.append(Cause(f"{about}/{reason.code}", reason.code, reason.text))
    return tuple(found)


def _subject(step: Step, blocked: frozenset[str], now: int) -> str | None:  # noqa: PLR0911 - one line a step
    """Return what a step's alarm is about; None for what the state of a request tells already."""
    match step:
        case steps.Restate():
            return None
        case steps.Ship() if any(request.id in blocked for request in step.requests):
            return None
        case steps.Sweep(result):
            return f"request/{result.id}"
        case steps.Converge(sites):
            return f"sites/{','.join(sites)}"
        case steps.Rest(_, alarm):
            return "repository/changed" if alarm is not None and alarm.code == "GATE-502" else "release/itself"
        case steps.Close(result):
            return f"{EVENT}/vanished {result.id} {now}"
        case steps.CarryOut(decision):
            return f"{EVENT}/{decision.verb} {decision.key}"
    return f"{EVENT}/{type(step).__name__} {now}"
