"""Brings one release to all sites in lockstep, or all of them back to the one before.

Each line of `ship` leaves something durable before the next begins (DESIGN 5). Before the commit point a failure,
or a start that finds this ship unfinished, goes back; after it, always forward.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from gatekeeper import messages, progress
from gatekeeper.config.load import refuse_not_yet
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.model import (
    BAD,
    INTERRUPTED,
    NO_OID,
    RELEASE,
    SHIPPING,
    Oid,
    Reason,
    Ref,
    RequestId,
    Result,
    SiteName,
    State,
)
from gatekeeper.policy.repair import push_again
from gatekeeper.repo import records, spool
from gatekeeper.repo.git import Change
from gatekeeper.ship import follow, runs, secrecy
from gatekeeper.ship import plan as plans
from gatekeeper.ship.migrate import Unmigrated, migrate
from gatekeeper.ship.plan import Cause, Phase, Plan
from gatekeeper.ship.publish import commit_point, publish
from gatekeeper.ship.runs import LivePlan
from gatekeeper.ship.stage import Changed, Load
from gatekeeper.sites.watch import SiteHealth

_LOOK_BACK = 100


class Cargo(Struct, frozen=True):
    """All that a ship needs to know; nothing is decided on the way."""

    plan: Plan
    load: Load
    live: LivePlan
    intents: tuple[str, ...]
    results: tuple[Result, ...] = ()
    """The requests of the train as they stand; they go back to the queue when the ship fails."""
    final: tuple[Result, ...] = ()
    """What its publication makes of requests: those that it lands, those that it takes out."""
    touches: Mapping[RequestId, frozenset[str]] = field(default_factory=dict)
    """The sites whose inputs each request changed: who is blocked when one of them fails."""
    red: tuple[str, ...] = ()
    """Jobs that fail on `release` too, and were let pass for that."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """What else the record of this ship says."""


class Shipped(Struct, frozen=True):
    """Every site is healthy on it, and it is published."""

    plan: Plan
    sites: Mapping[SiteName, SiteHealth]


class Undone(Struct, frozen=True):
    """It did not go live, the sites are on the version before; a reason of 5xx is the gate's own, no request's."""

    site: str | None
    reason: Reason


class Stranded(Struct, frozen=True):
    """It did not go live and going back failed too: a person must look, nothing more is tried."""

    reason: Reason


class Rebuild(Struct, frozen=True):
    """A build's output is no longer what was verified; nothing was touched, and it must be built again."""

    key: str


Outcome = Shipped | Undone | Stranded | Rebuild


class _Failure(Struct, frozen=True):
    """Why a ship cannot go on: what a release did (404, on `site` when one is known), or the gate's own trouble."""

    why: str
    site: str | None = None
    code: str = "GATE-404"
    abort: str | None = None
    """The key of the decision that stopped it."""

    @property
    def ours(self) -> bool:
        """True when no request is to blame."""
        return self.code != "GATE-404"


def ship(gate: Gate, cargo: Cargo) -> Outcome:  # noqa: PLR0911 - one line an outcome
    """Carry out one ship from its write-ahead to its publication, or back.

    A way back goes on without a host that is lost; whatever else ships waits for all of them.

    Raises GateError, before any site is touched, when disk, pm2 or the sites' ports are not as they must be.
    """
    if cargo.plan.cause is Cause.ROLLBACK:
        gate, cargo = _within_reach(gate, cargo)
    _preflight(gate, cargo)
    begun = _begin(gate, cargo)
    try:
        runs.save(gate.home.next_plan, cargo.live)
        hindered = _stage(gate, cargo) or migrate(gate, cargo.plan, cargo.live) or _aborted(gate, cargo)
    except (OSError, GateError) as problem:
        return _unstaged(gate, cargo, begun, _trouble(gate, problem))
    match hindered:
        case Changed(key):
            _discard(gate)
            _end(gate, begun, "ship_put_off", f"{cargo.plan.version}: a build's output had changed", build=key)
            return Rebuild(key)
        case Unmigrated(site, why):
            return _unstaged(gate, cargo, begun, _Failure(why, site))
        case _Failure() as aborted:
            return _unstaged(gate, cargo, begun, aborted)
    try:
        seen = _bring_live(gate, cargo)
        failure = _sick(gate, cargo.live, seen) or _aborted(gate, cargo)
    except (OSError, GateError) as problem:
        stopped = isinstance(problem, GateError) and problem.code == "GATE-408"
        failure = (_aborted(gate, cargo) if stopped else None) or _trouble(gate, problem)
    if failure is not None:
        return _go_back(gate, cargo, begun, failure)
    try:
        _note_shipped(gate, cargo, seen)
        point = commit_point(gate, begun, cargo.plan, cargo.intents, cargo.final)
    except (OSError, GateError) as problem:
        if gate.git.resolve(SHIPPING) != begun:  # the ref moved, whatever was said of it: from here on only forward
            raise
        return _go_back(gate, cargo, begun, _trouble(gate, problem))
    progress.at(f"shipping {cargo.plan.version}: publishing it")
    publish(gate, point)
    return Shipped(cargo.plan, seen)


