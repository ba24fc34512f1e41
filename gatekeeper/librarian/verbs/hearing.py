"""One decision before the Librarian, and the one record that it ends in."""

from typing import Any

from msgspec import Struct

from gatekeeper.errors import Exit
from gatekeeper.gate import Gate
from gatekeeper.librarian.hands import Hands
from gatekeeper.model import Decision, Oid, Result
from gatekeeper.policy.step import Snapshot


class Hearing(Struct, frozen=True):
    """Who wants what, what was seen when it was taken up, and what it is carried out with."""

    gate: Gate
    seen: Snapshot
    decision: Decision
    hands: Hands

    @property
    def by(self) -> str:
        """The person's name."""
        return self.decision.actor.name

    def conclude(self, event: str, text: str, **data: Any) -> None:
        """Write the record that ends the decision, with all that the ledger has noted for it, in one transaction."""
        told = {"decision": self.decision.key, "verb": self.decision.verb, "message": self.decision.message, **data}
        self.gate.ledger.record(event, text, actor=self.decision.actor, **told)
        self.gate.ledger.commit(event)

    def decline(self, text: str, status: Exit) -> None:
        """End the decision with nothing changed; `status` is what the person's command ends with."""
        self.conclude("declined", text, exit=int(status))

    def standing(self) -> Result | None:
        """Return the open request that the decision is about, or None."""
        found = (standing.result for standing in self.seen.standings)
        return next((result for result in found if result.id == self.decision.id), None)

    def moved_on(self, tip: Oid) -> bool:
        """Decline what was decided about another tip than the present one; return whether it was."""
        wanted = self.decision.args.get("tip", "")
        if wanted and not tip.startswith(wanted):
            text = f"{self.decision.id} has moved on to {tip[:12]}: look at it again before you decide."
            self.decline(text, Exit.REFUSED)
            return True
        return False
