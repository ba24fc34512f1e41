"""What is wrong with `sites.toml`: values for the reader of the file, and the one exception that stops a command."""

import difflib
import json
import re
from collections.abc import Iterable

from msgspec import Struct

from gatekeeper.errors import Exit, GateError

Found = tuple[str, object, str]
"""A key, the value that stands there (`MISSING` for none) and what is wrong with it."""

MISSING = object()
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST = 80


class Problem(Struct, frozen=True):
    """One thing to repair. `key` is dotted, empty for the file as a whole; `value` is as it would be written."""

    file: str
    key: str
    value: str | None
    message: str

    def __str__(self) -> str:
        """Show it on two lines: where it is and what stands there, then what is wrong and what is allowed."""
        place = ": ".join(part for part in (self.file, self.key) if part)
        written = "" if self.value is None else f" = {self.value}" if self.key else f": {self.value}"
        return f"{place}{written}\n  {self.message}"


class ConfigProblems(GateError):  # noqa: N818 - it holds many
    """The file cannot be used; `problems` holds everything that is wrong with it, in the file's order of keys."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        listed = "\n".join(map(str, problems))
        super().__init__(
            f"The configuration has {count}, so nothing was changed (GATE-501).\n{listed}",
            code="GATE-501",
            hints=("Repair the file, then run `gatekeeper config check`.",),
            exit=Exit.CONFIG,
        )
        self.problems = problems


def dotted(key: str, name: str) -> str:
    """Return the key of `name` in the table `key`, quoted where TOML asks for it."""
    shown = name if _BARE.fullmatch(name) else spelled(name)
    return f"{key}.{shown}" if key else shown


def spelled(value: object) -> str:
    """Write a value as TOML would, on one line, cut to what a message can hold, nothing invisible left in it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return visible(text if text.isprintable() else json.dumps(value, default=str))


def visible(text: str) -> str:
    """Return a line that a message can hold: escaped where it is not printable, and not too long."""
    shown = text if text.isprintable() else ascii(text)[1:-1]
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a sentence, with a space before it, that names the nearest of `known`; "" when none is near."""
    near = difflib.get_close_matches(name.casefold(), list(known), n=1)
    return f' Did you mean "{near[0]}"?' if near else ""


def either(words: Iterable[object]) -> str:
    """Join `"a", "b" or "c"`."""
    *most, last = (spelled(word) for word in words)
    return f"{', '.join(most)} or {last}" if most else last
