"""Exit statuses, and the one exception that means "this cannot go on, and here is what to do"."""

from enum import IntEnum


class Exit(IntEnum):
    """What every command ends with; the table of docs/reference.md. An unknown status means failure."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    BLOCKED = 10
    REFUSED = 11
    WITHDRAWN = 12
    ROLLED_BACK = 13
    NO_GATE = 20
    LOCKED = 21
    CONFIG = 22
    TAMPERED = 30
    BUG = 70
    WAITING = 75
    INTERRUPTED = 130


class GateError(Exception):
    """An expected failure that ends the present command or step.

    `text` is what happened and why, in full sentences; `code` is a GATE code where the table has one;
    `hints` are the next steps for a person, a line each; `exit` is the status of the command.
    """

    def __init__(
        self,
        text: str,
        *,
        code: str | None = None,
        hints: tuple[str, ...] = (),
        exit: Exit = Exit.FAILED,  # noqa: A002
    ) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.hints = hints
        self.exit = exit


def printable(text: str, most: int | None = None) -> str:
    """Return what others say as it may stand in an error: at most so many characters, a ? for each that is no print."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:most])
