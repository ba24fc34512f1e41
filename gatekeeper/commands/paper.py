"""How lines meet a terminal: its width, wrapping, colour. What agents wrote must come in escaped already.

Colours only stress what the words say as well: `click.echo` drops them where nobody would see any.
"""

import os
import shutil
import unicodedata
from collections.abc import Iterator, Sequence

import click

from gatekeeper.policy.answer import typed

_NARROWEST, _USUAL, _WIDEST = 40, 80, 120
LABEL = 9
"""Cells before the text of an entry."""


def width() -> int:
    """Return the cells of a line: the terminal's, or 80; between 40 and 120, that eyes find the next line."""
    return max(_NARROWEST, min(shutil.get_terminal_size((_USUAL, 24)).columns, _WIDEST))


def colour() -> bool | None:
    """Return what click calls `color`: None leaves it to the stream, False obeys NO_COLOR or a dumb terminal."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def cells(text: str) -> int:
    """Return how many cells a text takes: signs of East Asia take two, marks on a sign none."""
    return len(text) if text.isascii() else sum(_cells(char) for char in text)


def _cells(char: str) -> int:
    return 0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, room: int) -> str:
    """Return as much of a text as fits, with a sign that there was more."""
    return text if cells(text) <= room else f"{_head(text, room - 1)}…"


def wrapped(text: str, room: int) -> list[str]:
    """Break a text at its spaces into lines that fit; a word longer than a line goes on in the next one."""
    lines, line = list[str](), ""
    for word in text.split(" "):
        if line and cells(line) + 1 + cells(word) > room:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        while cells(line) > room:
            lines.append(_head(line, room))
            line = line[len(lines[-1]) :]
    return [*lines, line]


def _head(text: str, room: int) -> str:
    taken = 0
    for at, char in enumerate(text):
        taken += _cells(char)
        if taken > room:
            return text[:at]
    return text


def entry(label: str, text: str, *, hue: str | None = None, indent: int = LABEL) -> Iterator[str]:
    """Yield a text beside its label, which alone is coloured; further lines stand below the text."""
    first, *rest = wrapped(text, width() - indent)
    yield f"{hued(label, hue)}{' ' * max(1, indent - cells(label)) if first else ''}{first}"
    yield from (f"{' ' * indent}{line}" for line in rest)


def command(argv: Sequence[str], why: str = "", *, indent: int = LABEL) -> Iterator[str]:
    """Yield a command to type; one that is longer than a line is broken so that it can be pasted all the same.

    What it does stands behind it, where there is room for that.
    """
    lines, room = [""], width() - indent - 5
    for word in (typed((word,)) for word in argv):
        if lines[-1] and cells(lines[-1]) + 1 + cells(word) > room:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    told = f"   {why}" if why and cells(lines[-1]) + 3 + cells(why) <= room else ""
    for number, line in enumerate(lines):
        mark, end = ("->" if number == 0 else "  "), (" \\" if line is not lines[-1] else "")
        yield f"{' ' * indent}{mark} {hued(line, 'cyan')}{end}{told if line is lines[-1] else ''}"


def hued(text: str, hue: str | None) -> str:
    """Return a text in a colour."""
    return click.style(text, fg=hue, bold=hue in ("red", "yellow")) if hue else text
