"""Makes a step's ship concrete: version, candidate, what is staged, what each request becomes. Writes objects only."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from msgspec.structs import replace

from gatekeeper import __version__
from gatekeeper.config.digest import digest
from gatekeeper.gate import Gate
from gatekeeper.librarian.observe import desired_runs
from gatekeeper.librarian.recollection import Recollection, ground
from gatekeeper.model import TAGS, Decision, Oid, Release, RequestId, Result, Stage, State, Version
from gatekeeper.policy import versions
from gatekeeper.policy.step import Ship
from gatekeeper.repo import records, verdicts
from gatekeeper.ship import publish, runs
from gatekeeper.ship.plan import Cause, Landing, Phase, Plan
from gatekeeper.ship.protocol import Cargo
from gatekeeper.ship.runs import LivePlan
from gatekeeper.ship.stage import Load, Output
from gatekeeper.sites.run import SiteRun, Stamp
from gatekeeper.verify import jobs

_LOOK_BACK = 5000


def of_train(gate: Gate, step: Ship, results: Sequence[Result], mind: Recollection) -> Cargo:
    """Return the cargo of a train; without requests it is the first start of the imported `release`."""
    base, last = step.train[0], step.train[-1]
    version = next_version(gate, (result.ask.bump for result in results))
    verified = f"{last.tree} ({len(step.verdicts)} checks passed)"
    candidate = publish.merge_commits(gate, step.train, version, verified, _approved(gate, results))
    plan = Plan(
        phase=Phase.CANDIDATE,
        cause=Cause.TRAIN if results else Cause.START,
        version=version,
        candidate=candidate,
        tree=last.tree,
        landings=tuple(Landing(result.id, result.tip) for result in results),
    )
    made = load(gate, last.tree, mind)
    return Cargo(
        plan=plan,
        load=made,
        live=live_plan(gate, plan, made),
        intents=tuple(result.ask.intent for result in results) or (_imported(gate, base.commit),),
        results=tuple(results),
        final=tuple(_landed(result, version) for result in results),
        touches=_touches(gate, step.train, mind),
        red=tuple(verdict.job for verdict in step.red),
        told={
            "verified": [{"job": v.job, "key": v.key, "outcome": v.outcome} for v in step.verdicts],
            **_rules(gate),
        },
    )


def of_present(gate: Gate, release: Release, mind: Recollection) -> Cargo:
    """Return the cargo that ships the present tree again, because sites.toml changed how sites run."""
    version = release.version
    assert version is not None  # noqa: S101 - only a live release is reconfigured
    plan = Plan(Phase.CANDIDATE, Cause.RECONFIGURE, version, release.commit, release.tree, ())
    made = load(gate, release.tree, mind)
    live = live_plan(gate, plan, made)
    count = len(list(gate.home.releases.glob(f"{live.folder}*")))
    fresh = replace(live, folder=f"{live.folder}.{count}" if count else live.folder)
    return Cargo(plan, made, fresh, ("sites.toml changed how the sites run",))


def of_rollback(
    gate: Gate,
    release: Release,
    to: Version,
    tree: Oid,
    taken_out: Sequence[Result],
    wish: Decision,
    mind: Recollection,
) -> Cargo:
    """Return the cargo of a rollback: a new version on top of `release` with the tree of an old one."""
    version = next_version(gate, ())
    subject = f"Roll back to {to}: {wish.message}"
    trailers = [("Rollback-To", to), ("Version", version), *(("Takes-Out", result.id) for result in taken_out)]
    trailers += [("Decided-By", f"{wish.actor.name} ({wish.actor.assurance})")]
    candidate = publish.single_commit(gate, tree=tree, parent=release.commit, subject=subject, trailers=trailers)
    plan = Plan(Phase.CANDIDATE, Cause.ROLLBACK, version, candidate, tree, ())
    made = load(gate, tree, mind)
    return Cargo(
        plan=plan,
        load=made,
        live=live_plan(gate, plan, made),
        intents=(subject,),
        final=tuple(replace(result, state=State.ROLLED_BACK, version=version) for result in taken_out),
        told={"rollback_to": to, "takes_out": [result.id for result in taken_out], **_rules(gate)},
    )


def _approved(gate: Gate, results: Sequence[Result]) -> dict[RequestId, str]:
    """Return who approved which of these requests, as far back as is looked."""
    tips = {result.id: result.tip for result in results if result.approval}
    if not tips:
        return {}
    known = (w.record for w in records.walk(gate.git, limit=_LOOK_BACK) if w.record.event == "approved")
    told = ((one.data.get("id"), one.data.get("tip"), one.actor.name) for one in known)
    return {id_: name for id_, tip, name in told if id_ in tips and tips[id_] == tip}


def _rules(gate: Gate) -> dict[str, str]:
    """Return by what it was decided: the digest that the record `configured` has too, and which gatekeeper."""
    text = gate.home.applied_toml.read_text("utf-8") if gate.home.applied_toml.exists() else ""
    return {"policy": digest(text), "gatekeeper": __version__}


def next_version(gate: Gate, bumps: Iterable[str]) -> Version:
    """Return the version after every version tag there is, whoever made it."""
    names = (ref.removeprefix(TAGS) for ref in gate.git.refs(TAGS))
    return versions.following(names, bumps)


def load(gate: Gate, tree: Oid, mind: Recollection) -> Load:
    """Return what the folder of a tree is made of: its builds must have passed."""
    place = ground(gate, tree, mind)
    made = jobs.builds(gate.config, place)
    known = verdicts.lookup(gate.git, (work.job.key for work in made))
    outputs = tuple(
        Output(output, work.job.key, known[work.job.key].output)
        for work in made
        if work.job.key in known and known[work.job.key].output
        for output in work.outputs
    )
    sites = {name: s for name, s in jobs.present(gate.config, place).items() if name not in gate.target.elsewhere}
    return Load(tree, outputs, sites)


def live_plan(gate: Gate, plan: Plan, made: Load) -> LivePlan:
    """Return how the sites run when the plan is live; with `reload = "changed"` some keep their process."""
    folder = gate.home.release(plan.version, plan.candidate).name
    wanted = desired_runs(gate, plan.tree)
    inputs = _inputs(gate, made, wanted)
    live = LivePlan(Stamp(plan.version, plan.candidate), folder, wanted, inputs, tree=plan.tree)
    return live.keeping(runs.load(gate.home.live_plan)) if gate.config.gate.reload == "changed" else live


def _inputs(gate: Gate, made: Load, wanted: Sequence[SiteRun]) -> dict[str, str]:
    """Return for each site a digest of all that it is made of."""
    places = {str(run.name): (made.sites[run.name].path, *made.sites[run.name].uses) for run in wanted}
    listed = gate.git.entries(made.tree, *sorted({path for paths in places.values() for path in paths}))

    def of(run: SiteRun) -> str:
        paths = places[str(run.name)]
        content = [[entry.path, entry.mode, entry.oid] for entry in listed if entry.path in paths]
        built = [[o.path, o.digest] for o in made.outputs if any(jobs.within(o.path, path) for path in paths)]
        return digest([content, built, repr(run)])

    return {str(run.name): of(run) for run in wanted}


def _touches(gate: Gate, train: Sequence[Stage], mind: Recollection) -> dict[RequestId, frozenset[str]]:
    """Return the sites whose inputs each request of the train changed."""
    grounds = [ground(gate, stage.tree, mind) for stage in train]
    touched = {}
    for (before, after), stage in zip(pairwise(grounds), train[1:], strict=True):
        assert stage.request is not None  # noqa: S101 - only the first stage is `release` itself
        touched[stage.request.id] = frozenset(
            name
            for name, site in gate.config.sites.items()
            if any(before.oids.get(path) != after.oids.get(path) for path in (site.path, *site.uses))
        )
    return touched


def _landed(result: Result, version: Version) -> Result:
    return replace(result, state=State.SHIPPED, reason=None, rests_on={}, version=version, not_before=None, ahead=None)


def _imported(gate: Gate, commit: Oid) -> str:
    return gate.git.text("show", "-s", "--no-show-signature", "--format=%s", commit)[:200] or "Start"
