"""How far a moment is, in words. Pure: both times are seconds since 1970, or texts that records and results hold."""

from datetime import UTC, datetime

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))


def seconds(at: str) -> float:
    """Return a time as seconds since 1970. Raises ValueError for what is none."""
    return datetime.fromisoformat(at).timestamp()


def span(length: float) -> str:
    """Return a length of time by its largest unit: "40 s", "12 min", "5 h", "3 d"."""
    for size, name in _UNITS:
        if length >= 2 * size or (name == "min" and length >= size):
            return f"{int(length // size)} {name}"
    return f"{max(0, int(length))} s"


def clock(at: float) -> str:
    """Return a moment as people read it, to the minute."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def ago(at: str, now: float) -> str:
    """Return "12 min ago"; of a moment to come, "in 12 min"; a text that is no time as it is."""
    try:
        away = now - seconds(at)
    except ValueError:
        return at
    return f"{span(away)} ago" if away >= 0 else f"in {span(-away)}"


def told(at: str, now: float) -> str:
    """Return a moment with its distance: "2026-01-31 07:30 UTC, in 5 h"."""
    try:
        return f"{clock(seconds(at))}, {ago(at, now)}"
    except ValueError:
        return at
