"""Carries out what a person decided. Each decision ends in exactly one record that names it, then leaves the spool."""

from collections.abc import Callable
from dataclasses import replace

from gatekeeper import messages
from gatekeeper.errors import Exit, GateError
from gatekeeper.gate import Gate
from gatekeeper.librarian import cargo, doors, fresh
from gatekeeper.librarian.building import make_ready
from gatekeeper.librarian.lived import target
from gatekeeper.librarian.recollection import Recollection
from gatekeeper.librarian.refiling import refile
from gatekeeper.librarian.repairing import repair
from gatekeeper.model import (
    BAD,
    FROZEN,
    KEEP,
    NO_OID,
    REQUESTS,
    RESULTS,
    SHIPPING,
    Decision,
    Oid,
    Reason,
    Ref,
    RequestId,
    Result,
    State,
)
from gatekeeper.policy.step import Snapshot
from gatekeeper.process import Cancel
from gatekeeper.repo import records, results, spool, verdicts
from gatekeeper.repo.git import Change
from gatekeeper.repo.ledger import EMPTY_TREE
from gatekeeper.ship import protocol
from gatekeeper.ship.protocol import Cargo, Rebuild, Shipped, Stranded, Undone

Tell = Callable[[str], None]

_LOOK_BACK = 200
_RULES = ("GATE-2", "GATE-3")


def carry_out(
    gate: Gate, seen: Snapshot, decision: Decision, mind: Recollection, cancel: Cancel, tell: Tell
) -> Reason | None:
    """Do it, unless a start before this one did it already; return what a person must be told."""
    alarm = None
    if not _done(gate, decision):
        alarm = _do(gate, seen, decision, mind, cancel, tell)
    spool.drop(gate.home.spool, (decision.key,))
    return alarm


def outcome(written: records.Written) -> tuple[Exit, str]:
    """Return what the record that ended a decision says: the command's exit status, and its sentence."""
    return Exit(written.record.data.get("exit", 0)), written.record.subject


def _done(gate: Gate, decision: Decision) -> bool:
    recent = records.walk(gate.git, limit=_LOOK_BACK)
    return any(written.record.data.get("decision") == decision.key for written in recent)


def _do(
    gate: Gate, seen: Snapshot, decision: Decision, mind: Recollection, cancel: Cancel, tell: Tell
) -> Reason | None:
    if decision.actor.role != "operator":
        _decline(gate, decision, f"{decision.actor.name} is not an operator.", Exit.REFUSED)
        return None
    match decision.verb:
        case "rollback":
            return _rollback(gate, seen, decision, mind, cancel, tell)
        case "freeze":
            _freeze(gate, decision)
        case "thaw":
            _thaw(gate, decision)
        case "repair":
            _repair(gate, decision)
        case "retry" | "approve" | "reject":
            _on_request(gate, seen, decision)
        case _:
            _decline(gate, decision, f"This gatekeeper knows no decision `{decision.verb}`.", Exit.USAGE)
    tell(f"{decision.verb} by {decision.actor.name}: {decision.message or decision.id or ''}")
    return None


def _decline(gate: Gate, decision: Decision, text: str, status: Exit) -> None:
    _record(gate, decision, "declined", text, exit=int(status))
    gate.ledger.commit(f"declined {decision.verb}")


def _record(gate: Gate, decision: Decision, event: str, text: str, **data: object) -> None:
    told = {"decision": decision.key, "verb": decision.verb, "message": decision.message, **data}
    gate.ledger.record(event, text, actor=decision.actor, **told)


def _freeze(gate: Gate, decision: Decision) -> None:
    until = decision.args.get("until", "")
    words = f"{decision.message} ({decision.actor.name}{f', until {until}' if until else ''})"
    commit = gate.signer.commit(
        tree=EMPTY_TREE, parents=(), message=f"frozen\n\n{words}\n", at=gate.clock(), signed=False
    )
    gate.ledger.move(Change(FROZEN, gate.git.resolve(FROZEN) or NO_OID, commit))
    _record(gate, decision, "frozen", f"Nothing ships until it is thawed: {words}", until=until)
    gate.ledger.commit("frozen")


