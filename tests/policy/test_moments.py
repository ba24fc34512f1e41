"""A time to come, as people write it, by the clock on the wall."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gatekeeper.policy.moments import moment

COPENHAGEN = ZoneInfo("Europe/Copenhagen")
EVENING = datetime(2026, 3, 28, 22, 15, tzinfo=COPENHAGEN)
"""The night in which summer time begins."""


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("8h", "2026-03-29T05:15"),
        ("1d2h30m", "2026-03-29T23:45"),
        ("07:30", "2026-03-29T05:30"),
        ("22:15", "2026-03-29T20:15"),
        ("23:00", "2026-03-28T22:00"),
        ("2026-03-30T07:00", "2026-03-30T05:00"),
        ("2026-03-30T07:00:00Z", "2026-03-30T07:00"),
        ("2026-03-29", "2026-03-28T23:00"),
    ],
)
def test_what_people_write_is_understood(text: str, meant: str) -> None:
    found = moment(text, EVENING)
    assert found is not None
    assert found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M") == meant


@pytest.mark.parametrize("text", ["", "soon", "0h", "24:00", "2026-03-28T22:15", "2020-01-01", "8", "-3h"])
def test_no_moment_or_one_that_is_past_is_none(text: str) -> None:
    assert moment(text, EVENING) is None
