"""Whether the gate may ship now: frozen by a person, or outside its ship windows."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gatekeeper import messages
from gatekeeper.gate import Gate
from gatekeeper.model import FROZEN, Oid, Reason
from gatekeeper.policy import windows
from gatekeeper.policy.step import Closed
from gatekeeper.repo.ledger import utc

_MINUTE = timedelta(minutes=1)
_WEEK = 7 * 24 * 60


def closed(gate: Gate, frozen: bool) -> Closed | None:  # noqa: FBT001
    """Return why nothing may ship at this moment, or None."""
    if frozen:
        message = gate.git.read(Oid(FROZEN)).split(b"\n\n", 1)[1].decode("utf-8", "replace")
        return _closed(frozen=" ".join(message.split()))
    opened = tuple(window for text in gate.config.gate.ship_windows if (window := windows.parse(text)) is not None)
    now = datetime.fromtimestamp(gate.clock(), ZoneInfo(gate.config.gate.timezone))
    if not opened or _holds(opened, now):
        return None
    until = _next_opening(opened, now)
    opens = utc(until.timestamp()) if until else None
    return _closed(opens=opens)


def _closed(*, frozen: str | None = None, opens: str | None = None) -> Closed:
    return Closed(Reason("GATE-408", messages.reason("GATE-408", frozen=frozen, opens=opens)), opens)


def _holds(opened: tuple[windows.Window, ...], moment: datetime) -> bool:
    return any(window.holds(moment.weekday(), moment.hour * 60 + moment.minute) for window in opened)


def _next_opening(opened: tuple[windows.Window, ...], now: datetime) -> datetime | None:
    """Walk on by minutes of absolute time, so that a change to or from summer time is right by itself."""
    zone, moment = now.tzinfo, now.astimezone(ZoneInfo("UTC")).replace(second=0, microsecond=0)
    for _ in range(_WEEK + 1):
        moment += _MINUTE
        if _holds(opened, moment.astimezone(zone)):
            return moment
    return None
