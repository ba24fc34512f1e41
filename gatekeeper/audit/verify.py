"""Proves from Git alone that the audit log, the version tags and `release` are as the Librarian wrote them.

Needs the repository, or a plain mirror of it, and the public key; nothing of the gate's own state is believed.
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from gatekeeper.audit import evidence, judge, keyring, signatures, stored
from gatekeeper.audit.chain import Link
from gatekeeper.audit.evidence import Evidence
from gatekeeper.audit.finding import Finding, Verification
from gatekeeper.audit.remembered import Remembered
from gatekeeper.audit.stored import Stored
from gatekeeper.errors import Exit, GateError
from gatekeeper.model import LOG, RELEASE, SHIPPING, Oid, Version
from gatekeeper.repo.git import Git

_READINGS = 3


def verify(
    git: Git, signers: Path, *, since: Version | None = None, known: Remembered | None = None, other: Oid | None = None
) -> tuple[Verification, Evidence]:
    """Return what was found, and the reading that it was found in.

    `known` spares the signatures that were good before, and its head must still be in the log; `other` is the
    head of a second copy of the log, of which this one must be a part or a continuation.
    """
    for _ in range(_READINGS):
        seen = evidence.gather(git, signers, since=since)
        if LOG not in seen.refs and RELEASE not in seen.refs and not seen.tags:
            raise _no_gate(git)
        asked = tuple(_signed(seen, known))
        findings = tuple(dict.fromkeys((*_findings(seen, known, other), *_signature_faults(seen, asked))))
        if not findings or git.refs() == seen.refs:
            break  # else the Librarian wrote while we read
    told = _told(seen, findings, len(tuple(_signed(seen, None))), len(asked))
    return told, seen


def _findings(seen: Evidence, known: Remembered | None, other: Oid | None) -> Iterator[Finding]:
    if LOG not in seen.refs:
        yield Finding("refs/gate/log is gone: the whole audit log was removed.", 1, LOG)
    yield from judge.replaced(seen)
    yield from seen.chain.findings
    yield from judge.tags(seen)
    yield from judge.releases(seen)
    if seen.start is None:
        yield from judge.outcomes(seen)
    yield from _heads(seen, known, other)


def _no_gate(git: Git) -> GateError:
    text = f"{git.folder} is no repository of a gate: it has no log, no `release` and no version."
    return GateError(text, hints=("git clone --mirror GATE/repo.git MIRROR.git",), exit=Exit.NOT_FOUND)


def _signed(seen: Evidence, known: Remembered | None) -> Iterator[Stored]:
    """Yield what carries a signature of its own and was not found good before.

    A record that a tag names is covered by the tag's signature; whatever a signature covers, it covers with all
    that came before it.
    """
    covered = {tag.log for tag in seen.tags.values()}
    for tag in seen.tags.values():
        old = tag.log in seen.before and tag.log != seen.start
        if tag.stored and tag.log and not old and not (known and known.has_tag(tag)):
            yield tag.stored
    for link in seen.chain.links:
        commit = link.commit
        if commit.signature and commit.oid not in covered and not (known and known.has_record(seen, commit.oid)):
            yield commit


def _signature_faults(seen: Evidence, asked: Iterable[Stored]) -> Iterator[Finding]:
    signatures.require(seen.signers)
    with tempfile.TemporaryDirectory(prefix="keys-") as folder:
        refused = signatures.refused(keyring.known(seen.git, seen.signers, Path(folder)), asked)
    numbers = {live.version: live.sequence for live in seen.lives}
    for tag in seen.tags.values():
        if tag.oid in refused:
            yield Finding(f"the tag {tag.version}: {refused[tag.oid]}.", numbers.get(tag.version), tag.ref)
    for link in seen.chain.links:
        if link.commit.oid in refused:
            yield _record_fault(link, refused[link.commit.oid])


def _record_fault(link: Link, text: str) -> Finding:
    return Finding(f"record {link.place}: {text}.", link.place, link.commit.oid)


def _heads(seen: Evidence, known: Remembered | None, other: Oid | None) -> Iterator[Finding]:
    """What was there before, here or in a copy, must be there still."""
    head = seen.refs.get(LOG)
    for oid, whose in ((known.head if known else None, "the last verification saw"), (other, "the other copy has")):
        if oid is None or oid in seen.chain.places or oid in seen.before:
            continue
        shared = stored.fork(seen.git, oid, head) if head else None
        number = seen.chain.places.get(shared) if shared else None
        if shared is not None and shared == head and whose.startswith("the other"):
            continue  # the copy is ahead of this one, which is no more than late
        rest = f"they differ from record {number + 1} on" if number is not None else "that record is not here any more"
        text = f"the log does not hold the head that {whose} ({oid[:12]}): {rest}."
        yield Finding(text, number + 1 if number is not None else None, LOG)


def _told(seen: Evidence, findings: tuple[Finding, ...], signed: int, asked: int) -> Verification:
    links = seen.chain.links
    first, last = (links[0].record, links[-1].record) if links else (None, None)
    newest = seen.lives[-1] if seen.lives else None
    return Verification(
        repository=str(seen.git.folder),
        head=seen.refs.get(LOG),
        records=len(links),
        span=(first.sequence, last.sequence) if first and last else (0, 0),
        times=(first.at, last.at) if first and last else ("", ""),
        versions=len(seen.lives),
        signatures=signed,
        asked=asked,
        release=f"{newest.version} {newest.commit[:12]}" if newest else "nothing shipped yet",
        findings=findings,
        notes=tuple(_notes(seen, links)),
    )


def _notes(seen: Evidence, links: Iterable[Link]) -> Iterator[str]:
    sealed = {tag.log for tag in seen.tags.values()}
    tail = 0
    for link in links:
        tail = 0 if link.commit.signature or link.commit.oid in sealed else tail + 1
    if tail:
        yield f"the newest {tail} records follow the last signature; the next one will cover them"
    if SHIPPING in seen.refs:
        yield "a ship is under way; its version is judged once it is published"
