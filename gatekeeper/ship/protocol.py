"""Brings one release to all sites in lockstep, or all of them back to the one before.

Each line of `ship` leaves something durable before the next begins (DESIGN 5). Before the commit point a failure,
or a start that finds this ship unfinished, goes back; after it, always forward.
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gatekeeper import fault
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.model import BAD, NO_OID, SHIPPING, Oid, Reason, Ref, RequestId, Result, SiteName, State
from gatekeeper.repo.export import OnDisk, sync_folder
from gatekeeper.repo.git import Change
from gatekeeper.ship import plan as plans
from gatekeeper.ship import runs
from gatekeeper.ship.plan import Cause, Phase, Plan
from gatekeeper.ship.publish import commit_point, publish
from gatekeeper.ship.runs import LivePlan
from gatekeeper.ship.stage import Changed, Load, remove, stage
from gatekeeper.sites.watch import SiteHealth


@dataclass(frozen=True, slots=True)
class Cargo:
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


@dataclass(frozen=True, slots=True)
class Shipped:
    """Every site is healthy on it, and it is published."""

    plan: Plan
    sites: Mapping[SiteName, SiteHealth]


@dataclass(frozen=True, slots=True)
class Undone:
    """It did not go live, and the sites are on the version before; `site` is None when none of them was to blame."""

    site: str | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class Stranded:
    """It did not go live and going back failed too: a person must look, nothing more is tried."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A build's output is no longer what was verified; nothing was touched, and it must be built again."""

    key: str


Outcome = Shipped | Undone | Stranded | Rebuild


def ship(gate: Gate, cargo: Cargo) -> Outcome:
    """Carry out one ship from its write-ahead to its publication, or back.

    Raises GateError, before any site is touched, when pm2 or the sites' ports are not as they must be.
    """
    gate.target.preflight(cargo.live.runs)
    begun = _begin(gate, cargo)
    try:
        staged = _stage(gate, cargo)
    except (OSError, GateError) as problem:
        return _unstaged(gate, cargo, begun, problem)
    if staged is not None:
        _end(gate, begun, "ship_put_off", f"{cargo.plan.version}: a build's output had changed", build=staged.key)
        return Rebuild(staged.key)
    try:
        seen = _bring_live(gate, cargo)
    except (OSError, GateError) as problem:
        return _go_back(gate, cargo, begun, None, str(problem))
    sick = next((name for name, site in seen.items() if not site.healthy), None)
    if sick is not None:
        return _go_back(gate, cargo, begun, sick, seen[sick].reason)
    try:
        _note_shipped(gate, cargo, seen)
        point = commit_point(gate, begun, cargo.plan, cargo.intents, cargo.final)
    except (OSError, GateError) as problem:
        return _go_back(gate, cargo, begun, None, str(problem))
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
        if coming is not None:
            _converge(gate, coming)
        publish(gate, oid)
        return f"{plan.version} was past its commit point: it is published"
    live = runs.load(gate.home.live_plan)
    said = _return_to(gate, live)
    if said is not None:
        raise GateError(f"The ship of {plan.version} was interrupted, and {said}", code="GATE-404")
    gate.home.next_plan.unlink(missing_ok=True)
    before = live.stamp.version if live else "no version"
    ids = [landing.id for landing in plan.landings]
    _end(gate, oid, "interrupted", f"{plan.version}: back on {before}", tree=plan.tree, ids=ids)
    return f"{plan.version} was interrupted before its commit point: all sites are on {before}"


def switch(home_current: Path, folder: str) -> None:
    """Point `current` at another release: one rename, durable when this returns."""
    draft = home_current.with_name(".current.new")
    draft.unlink(missing_ok=True)
    draft.symlink_to(Path("releases") / folder)
    with fault.step("switch"):
        draft.replace(home_current)
        sync_folder(home_current.parent)


def present_release(gate: Gate) -> OnDisk | None:
    """Return the release that `current` points at, as something to link unchanged files from."""
    live = runs.load(gate.home.live_plan)
    folder = gate.home.releases / live.folder if live else None
    if live is None or folder is None or not folder.is_dir():
        return None
    return OnDisk(folder, gate.git.tree_of(live.stamp.commit))


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
    home = gate.home
    folder = home.releases / cargo.live.folder
    return stage(gate.git, cargo.load, folder, builds=home.builds, data=home.data, like=present_release(gate))


