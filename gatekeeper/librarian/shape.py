"""How a survey and its parts look as JSON: one shape for `status --json`, other reading verbs and the status page."""

from typing import Any

from gatekeeper.alerts.book import open_causes
from gatekeeper.librarian.space import Space
from gatekeeper.librarian.survey import SiteState, Survey
from gatekeeper.librarian.waiting import waits_for
from gatekeeper.model import Reason, Result
from gatekeeper.policy.alerting import Cause
from gatekeeper.policy.settling import ways
from gatekeeper.progress import Doing
from gatekeeper.repo.ledger import utc


def of_survey(seen: Survey) -> dict[str, Any]:
    """Return all of it, but for the `schema` that whoever writes it puts in front."""
    release, frozen = seen.release, seen.frozen
    return {
        "release": {"version": release.version, "commit": release.commit, "shipped_at": seen.shipped_at},
        "librarian": {
            "running": seen.librarian is not None,
            "pid": seen.librarian,
            "last_heartbeat": seen.last_beat,
            "next_heartbeat": seen.next_beat if seen.librarian else None,
            "doing": of_doing(seen.doing),
        },
        "frozen": {"reason": frozen.reason, "since": frozen.since, "until": frozen.until} if frozen else None,
        "sealed": {"reason": seen.sealed.reason, "since": seen.sealed.since} if seen.sealed else None,
        "closed_until": seen.closed.until if seen.closed else None,
        "enforcement": seen.mode,
        "disk": _disk(seen.space) if seen.space else None,
        "tampering": list(seen.tampering),
        "alerts": {
            "open": [of_cause(cause) for cause in open_causes(seen.alerts)],
            "failing": [one.label for one in seen.alerts.failing.values()],
            "late_seconds": round(seen.late),
        },
        "requests": [
            {**of_request(place.result, place.position), "waits_for": waits_for(place, seen)} for place in seen.places
        ],
        "sites": [of_site(site) for site in seen.sites],
    }


def _disk(space: Space) -> dict[str, Any]:
    return {"used": space.used, "max": space.most, "measured_at": utc(space.at)}


def of_cause(cause: Cause) -> dict[str, Any]:
    """Return an open cause as `alert --json` and `status --json` list it."""
    level = cause.level.name.lower()
    return {"scope": cause.scope, "code": cause.code, "id": cause.id, "level": level, "text": cause.text}


def of_request(result: Result, position: int | None) -> dict[str, Any]:
    """Return a request as `status --json` lists it."""
    return {
        "id": result.id,
        "state": str(result.state),
        "agent": result.agent.name,
        "surfaces": list(result.ask.surfaces),
        "intent": result.ask.intent,
        "tip": result.tip,
        "filed_at": result.filed_at,
        "position": position,
        "reason": of_reason(result.reason),
        "settle": [["gatekeeper", *way.argv] for way in ways(result)],
    }


def of_doing(doing: Doing | None) -> dict[str, Any] | None:
    """Return what the Librarian does, each of its jobs with its begin."""
    if doing is None:
        return None
    jobs = [{"job": name, "since": utc(since)} for name, since in doing.jobs.items()]
    return {"what": doing.what, "since": utc(doing.since), "jobs": jobs}


def of_reason(reason: Reason | None) -> dict[str, Any] | None:
    """Return why a request does not move, as `status --json` and `show --json` print it."""
    if reason is None:
        return None
    return {"code": reason.code, "text": reason.text, "next": [list(argv) for argv in reason.next]}


def of_site(site: SiteState) -> dict[str, Any]:
    """Return a site as `status --json` lists it."""
    return {
        "name": site.name,
        "host": site.host,
        "version": site.version,
        "commit": site.commit,
        "pm2": site.seen.status,
        "pid": site.seen.pid,
        "healthy": site.healthy,
        "problem": site.problem or None,
    }
