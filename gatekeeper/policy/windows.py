"""Ship windows: "Mon-Fri 07:00-16:30" as a value, and whether a moment of the week lies in it. Knows no clock."""

import re

from msgspec import Struct

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = f"(?:{'|'.join(DAYS)})"
_TIME = "([01][0-9]|2[0-3]):([0-5][0-9])"
_WINDOW = re.compile(rf"({_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*) {_TIME}-(?:{_TIME}|24:00)")
_MIDNIGHT = 24 * 60


class Window(Struct, frozen=True):
    """The days it opens on, 0 being Monday, and minutes after midnight: open from `start`, closed at `end`.

    One that ends before it starts runs past midnight, into the day after.
    """

    days: frozenset[int]
    start: int
    end: int

    def holds(self, weekday: int, minute: int) -> bool:
        """Return whether that minute of that day of the week lies in the window."""
        if self.start < self.end:
            return weekday in self.days and self.start <= minute < self.end
        return (weekday in self.days and minute >= self.start) or ((weekday - 1) % 7 in self.days and minute < self.end)


def parse(text: str) -> Window | None:
    """Return the window that `text` writes; None when it is not written like "Mon-Wed,Fri 07:00-16:30"."""
    match = _WINDOW.fullmatch(text)
    if match is None:
        return None
    days, *times = match.groups()
    start_hour, start_minute, end_hour, end_minute = times
    start = int(start_hour) * 60 + int(start_minute)
    end = _MIDNIGHT if end_hour is None else int(end_hour) * 60 + int(end_minute)
    return None if start == end else Window(_days(days), start, end)


def _days(text: str) -> frozenset[int]:
    chosen: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        start, end = DAYS.index(first), DAYS.index(last or first)
        chosen.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return frozenset(chosen)