def recover(gate: Gate) -> str:
    """Finish or undo the ship that refs/gate/shipping tells of; return a sentence that says which.

    Raises GateError when the sites can be brought neither forward nor back.
    """
    oid = gate.git.resolve(SHIPPING)
    if oid is None:
        return "no ship was under way"
    plan = plans.read(gate.git, oid)
    if plan.phase is Phase.PUBLISH:
        coming = runs.load(gate.home.next_plan)
        if coming is not None and coming.stamp.commit == plan.candidate:
            follow.converge(gate, coming, file=gate.home.next_plan)
        publish(gate, oid)
        return f"{plan.version} was past its commit point: it is published"
    live = runs.load(gate.home.live_plan)
    said = _return_to(gate, live)
    if said is not None:
        raise GateError(f"The ship of {plan.version} was interrupted, and {said}", code="GATE-404")
    _discard(gate)
    before = live.stamp.version if live else "no version"
    ids = [landing.id for landing in plan.landings]
    if plan.cause is Cause.TRAIN and _interrupted_before(gate, plan):
        _remember(gate, INTERRUPTED, plan)
    _end(gate, oid, "interrupted", f"{plan.version}: back on {before}", tree=plan.tree, ids=ids)
    lost = "".join(f"; host {name} cannot be reached, and is brought there when it is" for name in gate.target.lost())
    return f"{plan.version} was interrupted before its commit point: all sites are on {before}{lost}"


def _within_reach(gate: Gate, cargo: Cargo) -> tuple[Gate, Cargo]:
    """Leave out the hosts that are lost; each is brought along, as after a commit point, when it is reached."""
    target = gate.target.reachable(cargo.live.runs)
    lost = sorted(gate.target.lost())
    return replace(gate, target=target), replace(cargo, told={**cargo.told, **({"lost": lost} if lost else {})})


def _preflight(gate: Gate, cargo: Cargo) -> None:
    refuse_not_yet(gate.config, gate.home.sites_toml)
    gate.target.preflight(cargo.live, free=gate.config.limits.free_disk)


def _begin(gate: Gate, cargo: Cargo) -> Oid:
    plan = cargo.plan
    oid = plans.write(gate.signer, plan, at=gate.clock())
    ids = [landing.id for landing in plan.landings]
    gate.ledger.record(
        "shipping",
        f"{plan.version} ({plan.cause})",
        version=plan.version,
        commit=plan.candidate,
        tree=plan.tree,
        ids=ids,
    )
    for result in cargo.results:
        gate.ledger.result(replace(result, state=State.SHIPPING, reason=None, rests_on={}))
    gate.ledger.move(plans.begin(oid))
    if not gate.ledger.commit(f"shipping {plan.version}"):
        raise GateError("refs/gate/shipping is there already.", code="GATE-502")
    return oid


def _stage(gate: Gate, cargo: Cargo) -> Changed | None:
    progress.at(f"shipping {cargo.plan.version}: staging it")
    return gate.target.stage(gate.git, cargo.load, cargo.live)


