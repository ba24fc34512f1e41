"""Puts back what the watch found changed, once a person has looked and says so. What it replaces is kept and named."""

from collections.abc import Iterator

from gatekeeper.gate import Gate
from gatekeeper.librarian.present import newest_of_ours
from gatekeeper.librarian.watch import holds, signed, tampering
from gatekeeper.model import KEEP, LOG, NO_OID, RELEASE, REQUESTS, TAGS, Oid, Ref
from gatekeeper.repo import create, edition, hooks
from gatekeeper.repo.git import Change

_FOREIGN = f"{KEEP}foreign/"


def repair(gate: Gate) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what was wrong before, and what still is: a tag that is gone or forged cannot be made again.

    Settings and hooks are written anew; `release` and the log go back to what the newest signed version says; refs
    that nobody may make are moved out of the way, below refs/gate/keep/foreign/.
    """
    before = tampering(gate, gate.git.refs())
    gate.git.run("symbolic-ref", "HEAD", RELEASE)
    create.configure(gate.git)
    hooks.install(gate.home.path)
    edition.write(gate.home)
    gate.git.transact(tuple(_moves(gate)), reason="repair", lock_fd=gate.ledger.lock.fd)
    return before, tampering(gate, gate.git.refs())


def _moves(gate: Gate) -> Iterator[Change]:
    refs = gate.git.refs()
    for ref, oid in refs.items():
        if ref != RELEASE and not ref.startswith(("refs/gate/", REQUESTS, TAGS)):
            yield from _aside(refs, ref, oid)
            yield Change(ref, oid, NO_OID)
    if create.PLACEHOLDER not in refs:
        yield create.placeholder(refs[RELEASE])
    newest = newest_of_ours(gate.git, refs)
    if newest is None or not signed(gate, newest.oid):
        return
    live, head, log = newest.tag.commit, newest.tag.log, refs.get(LOG)
    if live is not None and live != refs[RELEASE]:
        yield from _aside(refs, RELEASE, refs[RELEASE])
        yield Change(RELEASE, refs[RELEASE], live)
    if head is not None and (log is None or not holds(gate, log, head)):
        yield from _aside(refs, LOG, log) if log else ()
        yield Change(LOG, log or NO_OID, head)


def _aside(refs: dict[Ref, Oid], ref: Ref, oid: Oid) -> Iterator[Change]:
    place = Ref(f"{_FOREIGN}{oid[:12]}/{ref.removeprefix('refs/').replace('/', '-')}")
    if place not in refs:
        yield Change(place, NO_OID, oid)
