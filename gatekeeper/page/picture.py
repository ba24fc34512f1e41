"""What the files of www/ tell: one moment of the gate as plain values, and whether all is well. Reads nothing."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from gatekeeper.page.history import Past
from gatekeeper.policy.alerting import EVENT


class Picture(Struct, frozen=True):
    """One moment: `status` as `gatekeeper status --json` prints it, `stale` the instant from which to doubt it."""

    gate: str
    feed: str
    """What the feed's ids are made of: the same for the gate's whole life."""
    at: str
    stale: str | None
    status: Mapping[str, Any]
    past: Past
    changelog: str
    next: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By request: what a person can do about it, as commands."""

    @property
    def waiting(self) -> list[Mapping[str, Any]]:
        """The requests that wait for a person."""
        return [one for one in self.status["requests"] if one["position"] is None]

    @property
    def queue(self) -> list[Mapping[str, Any]]:
        """The requests that are on their way, in their order."""
        return [one for one in self.status["requests"] if one["position"] is not None]

    @property
    def sick(self) -> list[Mapping[str, Any]]:
        """The sites that are not healthy."""
        return [site for site in self.status["sites"] if not site["healthy"]]

    @property
    def lasting(self) -> list[Mapping[str, Any]]:
        """The open causes but for what happened once: that is told, and nothing a person does ends it."""
        return [cause for cause in self.status["alerts"]["open"] if cause["scope"] != EVENT]

    @property
    def alarms(self) -> list[Mapping[str, Any]]:
        """The open causes that no waiting request tells of already."""
        told = {one["id"] for one in self.waiting}
        known = {"GATE-502"} if self.status["tampering"] else set[str]()
        causes = self.status["alerts"]["open"]
        return [cause for cause in causes if cause["id"] not in told and cause["code"] not in known]


class Outlook(StrEnum):
    """The one thing to know first, the gravest before all others."""

    TAMPERED = "tampered"
    SICK = "sick"
    ALARM = "alarm"
    DOWN = "down"
    LATE = "late"
    FROZEN = "frozen"
    WAITING = "waiting"
    BUSY = "busy"
    WELL = "well"

    @property
    def tone(self) -> str:
        """How it is to look: `good`, `care` for what waits for a person, `bad` for what is broken."""
        if self in (Outlook.WELL, Outlook.BUSY):
            return "good"
        return "care" if self in (Outlook.FROZEN, Outlook.WAITING) else "bad"


def outlook(seen: Picture) -> Outlook:
    """Return what a person is told first."""
    status = seen.status
    found = {
        Outlook.TAMPERED: status["tampering"],
        Outlook.SICK: seen.sick,
        Outlook.ALARM: any(cause["level"] == "error" for cause in seen.lasting),
        Outlook.DOWN: not status["librarian"]["running"],
        Outlook.LATE: status["alerts"]["late_seconds"],
        Outlook.FROZEN: status["frozen"],
        Outlook.WAITING: seen.waiting or seen.lasting or status["alerts"]["failing"],
        Outlook.BUSY: seen.queue,
    }
    return next((one for one, there in found.items() if there), Outlook.WELL)
