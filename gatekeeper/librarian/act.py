"""Carries one step out. The only writes; what can be expected to go wrong is a value, not an exception."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, assert_never

from msgspec.structs import replace

from gatekeeper import messages
from gatekeeper.config.schema import DAY
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.librarian import cargo, decisions, doors, filing
from gatekeeper.librarian.hands import Hands, Tell
from gatekeeper.librarian.observe import runs_digest, version_of
from gatekeeper.librarian.present import present_release
from gatekeeper.librarian.recollection import Recollection
from gatekeeper.librarian.spent import id_of, unheard
from gatekeeper.model import BAD, FROZEN, NO_OID, REQUESTS, SHIPPING, Actor, Oid, Reason, Ref, Result, State
from gatekeeper.policy import repair
from gatekeeper.policy import step as steps
from gatekeeper.policy.step import Mark, Snapshot, Step
from gatekeeper.policy.why import Why
from gatekeeper.repo import records, results, spool
from gatekeeper.repo.git import Change
from gatekeeper.repo.report import COUNTER
from gatekeeper.ship import protocol, runs
from gatekeeper.ship.plan import Cause, Landing
from gatekeeper.ship.protocol import Cargo, Rebuild, Shipped, Stranded, Undone
from gatekeeper.ship.publish import retire, retire_all

_LOOK_BACK = 200


def act(gate: Gate, seen: Snapshot, step: Step, hands: Hands) -> tuple[Reason, ...]:  # noqa: C901, PLR0912 - one line a step
    """Carry out one step; return what a person must be told of it."""
    wrong: Reason | None = None
    match step:
        case steps.Recover():
            hands.tell(f"recovered: {protocol.recover(gate)}")
        case steps.Sweep(result):
            wrong = _sweep(gate, result, hands)
        case steps.Seal(reports):
            _seal(gate, reports, hands.mind)
        case steps.Close(result, wished):
            wrong = _close(gate, result, hands, wished=wished)
        case steps.Expire(expired):
            _expire(gate, expired, hands.tell)
        case steps.File(arrivals):
            filing.file(gate, arrivals, hands)
        case steps.CarryOut(decision):
            wrong = decisions.carry_out(gate, seen, decision, hands)
        case steps.Thaw(commit):
            _thaw(gate, commit, hands.tell)
        case steps.Converge(sites):
            wrong = _converge(gate, sites, hands)
        case steps.Reconfigure(sites):
            hands.tell(f"reconfiguring {', '.join(sites)}")
            wrong = ship(gate, cargo.of_present(gate, seen.release, hands.mind), hands.tell)
        case steps.Restate(marks):
            return _restate(gate, marks, hands.tell)
        case steps.Verify():
            _verify(gate, step, hands)
        case steps.Ship():
            known = {standing.result.id: standing.result for standing in seen.standings}
            shown = [known[request.id] for request in step.requests]
            wrong = ship(gate, cargo.of_train(gate, step, shown, hands.mind), hands.tell)
        case steps.Tried(result):
            _tried(gate, result, hands.tell)
        case steps.Rest(_, alarm):
            wrong = _in_words(alarm)
        case _:
            assert_never(step)
    return (wrong,) if wrong else ()


def _verify(gate: Gate, step: steps.Verify, hands: Hands) -> None:
    """Let checks run beside what comes next; only when there is nothing else to do is their end waited for."""
    for key in step.cancel:
        hands.checks.stop(key)
    if step.start:
        names = ", ".join(result.id for result in step.line) or "release"
        hands.tell(f"verifying {names}: {', '.join(str(run.job.name) for run in step.start)}")
    for result in step.line:
        if result.state is State.QUEUED:
            gate.ledger.result(replace(result, state=State.VERIFYING, reason=None))
    gate.ledger.commit("verifying")
    for run in step.start:
        hands.checks.start(run.job)
    if not (step.cancel or step.start):
        hands.checks.wait(hands.cancel, *hands.knock)
    for knock in hands.knock:
        knock.reset()
    hands.checks.collect()


def ship(gate: Gate, freight: Cargo, tell: Tell) -> Reason | None:
    """Ship, say how it went, and return what a person must be told when it went wrong."""
    plan = freight.plan
    tell(f"shipping {plan.version} ({plan.cause}) to {len(freight.live.runs)} sites")
    outcome = _try_to_ship(gate, freight)
    match outcome:
        case Shipped(_, sites):
            tell(f"shipped {plan.version}: {len(sites)} sites healthy; {'; '.join(freight.intents)}")
            return None
        case Undone(_, reason) if reason.code == "GATE-408":  # by `abort`, which is carried out next
            tell(reason.text)
            return None
        case Undone(_, reason) if reason.code != "GATE-404":
            raise GateError(reason.text, code=reason.code, hints=("gatekeeper tick",))
        case Undone(_, reason):
            if plan.cause is Cause.RECONFIGURE:
                _remember_bad_plan(gate, freight)
            tell(f"rolled back: {reason.text}")
            return reason
        case Stranded(reason):
            tell(f"STRANDED: {reason.text}")
            return reason
        case Rebuild(key):
            tell(f"put off: the output of build {key[:12]} had changed; it is built again")
            return None
        case _:
            assert_never(outcome)


def _thaw(gate: Gate, commit: Oid, tell: Tell) -> None:
    """The person who froze it said until when; nobody has to come back for it."""
    gate.ledger.move(Change(FROZEN, commit, NO_OID))
    gate.ledger.record("thawed", "The freeze has come to its end.")
    gate.ledger.commit("thawed")
    tell("thawed: the freeze has come to its end")


def _try_to_ship(gate: Gate, freight: Cargo) -> protocol.Outcome:
    """Ship; what keeps a ship from beginning ends the heartbeat, and the requests say what they wait for."""
    try:
        return protocol.ship(gate, freight)
    except GateError as problem:
        if gate.git.resolve(SHIPPING) is not None:  # it has begun: a record now would move the log from under its plan
            raise
        reason = Reason(problem.code or "GATE-501", problem.text)
        for result in freight.results:
            gate.ledger.result(replace(result, state=State.QUEUED, reason=reason))
        gate.ledger.commit("kept from shipping")
        raise


def _remember_bad_plan(gate: Gate, freight: Cargo) -> None:
    """A way to run the sites that failed is not tried again unchanged: sites.toml must change, or a person say so."""
    ref = Ref(BAD + runs_digest(freight.live.runs))
    gate.ledger.move(Change(ref, gate.git.resolve(ref) or NO_OID, freight.plan.candidate))
    gate.ledger.commit("a configuration that failed")


def _sweep(gate: Gate, result: Result, hands: Hands) -> Reason | None:
    """Delete the ref of a request that has landed; one that cannot be deleted holds nothing else up."""
    hands.mind.swept.add(result.id)
    if retire(gate, Landing(result.id, result.tip)):
        return None
    text = f"{REQUESTS}{result.id} has landed and cannot be deleted: a push is at work on it, or left a lock file."
    return Reason("GATE-506", text)


def _seal(gate: Gate, reports: Iterable[str], mind: Recollection) -> None:
    """Record what was refused, then forget it; what a kill in between left is recorded already."""
    files = tuple(reports)
    look_back = _LOOK_BACK + len(files)  # a Librarian that was killed here may just have recorded them all
    sealed = {written.record.data.get("entry") for written in records.walk(gate.git, limit=look_back)}
    refs = gate.git.refs()
    known = results.known(gate.git, refs)
    doors.call_roll(gate, refs, known, present_release(gate, refs))
    for entry in spool.read(gate.home.spool, mind.entries):
        if entry.file in files and entry.file not in sealed and entry.event in ("refused", "broken"):
            told = {"entry": entry.file}
            told |= {key: str(entry.fields.get(key, ""))[:500] for key in ("code", "ref", "old", "new", "text", "at")}
            subject = f"{told['code'] or 'an entry that cannot be read'} {told['ref']!a}"
            gate.ledger.record("refused", subject, actor=entry.actor, **told)
        if entry.file in files and entry.file not in sealed and unheard(entry, known):
            told = {"entry": entry.file, "id": id_of(entry), "tip": str(entry.fields.get("old"))}
            gate.ledger.record("withdrawn", f"{told['id']}, before it was filed", actor=entry.actor, **told)
    if more := spool.only_counted(gate.home.spool):
        gate.ledger.record("refused", f"{more} more, which were only counted", count=more)
    gate.ledger.commit("sealed")
    spool.drop(gate.home.spool, (*files, COUNTER))


def _close(gate: Gate, result: Result, hands: Hands, *, wished: bool) -> Reason | None:
    if wished:
        who, result = _withdrawn(gate, result, hands.mind)
        hands.tell(f"withdrawn: {result.id}")
        reason = Reason("GATE-407", messages.reason("GATE-407", by=who.name))
        gate.ledger.record("withdrawn", result.id, actor=who, id=result.id, tip=result.tip)
    else:
        what, problem = f"refs/heads/request/{result.id}", "it is gone, and nobody asked for that through the door"
        text = messages.reason("GATE-502", what=what, problem=problem)
        reason = Reason("GATE-502", text)
        gate.ledger.record("tampered", text, id=result.id, tip=result.tip, code="GATE-502")
    gate.ledger.result(replace(result, state=State.WITHDRAWN, reason=reason, rests_on={}))
    gate.ledger.move(*filing.keep(gate, result))
    gate.ledger.commit("closed")
    return None if wished else reason


def _withdrawn(gate: Gate, result: Result, mind: Recollection) -> tuple[Actor, Result]:
    """Return who withdrew a request, and what: a newer attempt than `result` where nobody had come to see that one."""
    wishes = (entry for entry in spool.read(gate.home.spool, mind.entries) if entry.event == "withdraw")
    *_, wish = (entry for entry in wishes if id_of(entry) == result.id)
    tip = gate.git.resolve(f"{wish.fields.get('old')}^{{commit}}")
    if tip in (None, result.tip):
        return wish.actor, result
    gate.ledger.move(*filing.keep(gate, result))
    return wish.actor, replace(result, tip=tip, attempt=result.attempt + 1)


def _restate(gate: Gate, marks: Sequence[Mark], tell: Tell) -> tuple[Reason, ...]:
    """Write all in one transaction, tell it once it is so, and return why those wait that wait for somebody."""
    said = [_in_words(mark.reason) for mark in marks]
    lines = [_note(gate, mark, reason) for mark, reason in zip(marks, said, strict=True)]
    one = f"{marks[0].result.id} {marks[0].state}"
    gate.ledger.commit(one if len(marks) == 1 else f"restated {len(marks)} requests")
    retire_all(gate, [Landing(mark.result.id, mark.result.tip) for mark in marks if mark.state is State.SHIPPED])
    for line in filter(None, lines):
        tell(line)
    waits = (State.BLOCKED, State.HELD)
    return tuple(reason for mark, reason in zip(marks, said, strict=True) if reason and mark.state in waits)


def _note(gate: Gate, mark: Mark, reason: Reason | None) -> str:
    """Note a new state for the next commit; return the line that tells it, or ""."""
    result, state = mark.result, mark.state
    if state is State.SHIPPED:
        return _landed_elsewhere(gate, result)
    marked = replace(result, state=state, reason=reason, rests_on=dict(mark.rests_on), not_before=mark.not_before)
    gate.ledger.result(marked)
    if state is State.VERIFYING or (state, reason) == (result.state, result.reason):
        return ""
    event = "requeued" if state is State.QUEUED and reason is None else str(state)
    told = f"{result.id}: {reason.code} {reason.text}" if reason else result.id
    log, code = mark.verdict.log if mark.verdict else None, reason.code if reason else None
    rule: dict[str, Any] = {"code": code, "rests_on": dict(mark.rests_on)}
    gate.ledger.record(event, told[:300], id=result.id, tip=result.tip, log=log, **rule)
    return f"{event}: {told}"


def _in_words(why: Reason | Why | None) -> Reason | None:
    return Reason(why.code, messages.reason(why.code, **why.values), why.next) if isinstance(why, Why) else why


def _expire(gate: Gate, expired: Sequence[Result], tell: Tell) -> None:
    days = round(gate.config.gate.request_ttl / DAY, 1)
    for result in expired:
        text = messages.reason("GATE-410", state=result.state, days=f"{days:g}")
        reason = Reason("GATE-410", text, repair.mend(result.id))
        gate.ledger.record("expired", f"{result.id}: {reason.text}", id=result.id, tip=result.tip, code=reason.code)
        gate.ledger.result(replace(result, state=State.EXPIRED, reason=reason, rests_on={}))
        gate.ledger.move(*filing.keep(gate, result), _gone(result))
    if gate.ledger.commit("expired"):  # else one of them has moved on, and is looked at anew
        for result in expired:
            tell(f"expired: {result.id}")


def _landed_elsewhere(gate: Gate, result: Result) -> str:
    """A tip that went live inside another request is done: it says in which version."""
    version = version_of(gate, result.tip)
    gate.ledger.record("landed", f"{result.id} in {version}", id=result.id, tip=result.tip, version=version)
    gate.ledger.result(replace(result, state=State.SHIPPED, reason=None, rests_on={}, version=version))
    return f"landed: {result.id} is in {version} already"


def _tried(gate: Gate, result: Result, tell: Tell) -> None:
    gate.ledger.record("tried", f"{result.id}: verified, not shipped as asked", id=result.id, tip=result.tip)
    gate.ledger.result(replace(result, state=State.VERIFIED, reason=None, rests_on={}))
    gate.ledger.move(*filing.keep(gate, result), _gone(result))
    gate.ledger.commit("tried")
    tell(f"verified: {result.id}; it is not shipped, as it asked")


def _gone(result: Result) -> Change:
    """Return the move that ends a request together with its result: after a kill in between it would be filed anew."""
    return Change(Ref(REQUESTS + result.id), result.tip, NO_OID)


def _converge(gate: Gate, sites: Iterable[str], hands: Hands) -> Reason | None:
    """Start again what is down; a link that somebody else moved is reported and left."""
    hands.mind.looked_after = True
    live = runs.load(gate.home.live_plan)
    if live is None:
        return None
    if led := gate.target.astray(live.folder):
        return Reason("GATE-502", f"{_leads(led)}, not to {live.folder}. It was left as it is.")
    live, named = runs.resettled(live, gate.config), tuple(sites)
    hands.tell(f"bringing back {', '.join(named)}")
    runs.save(gate.home.live_plan, live.moving(named))
    if gate.target.lacking(live.folder):
        tree = live.tree or gate.git.tree_of(live.stamp.commit)
        changed = gate.target.stage(gate.git, cargo.load(gate, tree, hands.mind), live)
        if changed is not None:
            return Reason(
                "GATE-504", f"A host lacks {live.folder}, and what build {changed.key} left is gone here too."
            )
    seen = gate.target.converge(live.runs, live.stamp, live.folder, only=named)
    sick = {name: site.reason for name, site in seen.items() if not site.healthy}
    gate.ledger.record("converged", ", ".join(named), sites=list(named), sick=sick)
    gate.ledger.commit("converged")
    if not sick:
        gate.target.publish(live)
        return None
    told = "; ".join(f"{name}: {reason}" for name, reason in sick.items())
    return Reason("GATE-504", f"These sites do not run what `release` says: {told}")


def _leads(led: Mapping[str, str]) -> str:
    return "; ".join(f"live/current{f' of {host}' if host else ''} leads to {folder}" for host, folder in led.items())
