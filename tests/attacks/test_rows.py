"""No row of the threat model is forgotten, and docs/security.md says of each where it is shown."""

import re
from pathlib import Path

from attacks.rows import ELSEWHERE, GAPS, LAST, NOT_SHOWN

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "security.md").read_text()


def shown_here() -> set[int]:
    named = (
        re.findall(r"^def test_(\d+)_", path.read_text(), re.MULTILINE)
        for path in Path(__file__).parent.glob("test_*.py")
    )
    return {int(number) for numbers in named for number in numbers}


def test_each_row_is_shown_once() -> None:
    rows = set(range(1, LAST + 1)) - GAPS
    assert rows == shown_here() | set(ELSEWHERE) | set(NOT_SHOWN)
    assert not shown_here() & set(ELSEWHERE)
    assert not set(NOT_SHOWN) & (shown_here() | set(ELSEWHERE))


def test_what_is_shown_elsewhere_is_there() -> None:
    for row, place in ELSEWHERE.items():
        file, _, name = place.partition("::")
        assert f"def {name}(" in (TESTS / file).read_text(), row


def test_the_page_holds_each_row() -> None:
    table = {int(number) for number in re.findall(r"^\| (\d+) \| ", PAGE, re.MULTILINE)}
    assert table == shown_here() | set(ELSEWHERE)
    for row, place in ELSEWHERE.items():
        assert f"| {row} | `{place}` |" in PAGE
    for row, why in NOT_SHOWN.items():
        assert f"- Row {row}: {why}" in PAGE
