"""Reads a time to come as people write it: "8h", "07:30", "2026-01-31T07:30". Pure: the present time is passed in."""

import re
from datetime import datetime, timedelta

_SPAN = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def moment(text: str, now: datetime) -> datetime | None:
    """Return the moment after `now` that is meant, in the zone of `now` unless it names one; None for none.

    A time of day is its next coming by the clock on the wall, also across a change to or from summer time.
    """
    found = _span(text, now) or _of_day(text, now) or _dated(text, now)
    return found if found is not None and found.timestamp() > now.timestamp() else None


def _span(text: str, now: datetime) -> datetime | None:
    match = _SPAN.fullmatch(text)
    if match is None or not text:
        return None
    days, hours, minutes = (int(number or 0) for number in match.groups())
    length = timedelta(days=days, hours=hours, minutes=minutes)
    return datetime.fromtimestamp(now.timestamp() + length.total_seconds(), now.tzinfo)


def _of_day(text: str, now: datetime) -> datetime | None:
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None
    today = now.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0, fold=0)
    return today if today.timestamp() > now.timestamp() else today + timedelta(days=1)


def _dated(text: str, now: datetime) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=now.tzinfo)
