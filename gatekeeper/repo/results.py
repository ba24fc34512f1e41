"""The present state of each request: one parentless commit below refs/gate/results/, so that fetching it is cheap.

The message is what a person and `request-deploy` read; this module alone writes and parses it.
"""

import json
from collections.abc import Mapping

from gatekeeper.model import (
    RESULTS,
    Actor,
    Argv,
    Ask,
    Assurance,
    Oid,
    Reason,
    Ref,
    RequestId,
    Result,
    State,
    SurfaceName,
    Version,
)
from gatekeeper.repo import drafts
from gatekeeper.repo.drafts import Draft
from gatekeeper.repo.git import Git
from gatekeeper.repo.once import Once


def draft(empty_tree: Oid, result: Result, *, at: float) -> Draft:
    """Compose the result as an object, to be written with others; its ref is the caller's to move."""
    return drafts.draft(tree=empty_tree, parents=(), message=encode(result), at=at)


def read(git: Git, oid: Oid) -> Result:
    """Read a result back."""
    return _READ.one(git, oid)


def known(git: Git, refs: Mapping[Ref, Oid]) -> dict[RequestId, Result]:
    """Return every result among the refs, by its request."""
    there = {RequestId(ref.removeprefix(RESULTS)): oid for ref, oid in refs.items() if ref.startswith(RESULTS)}
    found = _READ.those(git, there.values())
    return {id_: found[oid] for id_, oid in there.items()}


def find(git: Git, request: RequestId) -> Result | None:
    """Return the result of a request, or None when nothing is known of it."""
    oid = git.resolve(RESULTS + request)
    return None if oid is None else read(git, oid)


def encode(result: Result) -> str:
    """Return the message: a sentence, a blank line, then `Key: value` lines, absent ones left out."""
    ask, reason = result.ask, result.reason
    lines = [
        ("State", result.state),
        ("Code", reason and reason.code),
        ("Reason", reason and _one_line(reason.text)),
        *(("Next", json.dumps(argv)) for argv in (reason.next if reason else ())),
        ("Not-Before", result.not_before),
        ("Approval", result.approval),
        ("Ahead", result.ahead),
        ("Id", result.id),
        ("Attempt", str(result.attempt)),
        ("Tip", result.tip),
        ("Version", result.version),
        ("Agent", result.agent.name),
        ("Assurance", result.agent.assurance),
        ("Role", result.agent.role),
        ("Surfaces", ", ".join(ask.surfaces)),
        ("Intent", ask.intent),
        ("Artifact", ask.artifact),
        ("Bump", ask.bump),
        ("Urgency", ask.urgency),
        ("Depends-On", ask.depends_on),
        ("Try", "yes" if ask.try_only else None),
        ("Sequence", str(result.sequence)),
        ("Filed-At", result.filed_at),
        ("Updated-At", result.updated_at),
        *(("Rests-On", json.dumps(pair)) for pair in sorted(result.rests_on.items())),
    ]
    body = "".join(f"{key}: {value}\n" for key, value in lines if value)
    return f"{_sentence(result)}\n\n{body}"


def decode(message: str) -> Result:
    """Parse what `encode` wrote; KeyError or ValueError when it is something else."""
    pairs = [line.split(": ", 1) for line in message.split("\n\n", 1)[1].splitlines() if ": " in line]
    one = {key: value for key, value in pairs}  # noqa: C416 - the last of a key wins
    many: dict[str, list[str]] = {}
    for key, value in pairs:
        many.setdefault(key, []).append(value)
    return Result(
        id=RequestId(one["Id"]),
        tip=Oid(one["Tip"]),
        attempt=int(one["Attempt"]),
        state=State(one["State"]),
        agent=Actor(one["Agent"], Assurance(one["Assurance"]), one["Role"]),
        ask=_ask(one),
        sequence=int(one["Sequence"]),
        filed_at=one["Filed-At"],
        updated_at=one["Updated-At"],
        reason=_reason(one, many.get("Next", [])),
        rests_on=dict(json.loads(text) for text in many.get("Rests-On", [])),
        version=Version(one["Version"]) if "Version" in one else None,
        not_before=one.get("Not-Before"),
        approval=one.get("Approval"),
        ahead=one.get("Ahead"),
    )


def _decode(commit: bytes) -> Result:
    return decode(commit.split(b"\n\n", 1)[1].decode("utf-8", "replace"))


_READ = Once("commit", _decode)


def _ask(one: dict[str, str]) -> Ask:
    return Ask(
        surfaces=tuple(SurfaceName(name) for name in one.get("Surfaces", "").split(", ") if name),
        intent=one.get("Intent", ""),
        artifact=one.get("Artifact", ""),
        bump=one.get("Bump", "patch"),
        urgency=one.get("Urgency"),
        depends_on=RequestId(one["Depends-On"]) if "Depends-On" in one else None,
        try_only="Try" in one,
    )


def _reason(one: dict[str, str], commands: list[str]) -> Reason | None:
    if "Code" not in one:
        return None
    steps: tuple[Argv, ...] = tuple(tuple(json.loads(text)) for text in commands)
    return Reason(one["Code"], one.get("Reason", ""), steps)


def _sentence(result: Result) -> str:
    state = str(result.state).replace("_", " ")
    where = f" in {result.version}" if result.version else ""
    return f"request {result.id} is {state}{where}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
