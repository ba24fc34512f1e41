"""What a person sees of a gate: its requests in their order, its sites, its Librarian. Reads only, judges nothing."""

import json
from collections.abc import Iterable, Sequence

from msgspec import Struct

from gatekeeper.alerts import book
from gatekeeper.alerts.book import Page
from gatekeeper.gate import Gate
from gatekeeper.librarian import doing, space, windows
from gatekeeper.librarian.present import Fresh, present_release, requests_in
from gatekeeper.librarian.space import Space
from gatekeeper.librarian.watch import tampering
from gatekeeper.model import FROZEN, RESULTS, SEALED, Oid, Ref, Release, RequestId, Result, State
from gatekeeper.policy import order, overdue
from gatekeeper.policy.found import Arrival, Closed
from gatekeeper.progress import Doing
from gatekeeper.repo import frozen, lock, results, spool
from gatekeeper.repo.frozen import Freeze
from gatekeeper.repo.ledger import utc
from gatekeeper.ship import runs, secrecy
from gatekeeper.sites.target import SiteSeen

OPEN_FIRST = (State.BLOCKED, State.HELD)


class Place(Struct, frozen=True):
    """An open request and its position in the queue, 1 being next; None for one that is blocked or held."""

    result: Result
    position: int | None


class SiteState(Struct, frozen=True):
    """One site as it is now."""

    name: str
    host: str | None
    seen: SiteSeen
    version: str | None
    commit: str | None
    healthy: bool
    problem: str


class Survey(Struct, frozen=True):
    """The whole picture of one moment."""

    release: Release
    shipped_at: str | None
    librarian: int | None
    last_beat: str | None
    next_beat: str | None
    doing: Doing | None
    """What the Librarian does; None when none runs, or at rest."""
    frozen: Freeze | None
    sealed: Freeze | None
    closed: Closed | None
    """Outside its ship windows, and until when."""
    tampering: tuple[str, ...]
    places: tuple[Place, ...]
    sites: tuple[SiteState, ...]
    mode: str
    space: Space | None
    """How much room the gate took when it was measured last."""
    alerts: Page
    at: float
    """The moment."""
    late: float
    """Seconds since a heartbeat was due, once that is longer than a period."""


def survey(gate: Gate) -> Survey:
    """Look at everything once."""
    refs = gate.git.refs()
    release = present_release(gate, refs)
    beat, running = _beat(gate), lock.holder(gate.home.path)
    return Survey(
        release=release,
        shipped_at=_shipped_at(gate, release),
        librarian=running,
        last_beat=beat.get("last"),
        next_beat=beat.get("next"),
        doing=doing.read(gate.home, running),
        frozen=frozen.read(gate.git, refs[FROZEN]) if FROZEN in refs else None,
        sealed=frozen.read(gate.git, refs[SEALED]) if SEALED in refs else None,
        closed=windows.closed(gate, None, frozenset()),
        tampering=() if SEALED in refs else tampering(gate, refs),  # a gate that was left has no hooks
        places=places(gate, refs),
        sites=_sites(gate),
        mode=gate.ledger.mode,
        space=space.read(gate.home),
        alerts=book.read(gate.home.alerts),
        at=gate.clock(),
        late=_late(beat, gate.clock()),
    )


def places(gate: Gate, refs: dict[Ref, Oid]) -> tuple[Place, ...]:
    """Return the open requests: the queue in its order, then what is blocked or held, oldest first."""
    known = results.known(gate.git, refs)
    pushed = {(str(e.fields.get("id")), str(e.fields.get("new"))): e for e in spool.read(gate.home.spool)}
    tips = requests_in(refs)
    fresh = [Fresh(id_, tip, pushed.get((id_, tip)), known.get(id_)) for id_, tip in tips.items()]
    current = _current(gate, fresh, known.values())
    waiting = [result for result in current if result.state not in OPEN_FIRST and not result.state.final]
    ordered = order.order([order.as_request(result) for result in waiting], first=order.put_first(waiting))
    by_id = {result.id: result for result in current}
    queue = tuple(Place(by_id[request.id], number) for number, request in enumerate(ordered, 1))
    stuck = sorted((r for r in current if r.state in OPEN_FIRST), key=lambda r: r.sequence)
    return (*queue, *(Place(result, None) for result in stuck))


