"""Writes the gate's own state: records, results and refs, all of one step in one transaction.

Only who holds the lock can have one. Nothing is visible before `commit`; after it, everything is.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from gatekeeper.config.standing import Mode
from gatekeeper.model import LOG, NO_OID, RESULTS, Actor, Assurance, Oid, Ref, Result, State
from gatekeeper.repo import drafts, records, results
from gatekeeper.repo.drafts import Draft
from gatekeeper.repo.git import Change, Git
from gatekeeper.repo.lock import Lock
from gatekeeper.repo.records import Record
from gatekeeper.repo.sign import NAME, Signer

EMPTY_TREE = Oid("4b825dc642cb6eb9a060e54bf8d69288fbee4904")
LIBRARIAN = Actor(NAME, Assurance.KERNEL, "librarian")

_SIGNED_FOR = frozenset(
    {"started", "stopped", "configured", "upgraded", "blocked", "ship_failed", "tampered", "stranded"}
)
"""Events after which nothing may come for long: their records are signed at once, and so is what a person decided."""

Clock = Callable[[], float]
"""Seconds since 1970."""


def utc(at: float) -> str:
    """Return an instant as records and results write it: UTC, whole seconds."""
    return records.moment(at)


class Ledger(Struct):
    """The pen of the one writer. `mode` is the set-up, "advisory" or "enforced", that every record carries."""

    git: Git
    signer: Signer
    lock: Lock
    clock: Clock
    mode: Mode = "advisory"
    heard: Callable[[], None] = lambda: None
    """Called after each commit: something that people see may have changed."""
    _records: list[tuple[str, str, Actor, dict[str, Any]]] = field(default_factory=list)
    _results: list[Result] = field(default_factory=list)
    _changes: list[Change] = field(default_factory=list)
    _last: int | None = None
    """The newest record's number, once it was looked up for what is noted now."""

    def record(self, event: str, subject: str, *, actor: Actor = LIBRARIAN, **data: Any) -> None:
        """Note an event for the next commit; `data` is JSON."""
        self._records.append((event, subject, actor, data))

    def next_sequence(self) -> int:
        """Return the number that the next noted record will have."""
        if self._last is None:
            last = records.newest(self.git)
            self._last = last.record.sequence if last else 0
        return self._last + len(self._records) + 1

    def result(self, result: Result) -> None:
        """Note a request's new state for the next commit, which sets when it came to it."""
        self._results.append(result)

    def move(self, *changes: Change) -> None:
        """Note moves of other refs for the next commit."""
        self._changes.extend(changes)

    def commit(self, reason: str, *, signed: bool = False) -> bool:
        """Write all that was noted; False when another ref than the Librarian's own was in the way."""
        changes = self.prepare(signed=signed)
        moved = not changes or self.git.transact(changes, reason=reason, lock_fd=self.lock.fd)
        self.heard()
        return moved

    def prepare(self, *, signed: bool = False) -> tuple[Change, ...]:
        """Write the objects only, and return the moves that publish them: log, results, then the rest in order."""
        noted, self._records = self._records, []
        written, self._results = self._results, []
        moves, self._changes = self._changes, []
        at, self._last = self.clock(), None
        refs = self.git.refs(*(RESULTS + result.id for result in written)) if written else {}
        composed = {Ref(RESULTS + result.id): self._compose(result, refs, at) for result in written}
        log = self._write(noted, at, tuple(composed.values()), signed=signed)
        return (*log, *(Change(ref, refs.get(ref, NO_OID), one.oid) for ref, one in composed.items()), *moves)

    def _write(
        self, noted: list[tuple[str, str, Actor, dict[str, Any]]], at: float, beside: tuple[Draft, ...], *, signed: bool
    ) -> tuple[Change, ...]:
        """Write all in one process; the last record is written behind the others when it is to be signed."""
        last = records.newest(self.git) if noted else None
        old = head = last.oid if last else None
        chain, signs = (
            list[Draft](),
            signed or any(event in _SIGNED_FOR or by.role == "operator" for event, _, by, _ in noted),
        )
        made = [
            Record(event, subject, number, utc(at), actor, self.mode, data)
            for number, (event, subject, actor, data) in enumerate(noted, (last.record.sequence if last else 0) + 1)
        ]
        for record in made[:-1] if signs else made:
            chain.append(records.draft(EMPTY_TREE, record, parent=head, at=at))
            head = chain[-1].oid
        drafts.write(self.git, (*beside, *chain))
        if made and signs:
            head = records.write(self.signer, EMPTY_TREE, made[-1], parent=head, at=at)
        return (Change(LOG, old or NO_OID, head),) if made and head else ()

    def _compose(self, result: Result, refs: Mapping[Ref, Oid], at: float) -> Draft:
        known = refs.get(Ref(RESULTS + result.id))
        old = None if known is None else results.read(self.git, known)
        same = old is not None and _stands(old) == _stands(result)
        since = old.updated_at if old is not None and same else utc(at)
        return results.draft(EMPTY_TREE, replace(result, updated_at=since), at=at)


def _stands(result: Result) -> tuple[Oid, int, State, str | None]:
    return (result.tip, result.attempt, result.state, result.reason.code if result.reason else None)
