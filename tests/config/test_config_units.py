"""Times and sizes: what people write, and the way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.config.units import seconds, size, spell_seconds, spell_size


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0s", 0),
        ("90s", 90),
        ("15m", 900),
        ("1h30m", 5400),
        ("2w", 1_209_600),
        ("400d", 34_560_000),
        ("1.6s", 1.6),
        ("250ms", 0.25),
        ("1m500ms", 60.5),
        ("", None),
        ("15", None),
        ("15 m", None),
        ("-1s", None),
        ("30m1h", None),
        ("1m1m", None),
        ("1M", None),
        ("\u0661s", None),
        ("9" * 21 + "s", None),
    ],
)
def test_times(text: str, amount: float | None) -> None:
    assert seconds(text) == amount


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0B", 0),
        ("64K", 65_536),
        ("512M", 536_870_912),
        ("1.5G", 1_610_612_736),
        ("2T", 2_199_023_255_552),
        ("", None),
        ("512", None),
        ("512MB", None),
        ("512m", None),
        ("1G1M", None),
    ],
)
def test_sizes(text: str, amount: int | None) -> None:
    assert size(text) == amount


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0s"), (900, "15m"), (5400, "1h30m"), (1.6, "1.6s"), (90, "1m30s"), (60.25, "1m0.25s"), (1_209_600, "14d")],
)
def test_times_are_spelled_short(amount: float, text: str) -> None:
    assert spell_seconds(amount) == text


@given(st.integers(min_value=0, max_value=10**12))
def test_a_spelled_time_reads_the_same_to_the_millisecond(milliseconds: int) -> None:
    read = seconds(spell_seconds(milliseconds / 1000))
    assert read is not None
    assert round(read * 1000) == milliseconds


@given(st.integers(min_value=1, max_value=2**60))
def test_a_spelled_size_reads_the_same(amount: int) -> None:
    assert size(spell_size(amount)) == amount
