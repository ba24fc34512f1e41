"""Sends messages through a child process, within a bound of time, and says of each what became of it."""

import json
import sys
from collections.abc import Mapping, Sequence

from msgspec import Struct

from gatekeeper import process
from gatekeeper.alerts.addresses import Address

PATIENCE = 15.0
"""Seconds that one address has."""
_START = 5.0
"""Seconds more for the child itself."""
LONGEST = PATIENCE + _START
"""Seconds after which `send` has an answer for every letter."""
_ENOUGH = 1 << 20


class Letter(Struct, frozen=True):
    """What goes to one address: words for people, and the same as JSON for programs."""

    address: Address
    title: str = ""
    body: str = ""
    level: str = "info"
    data: str = ""


def send(letters: Sequence[Letter], *, patience: float = PATIENCE) -> Mapping[str, str | None]:
    """Return for each address's id what went wrong, None when it arrived. Takes `patience` and a start at most."""
    if not letters:
        return {}
    told = {"seconds": patience, "messages": [_told(number, letter) for number, letter in enumerate(letters)]}
    done = process.run(
        (sys.executable, "-P", "-m", "gatekeeper.alerts.send"),
        stdin=json.dumps(told).encode(),
        timeout=patience + _START,
        limit=_ENOUGH,
        die_with_parent=True,
    )
    said = {answer["n"]: answer["wrong"] for answer in map(json.loads, done.text.splitlines())}
    late = f"no answer within {patience:g} seconds" if done.timed_out else "the sending process died"
    return {letter.address.id: said.get(number, late) for number, letter in enumerate(letters)}


def _told(number: int, letter: Letter) -> dict[str, object]:
    address = letter.address
    texts = {"title": letter.title, "body": letter.body, "level": letter.level, "data": letter.data}
    return {"n": number, "kind": address.kind, "target": address.target, **texts}
