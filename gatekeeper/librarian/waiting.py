"""What a request in the queue waits for, in one sentence. Looks at a survey only."""

from gatekeeper.librarian.survey import Place, Survey
from gatekeeper.model import Reason, Result, State
from gatekeeper.policy.times import ago, span, told


def waits_for(place: Place, seen: Survey) -> str | None:
    """Return it; None for a request that does not wait in the queue, whose reason says it all."""
    if place.position is None:
        return None
    result = place.result
    if result.reason is not None and result.reason.code != "GATE-408":
        return _kept_back(result.reason)
    if result.state is State.SHIPPING:
        return seen.doing.what if seen.doing else "its ship was interrupted; the Librarian that starts next recovers it"
    return _verified(place, seen) or _shut(result, seen) or _turn(place, seen)


def _kept_back(reason: Reason) -> str:
    if reason.code == "GATE-409":
        return f"{reason.text.removeprefix('it waits for ').rstrip('.')} ({reason.code})"
    return f"the end of this: {reason.code} {reason.text}"


def _verified(place: Place, seen: Survey) -> str | None:
    if place.result.state is not State.VERIFYING:
        return None
    since = ago(place.result.updated_at, seen.at)
    if seen.librarian is None:
        return f"its checks, which began {since} and ended with their Librarian; they begin anew with the next"
    jobs = seen.doing.jobs if seen.doing else {}
    if not jobs and any(cause.key.startswith("cluster/scheduler/") for cause in seen.alerts.open("cluster")):
        return f"workers to verify it, since {since.removesuffix(' ago')} (GATE-504)"
    running = ", ".join(f"{name} for {span(seen.at - begun)}" for name, begun in jobs.items())
    return f"its checks, since {since.removesuffix(' ago')}{f'; running: {running}' if running else ''}"


def _shut(result: Result, seen: Survey) -> str | None:
    if seen.frozen is not None:
        until = f", or {told(seen.frozen.until, seen.at)}" if seen.frozen.until else ""
        checks = "it is neither verified nor shipped" if seen.frozen.stopped else "it is verified, and ships then"
        return f"`gatekeeper thaw`{until}; {checks}"
    if seen.closed is not None and not result.ahead:
        opens = f", {told(seen.closed.until, seen.at)}" if seen.closed.until else ""
        return f"the next ship window{opens}; it is verified, and ships then"
    return None


def _turn(place: Place, seen: Survey) -> str:
    if seen.librarian is None:
        return "a Librarian: none runs"
    ahead = next((p.result.id for p in seen.places if p.position == (place.position or 0) - 1), None)
    behind = f", behind {ahead}" if ahead else ""
    return f"its turn{behind}"