def _bring_live(gate: Gate, cargo: Cargo) -> Mapping[SiteName, SiteHealth]:
    live = cargo.live
    progress.at(f"shipping {cargo.plan.version}: switching {len(live.runs)} sites, until all are healthy")
    gate.target.switch(live)
    return follow.reload(gate, live)


def _note_shipped(gate: Gate, cargo: Cargo, seen: Mapping[SiteName, SiteHealth]) -> None:
    plan = cargo.plan
    gate.ledger.record(
        "reconfigured" if plan.cause is Cause.RECONFIGURE else "shipped",
        f"{plan.version}: {'; '.join(cargo.intents)}",
        version=plan.version,
        commit=plan.candidate,
        tree=plan.tree,
        cause=plan.cause,
        requests=[{"id": landing.id, "tip": landing.tip} for landing in plan.landings],
        before=gate.git.resolve(RELEASE),
        sites={name: {"pid": site.pid, "version": site.version} for name, site in seen.items()},
        red=list(cargo.red),
        **cargo.told,
    )


def _sick(gate: Gate, live: LivePlan, seen: Mapping[SiteName, SiteHealth]) -> _Failure | None:
    """Name the first site that is not healthy; none is to blame for a lost host or a shared pm2 that is gone."""
    lost = next((site.reason for site in seen.values() if site.away), None)
    if lost is not None:
        return _Failure(_masked(gate, lost), code="GATE-504")
    sick = next((name for name, site in seen.items() if not site.healthy), None)
    if sick is None:
        return None
    if any(run.name == sick and gate.target.shares_dead_daemon(run) for run in live.runs):
        text = messages.reason("GATE-504", what="pm2's daemon", problem="it ended while the sites were reloaded")
        return _Failure(text, code="GATE-504")
    why = _masked(gate, seen[sick].reason)
    if all(run.name != sick for run in live.runs):  # an engine elsewhere does not say which of its sites it is
        return _Failure(f"{sick}: {why}")
    return _Failure(why, sick)


def _aborted(gate: Gate, cargo: Cargo) -> _Failure | None:
    """Stop for an `abort` that an operator has written down; past the commit point nobody looks for one."""
    wish = spool.wish_to_abort(gate.home.spool)
    if wish is None:
        return None
    text = messages.reason("GATE-408", stopped=wish.actor.name, version=cargo.plan.version, frozen=None, opens=None)
    return _Failure(text, code="GATE-408", abort=wish.file)


def _trouble(gate: Gate, problem: OSError | GateError) -> _Failure:
    if isinstance(problem, GateError):
        return _Failure(_masked(gate, problem.text), code=problem.code or "GATE-503")
    return _Failure(messages.reason("GATE-503", problem=str(problem)), code="GATE-503")


def _unstaged(gate: Gate, cargo: Cargo, begun: Oid, failure: _Failure) -> Undone:
    """Leave no half of a release behind: no site has been touched."""
    _discard(gate)
    migration = failure.site is not None
    return _undone(gate, cargo, begun, failure, _reason(cargo, failure, migration=True) if migration else None)


def _discard(gate: Gate) -> None:
    """Take away what a ship staged that did not go live; the plan that names it last, so that a kill is made good."""
    coming, live = runs.load(gate.home.next_plan), runs.load(gate.home.live_plan)
    if coming is not None:
        gate.target.discard(coming.folder, live=live.folder if live else None)
    gate.home.next_plan.unlink(missing_ok=True)


def _interrupted_before(gate: Gate, plan: Plan) -> bool:
    """A tree that kills the Librarian, whatever the way, is not shipped for ever; one that was live since is not it."""
    ids = {landing.id for landing in plan.landings}
    for written in records.walk(gate.git, limit=_LOOK_BACK):
        one = written.record
        same = one.data.get("tree") == plan.tree
        if (one.event == "shipped" and same) or (one.event == "retried" and one.data.get("id") in ids):
            return False
        if one.event == "interrupted" and same:
            return True
    return False


def _remember(gate: Gate, prefix: str, plan: Plan) -> None:
    ref = Ref(prefix + plan.tree)
    gate.ledger.move(Change(ref, gate.git.resolve(ref) or NO_OID, plan.candidate))