def _repair(gate: Gate, decision: Decision) -> None:
    before, after = repair(gate)
    if after:
        _decline(gate, decision, f"What is left needs the backup: {' '.join(after)}", Exit.TAMPERED)
        return
    what = " ".join(before) or "Nothing was out of place."
    _record(gate, decision, "repaired", f"Put back: {what}" if before else what, found=list(before))
    gate.ledger.commit("repaired")


def _thaw(gate: Gate, decision: Decision) -> None:
    frozen = gate.git.resolve(FROZEN)
    if frozen is None:
        _decline(gate, decision, "The gate is not frozen.", Exit.DONE)
        return
    gate.ledger.move(Change(FROZEN, frozen, NO_OID))
    _record(gate, decision, "thawed", "The gate ships again.")
    gate.ledger.commit("thawed")


def _on_request(gate: Gate, seen: Snapshot, decision: Decision) -> None:
    standing = next((s for s in seen.standings if s.result.id == decision.id), None)
    if standing is None:
        _on_closed(gate, decision)
        return
    result = standing.result
    if decision.args.get("tip") and not result.tip.startswith(decision.args["tip"]):
        text = f"{result.id} has moved on to {result.tip[:12]}: look at it again before you decide."
        _decline(gate, decision, text, Exit.REFUSED)
        return
    if decision.verb == "retry":
        _retry(gate, seen, decision, result)
    else:
        {"approve": _approve, "reject": _reject}[decision.verb](gate, decision, result)


def _on_closed(gate: Gate, decision: Decision) -> None:
    """Only what a rollback took out can be filed again; all else has no open request to decide on."""
    known = read_result(gate, decision.id) if decision.id else None
    if decision.verb != "retry" or known is None or known.state is not State.ROLLED_BACK:
        _decline(gate, decision, f"There is no open request {decision.id}.", Exit.NOT_FOUND)
        return
    again = refile(gate, known)
    if isinstance(again, str):
        _decline(gate, decision, again, Exit.FAILED)
        return
    result = again.result
    told = {"id": result.id, "tip": result.tip, "attempt": result.attempt}
    _record(gate, decision, "filed", f"{result.id} again, after its rollback", **told)
    gate.ledger.commit("filed again")


def _retry(gate: Gate, seen: Snapshot, decision: Decision, result: Result) -> None:
    """Put a blocked request into the queue again, without the verdict or the bad tree that its block rests on.

    With `fresh` the verdicts of all its jobs are forgotten, also of those that passed.
    """
    if result.state is not State.BLOCKED:
        _decline(gate, decision, f"{result.id} is {result.state}, not blocked: there is nothing to retry.", Exit.FAILED)
        return
    if result.reason is not None and result.reason.code.startswith(_RULES):
        text = f"{result.id} breaks a rule of the door ({result.reason.code}): only a new tip can mend that."
        _decline(gate, decision, text, Exit.FAILED)
        return
    bad = Ref(BAD + result.rests_on.get("bad", ""))
    known_bad = gate.git.resolve(bad) if "bad" in result.rests_on else None
    if known_bad is not None:
        gate.ledger.move(Change(bad, known_bad, NO_OID))
    doubtful = {result.rests_on["verdict"]} if "verdict" in result.rests_on else set[str]()
    if decision.args.get("fresh"):
        doubtful |= fresh.keys(gate, seen.release, result.tip)
    forgotten = verdicts.forget(gate.signer, sorted(doubtful), at=gate.clock()) if doubtful else None
    if forgotten is not None:
        gate.ledger.move(forgotten)
    gate.ledger.result(replace(result, state=State.QUEUED, reason=None, rests_on={}))
    _record(gate, decision, "retried", f"{result.id} is queued again.", id=result.id, tip=result.tip)
    gate.ledger.commit("retried")


