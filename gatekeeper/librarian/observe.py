"""Reads everything that the next step is decided on, and nothing else: one snapshot."""

from collections.abc import Collection, Iterable, Mapping

from msgspec.structs import replace

from gatekeeper.config.digest import digest
from gatekeeper.gate import Gate
from gatekeeper.librarian import doors
from gatekeeper.librarian.arrival import AT_ONCE, arrivals, imagined
from gatekeeper.librarian.planning import plan
from gatekeeper.librarian.present import Fresh, present_release, requests_in
from gatekeeper.librarian.recollection import Recollection, ground_of
from gatekeeper.librarian.rules import in_force
from gatekeeper.librarian.spent import ended, id_of, spent, unheard
from gatekeeper.librarian.train import Formed, Yard, as_it_is
from gatekeeper.librarian.watch import tampering
from gatekeeper.librarian.windows import closed, thaws
from gatekeeper.model import (
    BAD,
    FROZEN,
    INTERRUPTED,
    REQUESTS,
    SHIPPING,
    Oid,
    Ref,
    Release,
    Request,
    RequestId,
    Result,
    State,
    Version,
)
from gatekeeper.policy import order, overdue, versions
from gatekeeper.policy.found import Arrival, Closed
from gatekeeper.policy.scene import Plan
from gatekeeper.policy.step import Snapshot
from gatekeeper.repo import results, spool
from gatekeeper.repo.ledger import utc
from gatekeeper.ship import runs
from gatekeeper.ship.runs import LivePlan
from gatekeeper.sites.run import SiteRun
from gatekeeper.sites.target import SiteSeen
from gatekeeper.verify import jobs


def observe(gate: Gate, mind: Recollection, *, imagine: bool = False) -> Snapshot:
    """Return the state of everything at this moment. Writes no ref; trial merges leave objects behind.

    With `imagine` what has just arrived counts as filed, so that a dry run sees the train that would be formed.
    """
    refs = gate.git.refs()
    release = present_release(gate, refs)
    shipping = refs.get(SHIPPING)
    if shipping is not None:
        return Snapshot(release, shipping=shipping)
    foreign = tampering(gate, refs)
    if foreign:
        wishes = tuple(spool.decision(entry) for entry in spool.read(gate.home.spool) if entry.event == "decision")
        return Snapshot(release, tampering=foreign, decisions=wishes)
    entries = spool.read(gate.home.spool, mind.entries)
    known = results.known(gate.git, refs)
    open_tips = requests_in(refs)
    current = {id_: known[id_] for id_, tip in open_tips.items() if id_ in known and known[id_].tip == tip}
    vanished = tuple(result for result in known.values() if result.id not in open_tips and not ended(result))
    pending = {*_unfiled(open_tips, current), *(result.id for result in vanished)}
    first = Snapshot(
        release=release,
        leftovers=tuple(r for r in current.values() if r.state is State.SHIPPED and r.id not in mind.swept),
        reports=_spent(gate, entries, known, pending),
        vanished=vanished,
        withdrawn=frozenset(RequestId(str(e.fields.get("id"))) for e in entries if e.event == "withdraw"),
        expired=overdue.expired(current.values(), now=gate.clock(), after=gate.config.gate.request_ttl),
        decisions=tuple(spool.decision(entry) for entry in entries if entry.event == "decision"),
    )
    if not imagine and (first.leftovers or first.reports or first.vanished):
        return first  # these come before what arrived and the queue, which are not judged and merged for each of them
    arrived = _arrivals(gate, open_tips, current, known, entries, everything=imagine)
    first = replace(first, arrivals=arrived)
    if arrived and not imagine:
        return first
    standing = [result for result in current.values() if not result.state.final]
    now = utc(gate.clock())
    standing += [imagined(arrival, number, at=now) for number, arrival in enumerate(arrived)] if imagine else []
    policy = {**gate.policy, "taken_out": doors.taken_out(gate.git, known.values())}
    yard = Yard(gate.trial, gate.config, policy, release, mind.memory, gate.clock())
    formed = _form(gate, refs, yard, standing, open_tips)
    changed = _changed_sites(gate, release, refs)
    shut = closed(gate, refs.get(FROZEN), order.with_needs(order.put_first(standing), formed.queue))
    queue = _let_through(formed.queue, shut)
    stopped = shut is not None and shut.stopped
    elsewhere = gate.target.elsewhere  # what `release` is to them must be known before they are taken over
    asked = not stopped and (release.version is None or bool(queue or changed or mind.running or elsewhere))
    idle = Plan(red=mind.red.get(release.commit, ()))
    return replace(
        first,
        changed_sites=changed,
        closed=shut,
        thaws=thaws(gate, refs.get(FROZEN)),
        ailing_sites=() if mind.looked_after else _ailing_sites(gate, release),
        standings=formed.standings,
        plan=plan(gate, yard, queue, known.values(), mind, closed=shut is not None) if asked else idle,
        bad_trees=_named(refs, BAD),
        interrupted=_named(refs, INTERRUPTED),
    )


def desired_runs(gate: Gate, tree: Oid) -> tuple[SiteRun, ...]:
    """Return how the sites of a tree are to run by today's sites.toml, without those that run elsewhere yet."""
    wanted = runs.runs(gate.config, gate.home, ground_of(gate, tree).has)
    return tuple(run for run in wanted if run.name not in gate.target.elsewhere)


