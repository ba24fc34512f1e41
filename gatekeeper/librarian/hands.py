"""What a step is carried out with, besides the gate."""

from collections.abc import Callable

from msgspec import Struct

from gatekeeper.librarian.checking import Checks
from gatekeeper.librarian.recollection import Recollection
from gatekeeper.process import Cancel

Tell = Callable[[str], None]
"""Shows a person a line of progress."""


class Hands(Struct, frozen=True):
    """What is known, what runs, how to be stopped, who is told."""

    mind: Recollection
    checks: Checks
    cancel: Cancel
    tell: Tell
    knock: tuple[Cancel, ...] = ()
    """Thrown when something new has come that need not interrupt the checks."""
