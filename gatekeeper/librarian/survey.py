"""What a person sees of a gate: its requests in their order, its sites, its Librarian. Reads only, judges nothing."""

import json
from dataclasses import dataclass

from gatekeeper.alerts import book
from gatekeeper.alerts.book import Page
from gatekeeper.gate import Gate
from gatekeeper.librarian.arrival import arrival, imagined
from gatekeeper.librarian.observe import known_results, present_release, requests_in
from gatekeeper.librarian.recollection import Recollection
from gatekeeper.librarian.train import as_request
from gatekeeper.librarian.watch import tampering
from gatekeeper.model import FROZEN, RESULTS, Oid, Ref, Release, RequestId, Result, State
from gatekeeper.policy import order, overdue
from gatekeeper.repo import lock, spool
from gatekeeper.repo.ledger import utc
from gatekeeper.ship import runs
from gatekeeper.sites.health import ask as ask_health
from gatekeeper.sites.target import SiteSeen

OPEN_FIRST = (State.BLOCKED, State.HELD)


@dataclass(frozen=True, slots=True)
class Place:
    """An open request and its position in the queue, 1 being next; None for one that is blocked or held."""

    result: Result
    position: int | None


@dataclass(frozen=True, slots=True)
class SiteState:
    """One site as it is now."""

    name: str
    host: str | None
    seen: SiteSeen
    version: str | None
    commit: str | None
    healthy: bool
    problem: str


@dataclass(frozen=True, slots=True)
class Frozen:
    """Since when, why, and until when if that was said."""

    reason: str
    since: str


@dataclass(frozen=True, slots=True)
class Survey:
    """The whole picture of one moment."""

    release: Release
    shipped_at: str | None
    librarian: int | None
    last_beat: str | None
    next_beat: str | None
    frozen: Frozen | None
    tampering: tuple[str, ...]
    places: tuple[Place, ...]
    sites: tuple[SiteState, ...]
    mode: str
    alerts: Page
    late: float
    """Seconds since a heartbeat was due, once that is longer than a period."""


def survey(gate: Gate) -> Survey:
    """Look at everything once."""
    refs = gate.git.refs()
    release = present_release(gate, refs)
    beat = _beat(gate)
    return Survey(
        release=release,
        shipped_at=_shipped_at(gate, release),
        librarian=lock.holder(gate.home.path),
        last_beat=beat.get("last"),
        mode=gate.ledger.mode,
        alerts=book.read(gate.home.alerts),
        late=_late(beat, gate.clock()),
        next_beat=beat.get("next"),
        frozen=_frozen(gate, refs),
        tampering=tampering(gate, refs),
        places=places(gate, refs),
        sites=_sites(gate),
    )


def places(gate: Gate, refs: dict[Ref, Oid]) -> tuple[Place, ...]:
    """Return the open requests: the queue in its order, then what is blocked or held, oldest first."""
    known = known_results(gate, refs, Recollection())
    entries = {(str(e.fields.get("id")), str(e.fields.get("new"))): e for e in spool.read(gate.home.spool)}
    tips = requests_in(refs)
    current = [_current(gate, id_, tip, known.get(id_), entries.get((id_, tip))) for id_, tip in tips.items()]
    waiting = [result for result in current if result.state not in OPEN_FIRST and not result.state.final]
    ordered = order.order([as_request(result) for result in waiting])
    by_id = {result.id: result for result in current}
    queue = tuple(Place(by_id[request.id], number) for number, request in enumerate(ordered, 1))
    stuck = sorted((r for r in current if r.state in OPEN_FIRST), key=lambda r: r.sequence)
    return (*queue, *(Place(result, None) for result in stuck))


def newest(gate: Gate, refs: dict[Ref, Oid], request: RequestId) -> Result | None:
    """Return the newest attempt of a request: that of its present tip, or how the last ended; None for no such id."""
    known = known_results(gate, {ref: oid for ref, oid in refs.items() if ref == RESULTS + request}, Recollection())
    tip = requests_in(refs).get(request)
    if tip is None:
        return known.get(request)
    pushed = (e for e in spool.read(gate.home.spool) if (e.fields.get("id"), e.fields.get("new")) == (request, tip))
    return _current(gate, request, tip, known.get(request), next(pushed, None))


def names(refs: dict[Ref, Oid]) -> tuple[str, ...]:
    """Return every id that the gate knows, open or ended."""
    ended = (ref.removeprefix(RESULTS) for ref in refs if ref.startswith(RESULTS))
    return tuple(dict.fromkeys((*requests_in(refs), *ended)))


def _current(gate: Gate, request: RequestId, tip: Oid, known: Result | None, pushed: spool.Entry | None) -> Result:
    """Return the result of this very tip; a tip that the Librarian has not seen is queued behind all others."""
    if known is not None and known.tip == tip:
        return known
    at = str(pushed.fields["at"]) if pushed and "at" in pushed.fields else utc(gate.clock())
    attempt = known.attempt + 1 if known else 1
    return imagined(arrival(gate, request, tip, pushed, known), int(gate.clock()), at=at, attempt=attempt)


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


def _frozen(gate: Gate, refs: dict[Ref, Oid]) -> Frozen | None:
    if FROZEN not in refs:
        return None
    text = gate.git.text("show", "-s", "--no-show-signature", "--format=%ct%x00%b", refs[FROZEN])
    since, _, words = text.partition("\0")
    return Frozen(" ".join(words.split()), utc(float(since)))


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
    found = []
    for run in live.runs:
        site = seen[run.name]
        problem = _problem(site)
        if not problem and run.health is not None:
            problem = ask_health(run.health, live.footing(run.name).stamp.version, timeout=2.0) or ""
        configured = gate.config.sites.get(run.name)
        host = configured.host if configured else None
        counts = run.mode == "static" or run.name in live.kept
        version = live.stamp.version if counts else site.version
        commit = live.stamp.commit if counts else site.commit
        found.append(SiteState(run.name, host, site, version, commit, not problem, problem))
    return tuple(found)


def _problem(site: SiteSeen) -> str:
    if site.status == "unreachable":
        return "its steward does not answer"
    return "" if site.status in ("online", "static") else f"pm2 says {site.status}"
