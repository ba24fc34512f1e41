"""Keeps the files of www/ up to what the gate is: after each step of a Librarian that lives on, and once at the end.

They are a view and nothing rests on them: what they cannot be is a cause for a person, and stops nothing.
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from gatekeeper import messages
from gatekeeper.alerts.desk import Desk
from gatekeeper.config.schema import Gate as Settings
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.home import Home
from gatekeeper.librarian import gates, shape
from gatekeeper.librarian.beside import Beside
from gatekeeper.librarian.survey import Place, Survey, survey
from gatekeeper.model import LOG
from gatekeeper.page import files
from gatekeeper.page.history import Past, count, fold
from gatekeeper.page.picture import Picture
from gatekeeper.policy.alerting import Cause, Level, Sight, choices
from gatekeeper.policy.answer import typed
from gatekeeper.policy.overdue import stale
from gatekeeper.repo import records
from gatekeeper.repo.ledger import Clock, utc
from gatekeeper.ship import changelog

_SETTLE = 1.0
"""Seconds that changes are gathered for: a look costs as much as a small step of the work."""
_LOOK_BACK = 1500
"""Records that the timeline and the times of jobs are taken from."""


class Showing(Struct):
    """One Librarian's page."""

    home: Home
    clock: Clock
    desk: Desk
    tell: Callable[[str], None]
    _beside: "Beside[Settings] | None" = None

    def live(self) -> None:
        """From now on show changes beside the work."""
        self._beside = Beside("page", self._show, settle=_SETTLE)

    def changed(self, settings: Settings) -> None:
        """Say that there is something new to show."""
        if self._beside is not None:
            self._beside.send(settings)

    def end(self, settings: Settings, *, patience: float = 0.0) -> None:
        """Show the gate as it is left: without a Librarian."""
        if self._beside is not None:
            self._beside.close(patience)
        self._write(settings, lives=False)

    def _show(self, settings: Settings) -> None:
        self._write(settings, lives=True)

    def _write(self, settings: Settings, *, lives: bool) -> None:
        try:
            with gates.for_reading(self.home, clock=self.clock) as gate:
                files.write(self.home.www, files.rendered(picture(gate, lives=lives)))
        except Exception as problem:  # noqa: BLE001 - a gate whose page cannot be written goes on, and says so
            cause = _cause(problem)
            self.tell(f"error: {cause.code} {cause.text}")
            self._note((cause,), settings)
        else:
            self._note((), settings)

    def _note(self, causes: tuple[Cause, ...], settings: Settings) -> None:
        self.desk.note(Sight(causes, frozenset({"page"})), settings, beat=False)


def picture(gate: Gate, *, lives: bool) -> Picture:
    """Look at the gate once; `lives` says whether its Librarian goes on when this was written."""
    seen = survey(gate)
    if not lives:
        seen = replace(seen, librarian=None)
    return Picture(
        gate=gate.home.path.name,
        feed=gate.home.allowed_signers.read_text("utf-8"),
        at=utc(gate.clock()),
        stale=_stale(seen),
        status=shape.of_survey(seen),
        past=_past(gate),
        changelog=changelog.text(changelog.entries(gate.git)),
        next={place.result.id: _choices(place) for place in seen.places if place.position is None},
    )


def _stale(seen: Survey) -> str | None:
    if seen.librarian is None or seen.last_beat is None or seen.next_beat is None:
        return None
    return utc(stale(seen.last_beat, seen.next_beat))


def _past(gate: Gate) -> Past:
    if gate.git.resolve(LOG) is None:
        return Past()
    subjects = gate.git.text("log", "--first-parent", "--format=%s", LOG).splitlines()
    return fold(list(records.walk(gate.git, limit=_LOOK_BACK))[::-1], count(subjects))


def _choices(place: Place) -> tuple[str, ...]:
    result = place.result
    code = result.reason.code if result.reason else ""
    cause = Cause("", code, "", id=result.id, tip=result.tip)
    return tuple(typed(("gatekeeper", *argv)) for argv in choices(cause))


def _cause(problem: Exception) -> Cause:
    why = str(problem) if isinstance(problem, GateError | OSError) else repr(problem)
    code = getattr(problem, "code", None) or ("GATE-503" if isinstance(problem, OSError) else "GATE-506")
    return Cause(f"page/www/{code}", code, messages.render("alert/page", why=why).strip(), Level.WARNING)