def _form(
    gate: Gate,
    refs: Mapping[Ref, Oid],
    yard: Yard,
    standing: Iterable[Result],
    open_tips: Mapping[RequestId, Oid],
) -> Formed:
    present: dict[str, str] = {"release": yard.release.commit, "rules": in_force(gate.policy)}
    present |= {f"request {id_}": tip for id_, tip in open_tips.items()}
    present |= {f"definition {name}": key for name, key in jobs.definitions(gate.config).items()}
    marked = {"bad": _named(refs, BAD), "interrupted": _named(refs, INTERRUPTED)}
    resting = {r.id: as_it_is(r) for r in standing if _rests(r, present, marked)}
    return yard.form(tuple(standing), resting, order.put_first(standing))


def _named(refs: Mapping[Ref, Oid], prefix: str) -> frozenset[Oid]:
    """Return the trees that refs below a prefix are named after."""
    return frozenset(Oid(ref.removeprefix(prefix)) for ref in refs if ref.startswith(prefix))


def _let_through(queue: tuple[Request, ...], shut: Closed | None) -> tuple[Request, ...]:
    """Outside the windows what a person put first is verified and shipped alone; the others come after it."""
    return tuple(request for request in queue if request.id in shut.lets) if shut and shut.lets else queue


def _rests(result: Result, present: Mapping[str, str], marked: Mapping[str, frozenset[Oid]]) -> bool:
    """Return whether a block still counts: what it rests on is as it was. A hold is judged anew on its content."""
    if result.state is not State.BLOCKED and "interrupted" not in result.rests_on:
        return False
    return all(_as_it_was(name, value, present, marked) for name, value in result.rests_on.items())


def _as_it_was(name: str, value: str, present: Mapping[str, str], marked: Mapping[str, frozenset[Oid]]) -> bool:
    if name == "verdict":  # a verdict is a fact about its inputs: only `retry` takes it back
        return True
    return value in marked[name] if name in marked else present.get(name) == value


def _arrivals(
    gate: Gate,
    open_tips: Mapping[RequestId, Oid],
    current: Mapping[RequestId, Result],
    known: Mapping[RequestId, Result],
    entries: tuple[spool.Entry, ...],
    *,
    everything: bool,
) -> tuple[Arrival, ...]:
    """Return some tips that are new, or all, in the order in which their pushes were written down."""
    pushed = {(str(e.fields.get("id")), str(e.fields.get("new"))): e for e in entries if e.event == "pushing"}
    fresh = [(id_, open_tips[id_]) for id_ in _unfiled(open_tips, current)]
    fresh.sort(key=lambda pair: pushed[pair].file if pair in pushed else "")
    wanted = [Fresh(id_, tip, pushed.get((id_, tip)), known.get(id_)) for id_, tip in fresh]
    return arrivals(gate, wanted if everything else wanted[:AT_ONCE], known.values()) if wanted else ()


def _unfiled(open_tips: Mapping[RequestId, Oid], current: Mapping[RequestId, Result]) -> list[RequestId]:
    """Return the requests whose tip no result tells of."""
    return [id_ for id_ in open_tips if id_ not in current or _again(current[id_])]


def _again(result: Result) -> bool:
    """The same tip, pushed again after its request had ended without landing, is a new attempt."""
    return result.state.final and result.state is not State.SHIPPED


def _spent(
    gate: Gate,
    entries: tuple[spool.Entry, ...],
    known: Mapping[RequestId, Result],
    pending: Collection[RequestId],
) -> tuple[str, ...]:
    wishes = {id_of(entry) for entry in entries if unheard(entry, known)}
    gone = {id_ for id_ in wishes if gate.git.resolve(REQUESTS + id_) is None}
    return spent(entries, known, gone, pending, gate.clock())


def _changed_sites(gate: Gate, release: Release, refs: Mapping[Ref, Oid]) -> tuple[str, ...]:
    """Return the sites that sites.toml, or an env file, wants to run otherwise than they do.

    On a machine that never ran them (a restored backup) that is all of them.
    """
    if release.version is None:
        return ()
    live = runs.load(gate.home.live_plan)
    wanted = {run.name: run for run in desired_runs(gate, release.tree)}
    if Ref(BAD + runs_digest(wanted.values())) in refs:
        return ()
    had = {run.name: run for run in live.runs} if live else {}
    return tuple(sorted(name for name in {*wanted, *had} if wanted.get(name) != had.get(name)))


def runs_digest(wanted: Iterable[SiteRun]) -> str:
    """Return what names a way to run the sites that failed, so that it is not tried again unchanged."""
    return digest([repr(run) for run in sorted(wanted, key=lambda run: run.name)])


def _ailing_sites(gate: Gate, release: Release) -> tuple[str, ...]:
    live = runs.load(gate.home.live_plan)
    if release.version is None or live is None:
        return ()
    seen = gate.target.observe(live.runs)
    return tuple(run.name for run in live.runs if run.mode != "static" and _ails(gate, live, run, seen[run.name]))


def _ails(gate: Gate, live: LivePlan, run: SiteRun, site: SiteSeen) -> bool:
    footing = live.footing(run.name)
    if site.status == "away":  # nothing can be done for it; that its host is lost is told
        return False
    home = runs.home_of(run, gate.home)
    where = home.releases / footing.folder / run.cwd.relative_to(home.current)
    return (site.status, site.cwd, site.version, site.strays) != ("online", str(where), footing.stamp.version, 0)


def version_of(gate: Gate, tip: Oid) -> Version | None:
    """Return the first version that holds a commit."""
    names = gate.git.text("tag", "--list", "v*", "--contains", tip, "--sort=version:refname").splitlines()
    return next((Version(name) for name in names if versions.parse(name)), None)
