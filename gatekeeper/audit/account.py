"""Folds the records into what an auditor asks about: requests, releases, refusals, persons. Only values in and out."""

import tomllib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gatekeeper.audit.chain import Link
from gatekeeper.audit.shipped import SHIPPED
from gatekeeper.repo.records import Record, Written

_OUTCOMES = {
    "blocked": "blocked",
    "held": "held",
    "queued": "queued",
    "requeued": "queued",
    "verified": "verified",
    "tried": "verified, not shipped as asked",
    "withdrawn": "withdrawn",
    "tampered": "vanished",
    "rejected": "rejected",
    "retried": "queued",
    "approved": "approved",
    "expired": "expired",
    "landed": SHIPPED,
}
_REJECTED = "GATE-405"
_GATE = frozenset(
    {
        *("imported", "restored", "started", "stopped", "configured", "reconfigured", "converged", "migrated"),
        *("upgraded", "rotated", "sealed", "unsealed"),
        *("alerted", "mirrored", "tampered", "repaired", "stranded"),
        *("ship_failed", "ship_put_off", "ship_aborted", "interrupted"),
    }
)


class RequestLine(Struct, frozen=True):
    """One attempt of a request, from its filing to the last that was recorded of it."""

    id: str
    attempt: int
    tip: str
    agent: str
    assurance: str
    role: str
    surfaces: str
    intent: str
    artifact: str
    bump: str
    urgency: str
    filed_at: str
    outcome: str = "filed"
    code: str = ""
    reason: str = ""
    decided_at: str = ""
    decided_by: str = ""
    version: str = ""
    commit: str = ""
    checks: int = 0
    rolled_back_in: str = ""


class ReleaseLine(Struct, frozen=True):
    """One version that went live, and what it rests on."""

    version: str
    at: str
    sequence: int
    cause: str
    commit: str
    tree: str
    by: str
    intents: str
    requests: tuple[RequestLine, ...]
    verified: tuple[tuple[str, str], ...]
    sites: tuple[str, ...]
    mode: str
    takes_out: tuple[str, ...]


class DecisionLine(Struct, frozen=True):
    """What a person decided, and how it is known who that was."""

    at: str
    sequence: int
    who: str
    assurance: str
    what: str
    about: str
    words: str


class Account(Struct, frozen=True):
    """What happened in a period; `lines` are the records of everything else than requests and releases."""

    requests: tuple[RequestLine, ...]
    releases: tuple[ReleaseLine, ...]
    refused: tuple[tuple[str, int], ...]
    decisions: tuple[DecisionLine, ...]
    gate: tuple[Record, ...]
    owners: tuple[tuple[str, str], ...]
    """Each agent of the newest configuration on record, and the person who answers for it."""
    events: tuple[tuple[str, int], ...]
    modes: tuple[str, ...]


def account(links: Sequence[Link | Written], *, first: str = "", last: str = "9") -> Account:
    """Account for what lies from `first` to `last` (as records write time), a request by when it was filed.

    Everything before `first` is read too: a release of the period may land a request of an earlier one.
    """
    records = [link.record for link in links if link.record.at <= last]
    inside = [record for record in records if record.at >= first]
    requests = _requests(records)
    return Account(
        requests=tuple(line for line in requests.values() if line.filed_at >= first),
        releases=tuple(_release(record, requests) for record in inside if record.event == SHIPPED),
        refused=tuple(sorted(_refused(inside).items())),
        decisions=tuple(_decision(record) for record in inside if "decision" in record.data),
        gate=tuple(record for record in inside if record.event in _GATE),
        owners=_owners(records),
        events=tuple(sorted(Counter(record.event for record in inside).items())),
        modes=tuple(sorted({record.mode for record in inside})),
    )


def _requests(records: Sequence[Record]) -> dict[tuple[str, str], RequestLine]:
    """Follow each attempt, named by its id and tip, through the records."""
    lines: dict[tuple[str, str], RequestLine] = {}
    for record in records:
        data = record.data
        if record.event == "filed" and {"id", "tip"} <= data.keys():
            before = next((line for line in reversed(lines.values()) if line.id == data["id"]), None)
            lines[data["id"], data["tip"]] = _filed_again(before, record) if before else _filed(record)
        elif record.event == SHIPPED:
            _ship(lines, record)
        elif (key := (str(data.get("id")), str(data.get("tip")))) in lines and record.event in _OUTCOMES:
            lines[key] = _moved(lines[key], record)
    return lines


