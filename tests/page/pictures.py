"""Gates as the page would see them, made by hand: one that is well, one in trouble, one that agents wrote to harm."""

from typing import Any

from msgspec.structs import replace

from gatekeeper.model import Actor, Assurance, Oid
from gatekeeper.page.history import Past, fold
from gatekeeper.page.picture import Picture
from gatekeeper.repo.records import Record, Written

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202egnp\u0007 {{ 7*7 }} " + "W" * 150
LIBRARIAN = Actor("librarian", Assurance.KERNEL, "librarian")
COMMIT = Oid("c" * 40)
ALARM = {"scope": "heartbeat", "code": "GATE-503", "id": None, "level": "error", "text": "the disk is full."}


def request(id_: str, state: str, position: int | None, code: str | None = None, **more: Any) -> dict[str, Any]:
    reason = {"code": code, "text": f"it was {state}.", "next": []} if code else None
    told = {"id": id_, "state": state, "agent": "codex-1", "surfaces": ["shop"], "intent": f"Do {id_}", "tip": "a" * 40}
    return {**told, "filed_at": "2026-11-02T09:00:00Z", "position": position, "reason": reason, **more}


def site(name: str, *, healthy: bool = True) -> dict[str, Any]:
    told = {"name": name, "host": None, "version": "v1.4.2", "commit": COMMIT, "pm2": "online", "pid": 7}
    return {**told, "healthy": healthy, "problem": None if healthy else "it answered 500"}


def status(**more: Any) -> dict[str, Any]:
    beats = {"last_heartbeat": "2026-11-02T10:00:00Z", "next_heartbeat": "2026-11-02T10:15:00Z"}
    return {
        "release": {"version": "v1.4.2", "commit": COMMIT, "shipped_at": "2026-11-02T09:30:00Z"},
        "librarian": {"running": True, "pid": 4, **beats},
        "frozen": None,
        "enforcement": "enforced",
        "tampering": [],
        "alerts": {"open": [], "failing": [], "late_seconds": 0},
        "requests": [],
        "sites": [site(name) for name in ("shop", "shop-admin", "web", "api", "docs", "blog")],
        **more,
    }


def past(intent: str = "Say that delivery is free from 50 €", agent: str = "codex-1") -> Past:
    asked = {"id": "free", "tip": "a" * 40, "attempt": 1, "surfaces": ["shop"], "intent": intent, "artifact": "a" * 40}
    events: list[tuple[str, str, str, dict[str, Any]]] = [
        ("09:10", "filed", f"free by {agent}: {intent}", {**asked, "bump": "patch", "urgency": None}),
        ("09:11", "checked", "unit of shop: passed", job("unit of shop", "passed", 4.2)),
        ("09:12", "checked", "unit of web: failed", job("unit of web", "failed", 31.0)),
        ("09:20", "shipping", "v1.4.1", {"version": "v1.4.1", "ids": ["slow"]}),
        ("09:21", "ship_failed", f"v1.4.1: {intent}", {"code": "GATE-404"}),
        ("09:29", "shipping", "v1.4.2", {"version": "v1.4.2", "ids": ["free"]}),
        ("09:30", "shipped", f"v1.4.2: {intent}", shipped(asked)),
        ("09:40", "shipped", "v1.4.3: Roll back", {**shipped(), "version": "v1.4.3", "cause": "rollback", "by": "kim"}),
    ]
    written = [
        Written(Oid(f"{number:040x}"), record(number, at, event, subject, who(event, agent), data))
        for number, (at, event, subject, data) in enumerate(events, 1)
    ]
    return fold(written, {"shipped": 2, "refused": 9})


def record(number: int, at: str, event: str, subject: str, actor: Actor, data: dict[str, Any]) -> Record:
    return Record(event, subject, number, f"2026-11-02T{at}:00Z", actor, "enforced", data)


def who(event: str, agent: str) -> Actor:
    return Actor(agent, Assurance.KEY) if event == "filed" else LIBRARIAN


def job(name: str, outcome: str, seconds: float) -> dict[str, Any]:
    return {"job": name, "kind": "check", "outcome": outcome, "seconds": seconds, "flaky": False}


def shipped(*requests: dict[str, Any]) -> dict[str, Any]:
    landed = [{"id": one["id"], "tip": one["tip"]} for one in requests]
    return {"version": "v1.4.2", "commit": COMMIT, "tree": "d" * 40, "cause": "train", "requests": landed, "sites": {}}


WELL = Picture(
    gate="web-shop",
    feed="ssh-ed25519 AAAA",
    at="2026-11-02T10:00:03Z",
    stale="2026-11-02T10:30:00Z",
    status=status(),
    past=past(),
    changelog="# Changelog\n",
)
TROUBLE = replace(
    WELL,
    status=status(
        frozen={"reason": "Stock-taking", "since": "2026-11-02T08:00:00Z", "until": "2026-11-03T06:00:00Z"},
        alerts={
            "open": [
                {"scope": "heartbeat", "code": "GATE-503", "id": None, "level": "error", "text": "the disk is full."}
            ],
            "failing": [],
            "late_seconds": 0,
        },
        requests=[
            request("next", "verifying", 1),
            request("later", "queued", 2, "GATE-409"),
            request("clash", "blocked", None, "GATE-401"),
            request("schema", "held", None, "GATE-406"),
        ],
        sites=[site("shop"), site("web", healthy=False)],
    ),
    next={"clash": ("gatekeeper show clash", "gatekeeper resolve clash")},
)
HARMFUL = replace(
    WELL,
    gate=HOSTILE,
    status=status(
        frozen={"reason": HOSTILE, "since": "2026-11-02T08:00:00Z", "until": None},
        tampering=[HOSTILE],
        requests=[
            request("one", "queued", 1, "GATE-409", intent=HOSTILE, agent=HOSTILE),
            request("two", "blocked", None, "GATE-402", intent=HOSTILE, agent=HOSTILE)
            | {"reason": {"code": "GATE-402", "text": HOSTILE, "next": []}},
        ],
        sites=[site("shop", healthy=False) | {"problem": HOSTILE}],
    ),
    past=past(HOSTILE, HOSTILE),
)
