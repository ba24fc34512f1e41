"""All that the gate knows of one request, for a person who must decide on it. Reads only."""

import json
from collections.abc import Iterable

from msgspec import Struct

from gatekeeper.gate import Gate
from gatekeeper.librarian import fresh, survey
from gatekeeper.librarian.present import present_release
from gatekeeper.model import RELEASE, Job, Oid, RequestId, Result, State, Verdict
from gatekeeper.repo import records, verdicts
from gatekeeper.repo.merge import Conflict, merge, regions
from gatekeeper.repo.records import Written

_LOOK_BACK = 5000
_LOG_LINES = 40


class Clash(Struct, frozen=True):
    """What a request is in conflict with: `release`, or the first request ahead in the queue that it cannot follow."""

    against: str
    other: Oid
    found: Conflict


class Checked(Struct, frozen=True):
    """A job that the request has for itself, what it said when it ran, and the end of what it printed."""

    job: Job
    verdict: Verdict | None
    log: tuple[str, ...] = ()


class Dossier(Struct, frozen=True):
    """The request as it stands, and everything beside it; `clash` holds the lines of each file in conflict."""

    result: Result
    records: tuple[Written, ...]
    diffstat: str
    checks: tuple[Checked, ...]
    clash: Clash | None
    regions: dict[str, tuple[tuple[str, ...], ...]]
    log: tuple[str, ...]
    """The end of the output of the check that last blocked it."""


def dossier(gate: Gate, result: Result) -> Dossier:
    """Gather it."""
    told = _records(gate, result.id)
    found = clash(gate, result) if result.reason and result.reason.code in ("GATE-401", "GATE-409") else None
    lines = {path: regions(gate.git, found.found, path) for path in found.found.paths} if found else {}
    checks = tuple(_checked(gate, _jobs(gate, result, told), result.rests_on.get("verdict")))
    return Dossier(result, told, _diffstat(gate, result, told), checks, found, lines, _last_log(gate, told))


def clash(gate: Gate, result: Result) -> Clash | None:
    """Return what an open request is in conflict with, or None."""
    refs = gate.git.refs()
    release = refs[RELEASE]
    if not result.state.final and isinstance(found := merge(gate.git, release, result.tip), Conflict):
        return Clash("release", release, found)
    queue = [place for place in survey.places(gate, refs) if place.position is not None]
    own = next((place.position for place in queue if place.result.id == result.id), None)
    for other in (place.result for place in queue if own is not None and (place.position or own) < own):
        if isinstance(found := merge(gate.git, other.tip, result.tip), Conflict):
            return Clash(f"request {other.id}", other.tip, found)
    return None


def _records(gate: Gate, request: RequestId) -> tuple[Written, ...]:
    """Return the records that name the request, oldest first."""
    found = records.walk(gate.git, limit=_LOOK_BACK, words=json.dumps(request))
    return tuple(written for written in found if _names(written, request))[::-1]


def _names(written: Written, request: RequestId) -> bool:
    data = written.record.data
    listed = [landing.get("id") for landing in data.get("requests", [])]
    return request in (data.get("id"), *data.get("ids", []), *data.get("takes_out", []), *listed)


def _landed(result: Result, told: Iterable[Written]) -> tuple[Oid, int] | None:
    """Return the commit that it went live with, and how many requests did."""
    if result.state not in (State.SHIPPED, State.ROLLED_BACK):
        return None
    shipped = [w.record.data for w in told if w.record.event == "shipped" and "commit" in w.record.data]
    mine = [data for data in shipped if any(one.get("id") == result.id for one in data.get("requests", ()))]
    return (Oid(mine[-1]["commit"]), len(mine[-1]["requests"])) if mine else None


def _jobs(gate: Gate, result: Result, told: Iterable[Written]) -> tuple[Job, ...]:
    landed = _landed(result, told)
    if landed is not None:
        return fresh.shipped_jobs(gate, *landed)
    return () if result.state.final else fresh.jobs(gate, present_release(gate, gate.git.refs()), result.tip)


def _checked(gate: Gate, jobs: Iterable[Job], blocking: str | None) -> list[Checked]:
    """Pair each job with its verdict: on `release` as it is now, else the one that still blocks the request."""
    wanted = tuple(jobs)
    known = verdicts.lookup(gate.git, [*(job.key for job in wanted), *([blocking] if blocking else [])])
    blocks = known.get(blocking or "")
    kept = {blocks.job: blocks} if blocks else {}
    said = ((job, known.get(job.key) or kept.get(str(job.name))) for job in wanted)
    return [Checked(job, verdict, _log(gate, verdict.log if verdict else "")) for job, verdict in said]


def _diffstat(gate: Gate, result: Result, told: Iterable[Written]) -> str:
    """Return what it changes of `release`; of what is live already, what it changed of what was live before."""
    landed = _landed(result, told)
    before = f"{landed[0]}~{landed[1]}" if landed else RELEASE
    base = gate.git.run("merge-base", before, result.tip, allowed=(0, 1, 128)).text
    if not base or base == result.tip:
        return ""
    return gate.git.text("diff", "--stat=78", "--no-ext-diff", "--no-textconv", base, result.tip, "--")


def _last_log(gate: Gate, told: Iterable[Written]) -> tuple[str, ...]:
    names = [w.record.data.get("log") for w in told if w.record.event == "blocked"]
    return _log(gate, str(names[-1] or "")) if names else ()


def _log(gate: Gate, name: str) -> tuple[str, ...]:
    """Return the end of a log that is still kept."""
    path = gate.home.logs / name
    if not name or not path.is_file():
        return ()
    return tuple(path.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:])