def _filed(record: Record) -> RequestLine:
    data: dict[str, Any] = record.data
    return RequestLine(
        id=str(data["id"]),
        attempt=int(data.get("attempt", 1)),
        tip=str(data["tip"]),
        agent=record.actor.name,
        assurance=record.actor.assurance,
        role=record.actor.role,
        surfaces=", ".join(data.get("surfaces", [])),
        intent=data.get("intent", ""),
        artifact=data.get("artifact", ""),
        bump=data.get("bump", ""),
        urgency=data.get("urgency") or "",
        filed_at=record.at,
    )


def _filed_again(before: RequestLine, record: Record) -> RequestLine:
    """Take from the attempt before what the record of a new one leaves out, as one that a person filed again does."""
    told = _filed(record)
    if "decision" not in record.data:
        return told
    kept = ("agent", "assurance", "role", "surfaces", "intent", "artifact", "bump", "urgency")
    return replace(told, **{name: getattr(before, name) for name in kept})


def _moved(line: RequestLine, record: Record) -> RequestLine:
    code = str(record.data.get("code") or "")
    told = (
        record.data.get("message")
        if record.actor.role == "operator"
        else record.subject.removeprefix(f"{line.id}: ")
        if code
        else ""
    )
    return replace(
        line,
        outcome=_OUTCOMES[record.event],
        code=code,
        reason=str(told or ""),
        decided_at=record.at,
        decided_by=_who(record),
        version=str(record.data.get("version") or line.version),
    )


def _ship(lines: dict[tuple[str, str], RequestLine], record: Record) -> None:
    data = record.data
    for landing in data.get("requests", []):
        key = (landing["id"], landing["tip"])
        if key in lines:
            lines[key] = replace(
                lines[key],
                outcome=SHIPPED,
                code="",
                reason="",
                decided_at=record.at,
                decided_by=_who(record),
                version=data["version"],
                commit=data["commit"],
                checks=len(data.get("verified", [])),
            )
    for key, line in lines.items():
        if line.id in data.get("takes_out", []) and line.outcome == SHIPPED:
            lines[key] = replace(line, outcome="rolled back", rolled_back_in=data["version"])


def _release(record: Record, requests: dict[tuple[str, str], RequestLine]) -> ReleaseLine:
    data = record.data
    keys = [(landing["id"], landing["tip"]) for landing in data.get("requests", [])]
    return ReleaseLine(
        version=data["version"],
        at=record.at,
        sequence=record.sequence,
        cause=str(data.get("cause", "")),
        commit=data["commit"],
        tree=data["tree"],
        by=str(data.get("by") or "policy"),
        intents=record.subject.partition(": ")[2],
        requests=tuple(requests[key] for key in keys if key in requests),
        verified=tuple((item.get("job", ""), item.get("outcome", "")) for item in data.get("verified", [])),
        sites=tuple(data.get("sites", {})),
        mode=record.mode,
        takes_out=tuple(data.get("takes_out", [])),
    )


def _decision(record: Record) -> DecisionLine:
    """Read a decision's record; one that shipped is the Librarian's own, and names the person in `by`."""
    data = record.data
    what = str(data.get("verb") or data.get("cause") or record.event)
    return DecisionLine(
        at=record.at,
        sequence=record.sequence,
        who=_who(record),
        assurance=str(data.get("assurance") or record.actor.assurance),
        what=f"{what}, declined" if record.event == "declined" else what,
        about=str(data.get("id") or data.get("version") or ""),
        words=str(data.get("message") or record.subject),
    )


def _refused(records: Sequence[Record]) -> Counter[str]:
    """Count refusals at the door by code, and the Librarian's own decisions against a request."""
    counted: Counter[str] = Counter()
    for record in records:
        if record.event == "refused":
            counted[str(record.data.get("code") or "not kept one by one")] += int(record.data.get("count", 1))
        elif record.event in ("blocked", "held", "rejected"):
            counted[str(record.data.get("code") or _REJECTED)] += 1
    return counted


def _owners(records: Sequence[Record]) -> tuple[tuple[str, str], ...]:
    told = [record.data.get("effective", "") for record in records if record.event == "configured"]
    agents = tomllib.loads(told[-1]).get("agents", {}) if told else {}
    return tuple((name, str(agent.get("owner", ""))) for name, agent in agents.items())


def _who(record: Record) -> str:
    by = record.data.get("by")
    return str(by) if by else "policy" if record.actor.role == "librarian" else record.actor.name
