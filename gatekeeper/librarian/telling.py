"""What the heartbeats of one Librarian tell people, and mirrors. Nothing here may end a heartbeat, or hold it up."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from msgspec import Struct
from msgspec.structs import replace

from gatekeeper.alerts import post
from gatekeeper.alerts.desk import Desk
from gatekeeper.config.force import in_force
from gatekeeper.config.schema import Gate as Settings
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.home import Home
from gatekeeper.librarian import alarming, mirroring
from gatekeeper.librarian.beside import Beside
from gatekeeper.librarian.mirroring import Errand
from gatekeeper.librarian.showing import Showing
from gatekeeper.model import RESULTS
from gatekeeper.policy import overdue
from gatekeeper.policy.alerting import Cause, Sight
from gatekeeper.process import Cancel
from gatekeeper.repo import results
from gatekeeper.repo.ledger import Clock, utc
from gatekeeper.ship import runs

Tell = Callable[[str], None]


class _Due(Struct, frozen=True):
    """What a delivery needs to know besides the book."""

    settings: Settings
    version: str | None


class Telling:
    """Takes note of each heartbeat, then delivers: at once, or in the background of a Librarian that lives on."""

    def __init__(self, home: Home, clock: Clock, tell: Tell, *, background: bool = False) -> None:
        self._home, self._clock, self.tell = home, clock, tell
        self._desk, self._cancel = Desk(home, clock), Cancel()
        self._showing = Showing(home, clock, self._desk, tell)
        if background:
            self._showing.live()
        self._posting = Beside("alerts", self._deliver) if background else None
        self._mirroring = Beside("mirrors", self._mirror) if background else None

    def begin(self, gate: Gate, event: str | None) -> None:
        """Record what was told since the last heartbeat; at a start also notice how long nobody was there."""
        gate.ledger.heard = lambda: self._showing.changed(gate.config.gate)
        with self._unharmed():
            self._record(gate)
            late = _away(gate) if event == "started" else None
            if late is not None:
                self.tell(f"error: {late.code} {late.text}")
                self._desk.note(Sight((late,)), gate.config.gate, beat=False)

    def end(self, gate: Gate, sight: Sight, more: Iterable[Cause], *, whole: bool) -> None:
        """Tell what a heartbeat found, and bring the mirrors up to the release; `whole` says that it came to rest."""
        with self._unharmed():
            found = replace(sight, causes=(*sight.causes, *more))
            if whole and not _tampered(found.causes):
                self._send_to_mirrors(gate)
            found = replace(found, causes=(*found.causes, *mirroring.causes(self._desk.book)))
            found = replace(found, fates=self._fates(gate, found))
            self._desk.note(found, gate.config.gate, beat=whole)
            self._showing.changed(gate.config.gate)
            self._post(gate.config.gate)
            if self._posting is None:
                self._record(gate)

    def fail(self, problem: GateError | OSError) -> None:
        """Tell that a heartbeat could not do its work."""
        with self._unharmed():
            settings = _settings(self._home)
            self._desk.note(alarming.failed(problem), settings, beat=False)
            self._showing.changed(settings)
            self._post(settings)

    def close(self) -> None:
        """Wait for what is being sent, which has a bound; end a push to a mirror, with which the next start goes on."""
        self._cancel.throw()
        with self._unharmed():
            self._showing.end(_settings(self._home), patience=post.LONGEST)
        for beside in (self._posting, self._mirroring):
            if beside is not None:
                beside.close(2 * post.LONGEST)
        self._cancel.close()

    def _post(self, settings: Settings) -> None:
        live = runs.load(self._home.live_plan)
        due = _Due(settings, live.stamp.version if live else None)
        self._deliver(due) if self._posting is None else self._posting.send(due)

    def _deliver(self, due: _Due) -> None:
        with self._unharmed():
            self._desk.deliver(due.settings, due.version)

    def _send_to_mirrors(self, gate: Gate) -> None:
        live = runs.load(gate.home.live_plan)
        todo = mirroring.errand(gate, self._desk.book, live.stamp.version if live else None)
        if todo is not None:
            self._mirror(todo) if self._mirroring is None else self._mirroring.send(todo)

    def _mirror(self, todo: Errand) -> None:
        with self._unharmed():
            mirroring.carry_out(todo, self._desk.book, self._clock, self._cancel)

    def _record(self, gate: Gate) -> None:
        """Move notes into the log, first there and then out of the book; not into a log that a person must look at."""
        with self._desk.book.open() as draft:
            page = draft.page
        if not page.notes or _tampered(known.cause for known in page.causes.values() if known.over is None):
            return
        for note in page.notes:
            gate.ledger.record(note.event, note.subject, told_at=utc(note.at), **note.data)
        gate.ledger.commit("told")
        with self._desk.book.open() as draft:
            draft.page = replace(draft.page, notes=tuple(note for note in draft.page.notes if note not in page.notes))

    def _fates(self, gate: Gate, found: Sight) -> dict[str, str]:
        """Return what became of the requests that were a cause and are none any more."""
        with self._desk.book.open() as draft:
            before = {known.cause.id for known in draft.page.causes.values() if known.cause.id}
        return {id_: said for id_ in before - {cause.id for cause in found.causes} if (said := _fate(gate, id_))}

    @contextmanager
    def _unharmed(self) -> Iterator[None]:
        try:
            yield
        except Exception as problem:  # noqa: BLE001 - a gate whose alerts do not work goes on, and says so
            self.tell(f"error: alerts do not work: {problem!r}")


def _tampered(causes: Iterable[Cause]) -> bool:
    return any(cause.scope == "repository" for cause in causes)


def _fate(gate: Gate, id_: str) -> str | None:
    oid = gate.git.resolve(RESULTS + id_)
    if oid is None:
        return None
    result = results.read(gate.git, oid)
    return f"{str(result.state).replace('_', ' ')}{f' in {result.version}' if result.version else ''}"


def _away(gate: Gate) -> Cause | None:
    """Return the alarm of a Librarian that comes back later than its next heartbeat and a whole period more."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        beat, now = json.loads(gate.home.beat.read_bytes()), gate.clock()
        late = overdue.late(beat["last"], beat["next"], now=now)
        return alarming.away(late, now=now) if late else None
    return None


def _settings(home: Home) -> Settings:
    try:
        return in_force(home).config.gate
    except GateError:
        return Settings()
