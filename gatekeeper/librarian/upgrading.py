"""Takes a home over from another gatekeeper, before the first heartbeat: hooks, settings, and whatever changed form.

What somebody else altered meanwhile is never taken for the other gatekeeper's: it is left for the watch to find.
"""

from gatekeeper.gate import Gate
from gatekeeper.librarian.hands import Tell
from gatekeeper.repo import create, edition, hooks, records
from gatekeeper.repo.edition import Edition

_UNKNOWN = Edition(0, "before 0.1.0", "", ())
_NOTED = ("imported", "restored", "upgraded")


def upgrade(gate: Gate, tell: Tell) -> None:
    """Make the home this gatekeeper's and record it; nothing when it is already. Killed half-way, it is done again.

    Hooks go first: until they lie there whole a push is refused, to be repeated (GATE-501), and none is lost.
    """
    home, own = gate.home, edition.own()
    was = edition.read(home)
    if was is not None and (was.format, was.gatekeeper, was.hooks, was.settings, was.becoming) == (
        own.format,
        own.gatekeeper,
        own.hooks,
        own.settings,
        "",
    ):
        return
    if _altered(gate, was):
        return
    before = was or _UNKNOWN
    found = edition.on_disk(home)
    edition.begin(home, before)
    hooks.install(home.path)
    create.configure(gate.git, obsolete=[name for name, _ in before.settings])
    text = f"gatekeeper {before.gatekeeper} (format {before.format}) to {own.gatekeeper} (format {own.format})"
    gate.ledger.record(
        "upgraded",
        text,
        before={"gatekeeper": before.gatekeeper, "format": before.format, "hooks": found},
        after={"gatekeeper": own.gatekeeper, "format": own.format, "hooks": edition.on_disk(home)},
        format=own.format,
    )
    gate.ledger.commit("upgraded")
    edition.write(home)
    tell(f"upgraded: {text}")


def _altered(gate: Gate, was: Edition | None) -> bool:
    """Tell whether hooks or settings are neither as the last gatekeeper left them nor as this one writes them."""
    if not hooks.drift(gate.home.path) and not create.foreign_settings(gate.git):
        return False
    if was is None:
        return any(
            written.record.event in _NOTED and "format" in written.record.data for written in records.walk(gate.git)
        )
    if was.becoming == hooks.digest():
        return False  # killed while it installed them
    return was.found != edition.on_disk(gate.home) or bool(create.foreign_settings(gate.git, was.settings))
