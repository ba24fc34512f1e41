"""`repair`: puts back what the watch found changed, once a person has looked."""

from gatekeeper.errors import Exit
from gatekeeper.librarian import repairing
from gatekeeper.librarian.verbs.hearing import Hearing
from gatekeeper.model import Reason


def repair(hearing: Hearing) -> Reason | None:
    """Mend what can be mended without the backup, and name what was found."""
    before, after = repairing.repair(hearing.gate)
    if after:
        hearing.decline(f"What is left needs the backup: {' '.join(after)}", Exit.TAMPERED)
        return None
    what = " ".join(before) or "Nothing was out of place."
    hearing.conclude("repaired", f"Put back: {what}" if before else what, found=list(before))
    return None
