"""What settles a request that waits for somebody, as commands of `gatekeeper`: the likeliest first. Pure."""

from msgspec import Struct

from gatekeeper.model import Argv, RequestId, Result, State

HELD = ("GATE-301", "GATE-303", "GATE-406")
"""Codes under which an open request waits for an approval."""
_AGAIN = {
    "GATE-402": "runs it again",
    "GATE-403": "runs it again",
    "GATE-404": "ships it again",
}


class Way(Struct, frozen=True):
    """Arguments of `gatekeeper`, and what they do."""

    argv: Argv
    does: str


def ways(result: Result) -> tuple[Way, ...]:
    """Return what a person can do about a request that is blocked or held; nothing for any other."""
    if result.state not in (State.BLOCKED, State.HELD):
        return ()
    code = result.reason.code if result.reason else ""
    return settle(code, result.id, result.tip, interrupted="interrupted" in result.rests_on)


def settle(code: str, request: RequestId | str, tip: str, *, interrupted: bool = False) -> tuple[Way, ...]:
    """Return the ways for what is blocked or held under a code; the last one always ends the request."""
    end = Way(("reject", request, "-m", "…"), "ends it")
    if interrupted:
        return (Way(("retry", request), "ships it once more"), end)
    if code in HELD:
        return (Way(("approve", f"{request}@{tip[:12]}", "-m", "…"), "lifts the hold"), end)
    if code == "GATE-401":
        return (Way(("resolve", request), "opens the conflict in a clone"), end)
    if code in _AGAIN:
        return (Way(("retry", request), _AGAIN[code]), end)
    return (end,)


def awaited(result: Result) -> str:
    """Return what changes a state by itself, or by somebody else than the operator; nothing where that is nothing."""
    code = result.reason.code if result.reason else ""
    if result.state is State.HELD and "interrupted" not in result.rests_on:
        return "It waits for a person, and expires when nobody decides."
    if result.state is not State.BLOCKED:
        return ""
    by_itself = {
        "GATE-401": "It goes on by itself when `release`, or the other request, moves so that it merges.",
        "GATE-402": "It goes on by itself when the check is changed in sites.toml.",
        "GATE-403": "It goes on by itself when the check is changed in sites.toml.",
    }.get(code, "")
    return " ".join(f"Its agent can push a mended tip. {by_itself}".split())
