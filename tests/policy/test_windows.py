"""Ship windows: the days and minutes that a text means, over midnight too."""

import pytest

from gatekeeper.policy.windows import DAYS, parse


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("Mon-Fri 07:00-16:30", ["Mon 07:00", "Fri 16:29"], ["Mon 06:59", "Fri 16:30", "Sat 12:00"]),
        ("Sat 10:00-24:00", ["Sat 10:00", "Sat 23:59"], ["Sun 00:00", "Sat 09:59"]),
        ("Mon,Wed-Thu 00:00-01:00", ["Mon 00:00", "Thu 00:59"], ["Tue 00:30", "Fri 00:30"]),
        ("Fri-Mon 08:00-09:00", ["Fri 08:00", "Sun 08:00", "Mon 08:59"], ["Tue 08:00", "Thu 08:00"]),
        ("Sun 22:00-06:00", ["Sun 22:00", "Mon 05:59"], ["Mon 06:00", "Sun 05:00", "Tue 05:00"]),
    ],
)
def test_a_window_holds_what_it_says(text: str, inside: list[str], outside: list[str]) -> None:
    window = parse(text)
    assert window is not None
    assert [moment for moment in inside if not window.holds(*_moment(moment))] == []
    assert [moment for moment in outside if window.holds(*_moment(moment))] == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Mon",
        "mon 07:00-08:00",
        "Monday 07:00-08:00",
        "Mon 7:00-8:00",
        "Mon 07:00-24:01",
        "Mon 24:00-07:00",
        "Mon 07:60-08:00",
        "Mon 07:00-07:00",
        "Mon-Tue-Wed 07:00-08:00",
        "Mon, Tue 07:00-08:00",
        "Mon 07:00-08:00 ",
    ],
)
def test_anything_else_is_no_window(text: str) -> None:
    assert parse(text) is None


def _moment(text: str) -> tuple[int, int]:
    day, _, time = text.partition(" ")
    hour, _, minute = time.partition(":")
    return DAYS.index(day), int(hour) * 60 + int(minute)
