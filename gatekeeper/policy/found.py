"""What was found at a gate that steps are decided on and people are shown too. Light: whoever looks waits for it."""

from msgspec import Struct

from gatekeeper.model import Actor, Ask, Oid, Reason, RequestId


class Arrival(Struct, frozen=True):
    """A tip that no result knows yet: who pushed it, and what it asks for, or why it cannot."""

    id: RequestId
    tip: Oid
    agent: Actor
    asked: Ask | Reason


class Closed(Struct, frozen=True):
    """Nothing may ship at the moment: the gate is frozen or outside its ship windows; `until` when that is known."""

    reason: Reason
    until: str | None = None
    stopped: bool = False
    """By `abort`: nothing is verified or reconfigured either."""
    lets: frozenset[RequestId] = frozenset()
    """Who may ship all the same: what a person put first goes past the windows."""
