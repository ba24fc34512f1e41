"""Makes a release known: merge commits, the signed tag, the moves of all refs. Past its commit point only forward."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from msgspec.structs import replace

from gatekeeper import fault
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.model import (
    NO_OID,
    RELEASE,
    REQUESTS,
    SHIPPING,
    TAGS,
    Oid,
    Ref,
    Request,
    RequestId,
    Result,
    Stage,
    Version,
)
from gatekeeper.repo import trial
from gatekeeper.repo.export import sync_folder
from gatekeeper.repo.git import Change, Git
from gatekeeper.repo.ledger import LIBRARIAN
from gatekeeper.ship import plan as plans
from gatekeeper.ship import runs
from gatekeeper.ship.plan import Cause, Landing, Phase, Plan

_UNKNOWN = "unknown"


def merge_commits(
    gate: Gate, train: Sequence[Stage], version: Version, verified: str, approved: Mapping[RequestId, str]
) -> Oid:
    """Write the candidate: one merge commit a request on the last, the agent its author, and return the newest.

    `approved` names the person who approved a request that was held.
    """
    trial.settle(gate.git, gate.trial, (stage.tree for stage in train[1:]), but=train[0].tree)
    at, head = gate.clock(), train[0].commit
    for stage in train[1:]:
        request = stage.request
        assert request is not None  # noqa: S101 - only the first stage is `release` itself
        head = gate.signer.commit(
            tree=stage.tree,
            parents=(head, request.tip),
            message=_message(request, version, verified, approved.get(request.id)),
            at=at,
            author=author_of(gate.git, request.tip),
        )
    return head


def single_commit(gate: Gate, *, tree: Oid, parent: Oid, subject: str, trailers: Sequence[tuple[str, str]]) -> Oid:
    """Write a candidate that merges nothing: the Librarian's own commit, as a rollback is."""
    body = "".join(f"{key}: {value}\n" for key, value in trailers)
    return gate.signer.commit(tree=tree, parents=(parent,), message=f"{subject}\n\n{body}", at=gate.clock())


def tag_message(intents: Sequence[str]) -> str:
    """Return one intent as it is; of several, their number and a bullet each."""
    if len(intents) == 1:
        return f"{intents[0]}\n"
    return f"{len(intents)} requests\n\n" + "".join(f"- {intent}\n" for intent in intents)


def commit_point(gate: Gate, begun: Oid, plan: Plan, intents: Sequence[str], final: Sequence[Result]) -> Oid:
    """Write every object and move `shipping` to the plan that names them; return the plan's commit.

    From the moment that ref has moved, every start goes forward. The log record is noted by the caller.
    """
    for result in final:
        gate.ledger.result(result)
    moves = gate.ledger.prepare(signed=True)
    if plan.cause is not Cause.RECONFIGURE:
        moves = (*moves, *_release_moves(gate, plan, intents, log=moves[0].new))
    full = replace(
        plan, phase=Phase.PUBLISH, moves=tuple(plans.Move(change.ref, change.old, change.new) for change in moves)
    )
    oid = plans.write(gate.signer, full, at=gate.clock())
    gate.ledger.move(Change(SHIPPING, begun, oid))
    if not gate.ledger.commit(f"publish {plan.version}"):
        raise GateError("refs/gate/shipping moved under the Librarian.", code="GATE-502")
    return oid


def publish(gate: Gate, oid: Oid) -> Plan:
    """Carry out the plan at `oid`; doing it again after a kill, wherever that was, gives the same end."""
    plan = plans.read(gate.git, oid)
    present = gate.git.refs()
    left = tuple(change for change in plan.changes if present.get(change.ref, NO_OID) != change.new)
    if left and not gate.git.transact(left, reason=f"ship {plan.version}", lock_fd=gate.ledger.lock.fd):
        raise GateError(f"A ref that {plan.version} publishes was moved by somebody else.", code="GATE-502")
    retire_all(gate, [one for one in plan.landings if present.get(Ref(REQUESTS + one.id)) == one.tip])
    coming = runs.load(gate.home.next_plan)
    if coming is not None:
        gate.target.publish(coming)
        with fault.step("adopt the plan"):
            gate.home.next_plan.replace(gate.home.live_plan)
            sync_folder(gate.home.var)
    gate.ledger.move(plans.finish(oid))
    gate.ledger.commit(f"published {plan.version}")
    return plan


def retire_all(gate: Gate, landings: Sequence[Landing]) -> None:
    """Delete the refs of all that landed, at once where none of them moves meanwhile."""
    changes = tuple(Change(Ref(REQUESTS + one.id), one.tip, NO_OID) for one in landings)
    with suppress(GateError):
        if changes and gate.git.transact(changes, reason="shipped", lock_fd=gate.ledger.lock.fd):
            return
    for landing in landings:
        retire(gate, landing)


def retire(gate: Gate, landing: Landing) -> bool:
    """Delete a request's ref if it still holds the tip that landed; a moved one stays, as a new attempt.

    False when it could not be deleted, as with a lock file that a push left: a later heartbeat tries again.
    """
    change = Change(Ref(REQUESTS + landing.id), landing.tip, NO_OID)
    if gate.git.resolve(change.ref) != landing.tip:
        return True
    try:
        return gate.git.transact((change,), reason="shipped", lock_fd=gate.ledger.lock.fd)
    except GateError:
        return False


def _release_moves(gate: Gate, plan: Plan, intents: Sequence[str], log: Oid) -> tuple[Change, ...]:
    message = f"{tag_message(intents)}\nGate-Log: {log}\n"
    tag = gate.signer.tag(commit=plan.candidate, version=plan.version, message=message, at=gate.clock())
    release = gate.git.resolve(RELEASE) or NO_OID
    moves = (Change(Ref(TAGS + plan.version), NO_OID, tag), Change(RELEASE, release, plan.candidate))
    return tuple(move for move in moves if move.old != move.new)


def _message(request: Request, version: Version, verified: str, approver: str | None) -> str:
    trailers = [
        ("Request", request.id),
        ("Agent", request.agent.name),
        ("Surface", ", ".join(request.ask.surfaces)),
        ("Artifact", request.ask.artifact),
        ("Version", version),
        ("Verified", verified),
        ("Decided-By", f"{approver} (approved)" if approver else f"{LIBRARIAN.name} (policy)"),
    ]
    body = "".join(f"{key}: {value}\n" for key, value in trailers if value)
    return f"{request.ask.intent}\n\n{body}"


def author_of(git: Git, tip: Oid) -> dict[str, str]:
    """Return GIT_AUTHOR_* of a commit, for one that is made in its author's name."""
    text = git.text("show", "-s", "--no-show-signature", "--date=raw", "--format=%an%x00%ae%x00%ad", tip)
    name, email, date = text.split("\0")
    return {
        "GIT_AUTHOR_NAME": name.strip() or _UNKNOWN,
        "GIT_AUTHOR_EMAIL": email.strip() or _UNKNOWN,
        "GIT_AUTHOR_DATE": f"@{date}",
    }
