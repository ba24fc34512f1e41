"""Lines on a terminal: as wide as it is, in cells, and a command that is broken can be pasted all the same."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper import process
from gatekeeper.commands import paper


@given(st.text(max_size=200), st.integers(4, 90))
def test_no_line_is_wider_than_its_room_and_no_word_is_lost(text: str, room: int) -> None:
    lines = paper.wrapped(text, room)
    assert all(paper.cells(line) <= room for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@given(st.text(max_size=100), st.integers(2, 90))
def test_what_is_cut_says_so(text: str, room: int) -> None:
    cut = paper.cut(text, room)
    assert paper.cells(cut) <= room
    assert cut == text or cut.endswith("…")


def test_signs_of_east_asia_take_two_cells_and_marks_none() -> None:
    assert [paper.cells(text) for text in ("abc", "中文", "e\u0301")] == [3, 4, 1]


def test_a_command_that_is_too_long_is_one_command_when_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    argv = ("gatekeeper", "reject", "x" * 30, "-m", "a reason of several words", "more", "words")
    lines = [click.unstyle(line) for line in paper.command(argv)]
    assert all(paper.cells(line) <= 50 for line in lines)
    pasted = "\n".join(lines).replace("->", "printf '%s|'", 1)
    assert process.run(("sh", "-c", pasted)).text == "|".join((*argv, ""))


@pytest.mark.parametrize(("variables", "wanted"), [({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({}, None)])
def test_colour_is_left_to_the_stream_unless_somebody_wants_none(
    variables: dict[str, str], wanted: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert paper.colour() is wanted
