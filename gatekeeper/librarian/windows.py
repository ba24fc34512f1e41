"""Whether the gate may ship now: frozen by a person, or outside its ship windows."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gatekeeper import messages
from gatekeeper.gate import Gate
from gatekeeper.model import Oid, Reason, RequestId
from gatekeeper.policy import windows
from gatekeeper.policy.found import Closed
from gatekeeper.repo import frozen
from gatekeeper.repo.ledger import utc

_MINUTE = timedelta(minutes=1)
_WEEK = 7 * 24 * 60


def thaws(gate: Gate, commit: Oid | None) -> Oid | None:
    """Return the freeze at `commit` when the time that it was given is over."""
    until = frozen.read(gate.git, commit).until if commit is not None else None
    return commit if until and datetime.fromisoformat(until).timestamp() <= gate.clock() else None


def closed(gate: Gate, freeze: Oid | None, first: frozenset[RequestId]) -> Closed | None:
    """Return why nothing may ship at this moment, or None; who was put `first` is let past the windows."""
    if freeze is not None:
        found = frozen.read(gate.git, freeze)
        return Closed(_reason(frozen=found.reason), found.until, stopped=found.stopped)
    opened = tuple(window for text in gate.config.gate.ship_windows if (window := windows.parse(text)) is not None)
    now = datetime.fromtimestamp(gate.clock(), ZoneInfo(gate.config.gate.timezone))
    if not opened or _holds(opened, now):
        return None
    until = _next_opening(opened, now)
    opens = utc(until.timestamp()) if until else None
    return Closed(_reason(opens=opens), opens, lets=first)


def _reason(*, frozen: str | None = None, opens: str | None = None) -> Reason:
    return Reason("GATE-408", messages.reason("GATE-408", frozen=frozen, opens=opens))


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