def _bring_live(gate: Gate, cargo: Cargo) -> Mapping[SiteName, SiteHealth]:
    live = cargo.live
    runs.save(gate.home.next_plan, live)
    switch(gate.home.current, live.folder)
    gate.target.reload(live.runs, live.stamp)
    return gate.target.health(live.runs, live.stamp, gate.home.releases / live.folder)


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
        sites={name: {"pid": site.pid} for name, site in seen.items()},
        red=list(cargo.red),
        **cargo.told,
    )


def _unstaged(gate: Gate, cargo: Cargo, begun: Oid, problem: OSError | GateError) -> Undone:
    """Leave no half of a release behind: no site has been touched."""
    remove(gate.home.releases / f".new-{cargo.live.folder}")
    full = isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT)
    code = "GATE-503" if full else (problem.code if isinstance(problem, GateError) else None) or "GATE-503"
    reason = Reason(code, f"{cargo.plan.version} could not be written to disk: {problem}")
    _requeue(gate, cargo, reason=None)
    _end(gate, begun, "ship_failed", f"{cargo.plan.version}: {reason.text}", code=code)
    return Undone(None, reason)


def _go_back(gate: Gate, cargo: Cargo, begun: Oid, site: str | None, why: str) -> Undone | Stranded:
    """Switch `current` back first: pm2's own restarts then boot the good tree while the rest is reloaded."""
    plan = cargo.plan
    said = _return_to(gate, runs.load(gate.home.live_plan))
    if said is not None:
        reason = Reason(
            "GATE-404", f"{plan.version} failed ({why}), and {said} The gate stops until a person has looked."
        )
        gate.ledger.record("stranded", f"{plan.version}: {said}", code="GATE-404", site=site, why=why)
        gate.ledger.commit(f"stranded at {plan.version}")
        return Stranded(reason)
    gate.home.next_plan.unlink(missing_ok=True)
    where = f"on site {site}" if site else "while it went live"
    text = f"{plan.version} failed {where}: {why.rstrip('.')}. All sites are back on the version before; `release` is untouched."
    reason = Reason("GATE-404", text)
    _requeue(gate, cargo, reason=reason, site=site)
    if plan.cause is not Cause.RECONFIGURE:
        bad = Ref(BAD + plan.tree)
        gate.ledger.move(Change(bad, gate.git.resolve(bad) or NO_OID, plan.candidate))
    told = {"site": site, "tree": plan.tree, "why": why, "ids": [landing.id for landing in plan.landings]}
    _end(gate, begun, "ship_failed", text, code="GATE-404", **told)
    remove(gate.home.releases / cargo.live.folder)
    return Undone(site, reason)


def _requeue(gate: Gate, cargo: Cargo, *, reason: Reason | None, site: str | None = None) -> None:
    """Block the requests that touch the failed site; the others go again together."""
    for result in cargo.results:
        guilty = reason is not None and (site is None or site in cargo.touches.get(result.id, frozenset()))
        state = State.BLOCKED if guilty else State.QUEUED
        text = replace(reason, next=_after_failure(result.id)) if reason and guilty else None
        rests_on: dict[str, str] = {"bad": cargo.plan.tree} if guilty else {}
        gate.ledger.result(replace(result, state=state, reason=text, rests_on=rests_on))


def _after_failure(request: RequestId) -> tuple[tuple[str, ...], ...]:
    return (("git", "push", "--force", "origin", f"HEAD:request/{request}"),)


def _return_to(gate: Gate, live: LivePlan | None) -> str | None:
    """Bring all sites to the version before; a sentence when that failed."""
    if live is None:
        gate.target.stop_all()
        gate.home.current.unlink(missing_ok=True)
        return None
    try:
        seen = _converge(gate, live)
    except (OSError, GateError) as problem:
        return f"going back to {live.stamp.version} failed: {problem}"
    sick = {name: site.reason for name, site in seen.items() if not site.healthy}
    if not sick:
        return None
    told = "; ".join(f"{name}: {reason}" for name, reason in sick.items())
    return f"going back to {live.stamp.version} failed too ({told})."


def _converge(gate: Gate, live: LivePlan) -> Mapping[SiteName, SiteHealth]:
    switch(gate.home.current, live.folder)
    return gate.target.converge(live.runs, live.stamp, gate.home.releases / live.folder)


def _end(gate: Gate, begun: Oid, event: str, subject: str, **data: Any) -> None:
    gate.ledger.record(event, subject, **data)
    gate.ledger.move(plans.finish(begun))
    if not gate.ledger.commit(event):
        raise GateError("refs/gate/shipping moved under the Librarian.", code="GATE-502")
