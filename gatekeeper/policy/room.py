"""What goes when the gate's folders take more room than they may. Pure."""

from collections.abc import Sequence
from typing import NamedTuple


class Taken(NamedTuple):
    """A folder or file, and the room that it alone takes: what it shares with a newer one counts there."""

    name: str
    size: int
    at: float
    """When it was made, or used last."""
    keep: bool = False
    """It is in use, or the way back."""


def too_much(taken: Sequence[Taken], most: int) -> tuple[str, ...]:
    """Return what goes, oldest first, until `most` bytes are left; what is kept stays though it be more.

    What takes no room of its own stays as well: its end would free nothing.
    """
    left, gone = sum(one.size for one in taken), list[str]()
    for one in sorted(taken, key=lambda one: one.at):
        if left > most and one.size and not one.keep:
            gone.append(one.name)
            left -= one.size
    return tuple(gone)
