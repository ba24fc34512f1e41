"""Writes the gate's own state: records, results and refs, all of one step in one transaction.

Only who holds the lock can have one. Nothing is visible before `commit`; after it, everything is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from gatekeeper.model import LOG, NO_OID, RESULTS, Actor, Assurance, Oid, Ref, Result, State
from gatekeeper.repo import records, results
from gatekeeper.repo.git import Change, Git
from gatekeeper.repo.lock import Lock
from gatekeeper.repo.records import Record
from gatekeeper.repo.sign import NAME, Signer

EMPTY_TREE = Oid("4b825dc642cb6eb9a060e54bf8d69288fbee4904")
LIBRARIAN = Actor(NAME, Assurance.KERNEL, "librarian")

_SIGNED_FOR = frozenset({"started", "stopped", "configured", "blocked", "ship_failed", "tampered", "stranded"})
"""Events after which nothing may come for long: their records are signed at once, and so is what a person decided."""

Clock = Callable[[], float]
"""Seconds since 1970."""


def utc(at: float) -> str:
    """Return an instant as records and results write it: UTC, whole seconds."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Ledger:
    """The pen of the one writer. `mode` is the set-up, "advisory" or "enforced", that every record carries."""

    git: Git
    signer: Signer
    lock: Lock
    clock: Clock
    mode: str = "advisory"
    _records: list[tuple[str, str, Actor, dict[str, Any]]] = field(default_factory=list)
    _results: list[Result] = field(default_factory=list)
    _changes: list[Change] = field(default_factory=list)

    def record(self, event: str, subject: str, *, actor: Actor = LIBRARIAN, **data: Any) -> None:
        """Note an event for the next commit; `data` is JSON."""
        self._records.append((event, subject, actor, data))

    def next_sequence(self) -> int:
        """Return the number that the next noted record will have."""
        last = records.newest(self.git)
        return (last.record.sequence if last else 0) + len(self._records) + 1

    def result(self, result: Result) -> None:
        """Note a request's new state for the next commit, which sets when it came to it."""
        self._results.append(result)

    def move(self, *changes: Change) -> None:
        """Note moves of other refs for the next commit."""
        self._changes.extend(changes)

    def commit(self, reason: str, *, signed: bool = False) -> bool:
        """Write all that was noted; False when another ref than the Librarian's own was in the way."""
        changes = self.prepare(signed=signed)
        return not changes or self.git.transact(changes, reason=reason, lock_fd=self.lock.fd)

    def prepare(self, *, signed: bool = False) -> tuple[Change, ...]:
        """Write the objects only, and return the moves that publish them: log, results, then the rest in order."""
        noted, self._records = self._records, []
        written, self._results = self._results, []
        moves, self._changes = self._changes, []
        at = self.clock()
        log = self._write_records(noted, at, signed=signed)
        refs = self.git.refs(RESULTS) if written else {}
        return (*log, *(self._write_result(result, refs, at) for result in written), *moves)

    def _write_records(
        self, noted: list[tuple[str, str, Actor, dict[str, Any]]], at: float, *, signed: bool
    ) -> tuple[Change, ...]:
        if not noted:
            return ()
        last = records.newest(self.git)
        old, sequence = (last.oid, last.record.sequence) if last else (None, 0)
        head = old
        signed = signed or any(event in _SIGNED_FOR or by.role == "operator" for event, _, by, _ in noted)
        for number, (event, subject, actor, data) in enumerate(noted, sequence + 1):
            record = Record(event, subject, number, utc(at), actor, self.mode, data)
            sign = signed and number == sequence + len(noted)
            head = records.write(self.signer, EMPTY_TREE, record, parent=head, at=at, signed=sign)
        assert head is not None  # noqa: S101 - the loop ran
        return (Change(LOG, old or NO_OID, head),)

    def _write_result(self, result: Result, refs: dict[Ref, Oid], at: float) -> Change:
        ref = Ref(RESULTS + result.id)
        known = refs.get(ref, NO_OID)
        old = None if known == NO_OID else results.read(self.git, known)
        same = old is not None and _stands(old) == _stands(result)
        since = old.updated_at if old is not None and same else utc(at)
        return Change(ref, known, results.write(self.signer, EMPTY_TREE, replace(result, updated_at=since), at=at))


def _stands(result: Result) -> tuple[Oid, int, State, str | None]:
    return (result.tip, result.attempt, result.state, result.reason.code if result.reason else None)
