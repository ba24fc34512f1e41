"""`keys rotate`: a new signing key; the old one counts for what it has signed."""

from gatekeeper.errors import Exit
from gatekeeper.librarian.verbs.hearing import Hearing
from gatekeeper.model import Reason
from gatekeeper.repo import rotation


def rotate(hearing: Hearing) -> Reason | None:
    """Record the change, signed by the old key with a proof by the new one, then put the new one in its place."""
    gate = hearing.gate
    if not gate.home.key.is_file():
        hearing.decline(f"There is no key at {gate.home.key}.", Exit.FAILED)
        return None
    told = rotation.prepare(gate.home, gate.git, now=gate.clock())
    new, old = (rotation.fingerprint(told[which]) for which in ("new", "old"))
    text = f"The key is {new} from now on; {old} counts for what it signed until {told['until']}."
    hearing.conclude(rotation.EVENT, text, **told)
    rotation.settle(gate.home, gate.git)
    return None