def newest(gate: Gate, refs: dict[Ref, Oid], request: RequestId) -> Result | None:
    """Return the newest attempt of a request: that of its present tip, or how the last ended; None for no such id."""
    known = results.known(gate.git, {ref: oid for ref, oid in refs.items() if ref == RESULTS + request})
    tip = requests_in(refs).get(request)
    if tip is None:
        return known.get(request)
    pushed = (e for e in spool.read(gate.home.spool) if (e.fields.get("id"), e.fields.get("new")) == (request, tip))
    return _current(gate, [Fresh(request, tip, next(pushed, None), known.get(request))], None)[0]


def names(refs: dict[Ref, Oid]) -> tuple[str, ...]:
    """Return every id that the gate knows, open or ended."""
    ended = (ref.removeprefix(RESULTS) for ref in refs if ref.startswith(RESULTS))
    return tuple(dict.fromkeys((*requests_in(refs), *ended)))


def _current(gate: Gate, tips: Sequence[Fresh], known: Iterable[Result] | None) -> list[Result]:
    """Return the result of each very tip; one that the Librarian has not seen is queued behind all others."""
    unseen = [one for one in tips if one.known is None or one.known.tip != one.tip]
    judged = _judged(gate, unseen, known) if unseen else {}
    return [_foreseen(gate, one, judged[one.id]) if one.id in judged else _told(one) for one in tips]


def _judged(gate: Gate, unseen: Sequence[Fresh], known: Iterable[Result] | None) -> dict[RequestId, Arrival]:
    from gatekeeper.librarian.arrival import arrivals  # noqa: PLC0415 - all the rules of the door, seldom needed

    return {arrived.id: arrived for arrived in arrivals(gate, unseen, known)}


def _told(one: Fresh) -> Result:
    assert one.known is not None  # noqa: S101 - without a result it is judged
    return one.known


def _foreseen(gate: Gate, one: Fresh, arrived: Arrival) -> Result:
    from gatekeeper.librarian.arrival import imagined  # noqa: PLC0415 - as above

    at = str(one.pushed.fields["at"]) if one.pushed and "at" in one.pushed.fields else utc(gate.clock())
    attempt = one.known.attempt + 1 if one.known else 1
    return imagined(arrived, int(gate.clock()), at=at, attempt=attempt)


def _shipped_at(gate: Gate, release: Release) -> str | None:
    if release.version is None:
        return None
    seconds = gate.git.text("for-each-ref", "--format=%(taggerdate:unix)", f"refs/tags/{release.version}")
    return utc(float(seconds)) if seconds else None


def _beat(gate: Gate) -> dict[str, str]:
    try:
        said = json.loads(gate.home.beat.read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in said.items()} if isinstance(said, dict) else {}


def _late(beat: dict[str, str], now: float) -> float:
    try:
        return overdue.late(beat["last"], beat["next"], now=now)
    except (KeyError, ValueError):
        return 0.0


def _sites(gate: Gate) -> tuple[SiteState, ...]:
    live = runs.load(gate.home.live_plan)
    if live is None:
        return ()
    seen = gate.target.observe(live.runs)
    told = gate.target.ask(live.runs, {run.name: live.footing(run.name).stamp.version for run in live.runs})
    mask = secrecy.known(gate.home, gate.config)
    found = []
    for run in live.runs:
        site = seen[run.name]
        problem = _problem(site) or told.get(run.name, "")
        configured = gate.config.sites.get(run.name)
        host = configured.host if configured else None
        counts = (run.mode == "static" and site.status != "external") or run.name in live.kept
        version = live.stamp.version if counts else site.version
        commit = live.stamp.commit if counts else site.commit
        found.append(SiteState(run.name, host, site, version, commit, not problem, mask(problem)))
    return tuple(found)


_SILENT = {
    "unreachable": "its steward does not answer",
    "away": "its host cannot be reached",
    "unsettled": "its host has not heard yet how the last ship ended",
}


def _problem(site: SiteSeen) -> str:
    if site.status in _SILENT:
        return _SILENT[site.status]
    return "" if site.status in ("online", "static", "external") else f"pm2 says {site.status}"