def _approve(gate: Gate, decision: Decision, result: Result) -> None:
    """Lift a hold, for this tip and this held content only; nobody approves what they asked for."""
    content = result.rests_on.get("held")
    if result.state is not State.HELD or content is None:
        _decline(gate, decision, f"{result.id} is {result.state}, not held: there is nothing to approve.", Exit.FAILED)
        return
    if decision.actor.name == result.agent.name:
        _decline(gate, decision, f"{decision.actor.name} filed {result.id} and cannot approve it.", Exit.REFUSED)
        return
    gate.ledger.result(replace(result, state=State.QUEUED, reason=None, rests_on={}, approval=content))
    _record(gate, decision, "approved", f"{result.id} is approved.", id=result.id, tip=result.tip, content=content)
    gate.ledger.commit("approved")


def _reject(gate: Gate, decision: Decision, result: Result) -> None:
    text = messages.reason("GATE-405", by=decision.actor.name, message=decision.message)
    reason = Reason("GATE-405", text)
    gate.ledger.result(replace(result, state=State.REJECTED, reason=reason, rests_on={}))
    keep = Ref(f"{KEEP}{result.id}/{result.attempt}")
    gate.ledger.move(Change(keep, gate.git.resolve(keep) or NO_OID, result.tip))
    _record(gate, decision, "rejected", f"{result.id} is rejected.", id=result.id, tip=result.tip)
    gate.ledger.move(Change(Ref(REQUESTS + result.id), result.tip, NO_OID))
    gate.ledger.commit("rejected")


def _rollback(
    gate: Gate, seen: Snapshot, decision: Decision, mind: Recollection, cancel: Cancel, tell: Tell
) -> Reason | None:
    """Ship the tree of an older version as a new one; checks are asked again only when its builds are gone."""
    aim = target(gate, seen.release, decision.args.get("version", ""))
    if isinstance(aim, str):
        _decline(gate, decision, aim, Exit.NOT_FOUND)
        return None
    to, commit = aim
    tree = gate.git.tree_of(commit)
    blocker = _migrations(gate, seen, tree, decision) or make_ready(gate, tree, mind, cancel, tell)
    if blocker is not None:
        _decline(gate, decision, blocker, Exit.FAILED)
        return None
    taken_out = _taken_out(gate, commit, seen.release.commit)
    freight = cargo.of_rollback(gate, seen.release, to, tree, taken_out, decision.message, mind)
    told = {
        **freight.told,
        "decision": decision.key,
        "by": decision.actor.name,
        "assurance": decision.actor.assurance,
        "exit": 0,
    }
    names = ", ".join(result.id for result in taken_out) or "no request"
    tell(f"rolling back to {to} as {freight.plan.version}; it takes out {names}")
    try:
        ended = protocol.ship(gate, replace(freight, told=told))
    except GateError as problem:
        if gate.git.resolve(SHIPPING) is not None:  # it has begun: the next start ends it, forward or back
            raise
        _decline(gate, decision, problem.text, problem.exit)
        return Reason(problem.code or "GATE-501", problem.text)
    return _ended(gate, decision, freight, ended, tell)


def _ended(gate: Gate, decision: Decision, freight: Cargo, ended: protocol.Outcome, tell: Tell) -> Reason | None:
    match ended:
        case Shipped():
            doors.tell(gate)
            tell(f"shipped {freight.plan.version}: {freight.intents[0]}")
            return None
        case Undone(_, reason) | Stranded(reason):
            _decline(gate, decision, reason.text, Exit.FAILED)
            return reason
        case Rebuild():
            _decline(
                gate, decision, "A build's output had changed on disk; it was thrown away. Ask again.", Exit.FAILED
            )
            return None


def _migrations(gate: Gate, seen: Snapshot, tree: Oid, decision: Decision) -> str | None:
    if decision.args.get("past_migrations"):
        return None
    changed = gate.git.changed_paths(tree, seen.release.tree)
    crossed = sorted(
        name
        for name, site in gate.config.sites.items()
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
    found = (read_result(gate, RequestId(name)) for name in dict.fromkeys(ids) if name)
    return tuple(result for result in found if result is not None and result.state is State.SHIPPED)


def read_result(gate: Gate, request: RequestId) -> Result | None:
    """Return the result of a request, or None when nothing is known of it."""
    oid = gate.git.resolve(RESULTS + request)
    return None if oid is None else results.read(gate.git, oid)
