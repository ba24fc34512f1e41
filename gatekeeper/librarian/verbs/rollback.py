"""`rollback`: ships the content of an older version as a new one."""

from msgspec.structs import replace

from gatekeeper.errors import Exit, GateError
from gatekeeper.gate import Gate
from gatekeeper.librarian import cargo, doors
from gatekeeper.librarian.building import make_ready
from gatekeeper.librarian.lived import target
from gatekeeper.librarian.verbs.hearing import Hearing
from gatekeeper.model import SHIPPING, Oid, Reason, RequestId, Result, State
from gatekeeper.repo import results
from gatekeeper.ship import protocol
from gatekeeper.ship.protocol import Cargo, Rebuild, Shipped, Stranded, Undone


def rollback(hearing: Hearing) -> Reason | None:
    """Go back to a version that was live; checks are asked again only when its builds are gone."""
    gate, seen, hands = hearing.gate, hearing.seen, hearing.hands
    aim = target(gate, seen.release, hearing.decision.args.get("version", ""))
    if isinstance(aim, str):
        hearing.decline(aim, Exit.NOT_FOUND)
        return None
    to, commit = aim
    tree = gate.git.tree_of(commit)
    blocker = _migrations(hearing, tree) or make_ready(gate, tree, hands.mind, hands.cancel, hands.tell)
    if blocker is not None:
        hearing.decline(blocker, Exit.FAILED)
        return None
    taken_out = _taken_out(gate, commit, seen.release.commit)
    freight = cargo.of_rollback(gate, seen.release, to, tree, taken_out, hearing.decision, hands.mind)
    names = ", ".join(result.id for result in taken_out) or "no request"
    hands.tell(f"rolling back to {to} as {freight.plan.version}; it takes out {names}")
    return _ship(hearing, freight)


def _ship(hearing: Hearing, freight: Cargo) -> Reason | None:
    """The record of the ship is the one that ends the decision; what went wrong before that declines it."""
    gate, decision = hearing.gate, hearing.decision
    by = {"decision": decision.key, "by": decision.actor.name, "assurance": decision.actor.assurance, "exit": 0}
    try:
        ended = protocol.ship(gate, replace(freight, told={**freight.told, **by}))
    except GateError as problem:
        if gate.git.resolve(SHIPPING) is not None:  # it has begun: the next start ends it, forward or back
            raise
        hearing.decline(problem.text, problem.exit)
        return Reason(problem.code or "GATE-501", problem.text)
    return _ended(hearing, freight, ended)


def _ended(hearing: Hearing, freight: Cargo, ended: protocol.Outcome) -> Reason | None:
    match ended:
        case Shipped():
            doors.tell(hearing.gate)
            hearing.hands.tell(f"shipped {freight.plan.version}: {freight.intents[0]}")
            return None
        case Undone(_, reason) | Stranded(reason):
            hearing.decline(reason.text, Exit.FAILED)
            return reason
        case Rebuild():
            text = "A build's output had changed on disk; it was thrown away. Ask again."
            hearing.decline(text, Exit.FAILED)
            return None


def _migrations(hearing: Hearing, tree: Oid) -> str | None:
    if hearing.decision.args.get("past_migrations"):
        return None
    changed = hearing.gate.git.changed_paths(tree, hearing.seen.release.tree)
    crossed = sorted(
        name
        for name, site in hearing.gate.config.sites.items()
        if any(path == m or path.startswith(f"{m}/") for path in changed for m in site.migrate_paths)
    )
    if not crossed:
        return None
    names = ", ".join(crossed)
    return f"It would cross a migration of {names}, and data is never undone. Add --past-migrations to insist."


def _taken_out(gate: Gate, to: Oid, release: Oid) -> tuple[Result, ...]:
    """Return the results of the requests that landed after `to`, newest first, as far as they are still kept."""
    form = "--format=%(trailers:key=Request,valueonly,separator=)"
    ids = gate.git.text("log", "--first-parent", form, f"{to}..{release}").splitlines()
    found = (results.find(gate.git, RequestId(name)) for name in dict.fromkeys(ids) if name)
    return tuple(result for result in found if result is not None and result.state is State.SHIPPED)
