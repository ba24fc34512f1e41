"""`freeze` and `thaw`: whether anything ships at all."""

from datetime import datetime

from gatekeeper.errors import Exit
from gatekeeper.librarian.verbs.hearing import Hearing
from gatekeeper.model import FROZEN, NO_OID, Reason
from gatekeeper.repo import frozen
from gatekeeper.repo.frozen import Freeze
from gatekeeper.repo.git import Change


def freeze(hearing: Hearing) -> Reason | None:
    """Ship nothing until a person says `thaw`, or until the moment that was named."""
    until = hearing.decision.args.get("until", "")
    if until and not _comes(until, hearing.gate.clock()):
        hearing.decline(f"{until!a} is no moment to come: write it like 2026-01-31T07:30:00Z.", Exit.USAGE)
        return None
    words = f"{hearing.decision.message} ({hearing.by}{f', until {until}' if until else ''})"
    set_in(hearing, Freeze(words, until=until or None))
    hearing.conclude("frozen", f"Nothing ships until it is thawed: {words}", until=until)
    return None


def thaw(hearing: Hearing) -> Reason | None:
    """End a freeze, and what `abort` stopped."""
    commit = hearing.gate.git.resolve(FROZEN)
    if commit is None:
        hearing.decline("The gate is not frozen.", Exit.DONE)
        return None
    hearing.gate.ledger.move(Change(FROZEN, commit, NO_OID))
    hearing.conclude("thawed", "The gate ships again.")
    return None


def set_in(hearing: Hearing, freeze: Freeze) -> None:
    """Note the freeze for the decision's record; it takes the place of one that is in force."""
    gate = hearing.gate
    commit = frozen.write(gate.signer, freeze, at=gate.clock())
    gate.ledger.move(Change(FROZEN, gate.git.resolve(FROZEN) or NO_OID, commit))


def _comes(until: str, now: float) -> bool:
    try:
        moment = datetime.fromisoformat(until)
    except ValueError:
        return False
    return moment.tzinfo is not None and moment.timestamp() > now