def _go_back(gate: Gate, cargo: Cargo, begun: Oid, failure: _Failure) -> Undone | Stranded:
    """Switch `current` back first: pm2's own restarts then boot the good tree while the rest is reloaded."""
    live = runs.load(gate.home.live_plan)
    progress.at(f"going back to {live.stamp.version}" if live else "stopping the sites")
    said = _return_to(gate, live)
    if said is not None:
        reason = _reason(cargo, failure, stranded=said)
        gate.ledger.record("stranded", reason.text, code=reason.code, site=failure.site, why=failure.why)
        gate.ledger.commit(f"stranded at {cargo.plan.version}")
        return Stranded(reason)
    _discard(gate)
    return _undone(gate, cargo, begun, failure, _reason(cargo, failure, back=live.stamp.version if live else None))


def _reason(cargo: Cargo, failure: _Failure, **values: object) -> Reason:
    told = {"site": failure.site, "version": cargo.plan.version, "problem": failure.why.rstrip("."), **values}
    return Reason("GATE-404", messages.reason("GATE-404", **told))


def _undone(gate: Gate, cargo: Cargo, begun: Oid, failure: _Failure, blame: Reason | None) -> Undone:
    """End the ship: what failed when live is remembered as bad, trouble of the gate's own blames nobody."""
    plan = cargo.plan
    reason = Reason(failure.code, failure.why) if failure.ours or blame is None else blame
    _requeue(gate, cargo, reason, failure)
    if not failure.ours and plan.cause is not Cause.RECONFIGURE:
        _remember(gate, BAD, plan)
    told: dict[str, Any] = {"code": reason.code, "site": failure.site, "tree": plan.tree, "why": failure.why}
    if lost := gate.target.lost():
        told["lost"] = sorted(lost)
    if failure.abort is not None:
        _end(gate, begun, "ship_aborted", reason.text, version=plan.version, abort=failure.abort, **told)
    else:
        _end(gate, begun, "ship_failed", f"{plan.version}: {reason.text}", **told)
    return Undone(failure.site, reason)


def _requeue(gate: Gate, cargo: Cargo, reason: Reason, failure: _Failure) -> None:
    """Block the requests that touch the failed site, all of them when none does; the others go again together."""
    touching = {id_ for id_, sites in cargo.touches.items() if failure.site in sites}
    guilty = set() if failure.ours else touching or {result.id for result in cargo.results}
    for result in cargo.results:
        if result.id in guilty:
            told, rests_on = replace(reason, next=(push_again(result.id),)), {"bad": str(cargo.plan.tree)}
            gate.ledger.result(replace(result, state=State.BLOCKED, reason=told, rests_on=rests_on))
        else:
            waits = reason if failure.ours else None
            gate.ledger.result(replace(result, state=State.QUEUED, reason=waits, rests_on={}))


def _return_to(gate: Gate, live: LivePlan | None) -> str | None:
    """Bring all sites to the version before, those of a lost host later; a sentence when that failed."""
    if live is None:
        gate.target.stop_all()
        return None
    try:
        seen = follow.converge(gate, live, file=gate.home.live_plan)
    except (OSError, GateError) as problem:
        return _masked(gate, f"going back to {live.stamp.version} failed: {problem}")
    sick = {name: site.reason for name, site in seen.items() if not site.healthy and not site.away}
    if not sick:
        return None
    told = "; ".join(f"{name}: {reason}" for name, reason in sick.items())
    return _masked(gate, f"going back to {live.stamp.version} failed too ({told}).")


def _masked(gate: Gate, text: str) -> str:
    """What a site or pm2 says may hold what only they should know."""
    return secrecy.known(gate.home, gate.config)(text)


def _end(gate: Gate, begun: Oid, event: str, subject: str, **data: Any) -> None:
    gate.ledger.record(event, subject, **data)
    gate.ledger.move(plans.finish(begun))
    if not gate.ledger.commit(event):
        raise GateError("refs/gate/shipping moved under the Librarian.", code="GATE-502")
