"""Holds refs, tags and releases against the records: each function takes the evidence and yields what is wrong.

Signatures are not judged here: `verify` asks ssh-keygen about them.
"""

from collections.abc import Iterator
from itertools import pairwise

from gatekeeper.audit import stored
from gatekeeper.audit.evidence import Evidence, Tag
from gatekeeper.audit.finding import Finding
from gatekeeper.audit.shipped import Live
from gatekeeper.audit.stored import Stored
from gatekeeper.errors import GateError
from gatekeeper.model import LOG, RELEASE, RESULTS, SHIPPING, Oid, State
from gatekeeper.repo import results

_IMPORTED = "imported"


def replaced(evidence: Evidence) -> Iterator[Finding]:
    """Anything that makes Git show other objects than the stored ones."""
    for ref in evidence.refs:
        if ref.startswith("refs/replace/"):
            yield Finding(f"{ref} makes Git show another object than the one that was recorded.", where=ref)
    if (evidence.git.folder / "info" / "grafts").exists():
        yield Finding("info/grafts makes Git show another history than the one that was recorded.", where="info/grafts")


def tags(evidence: Evidence) -> Iterator[Finding]:
    """Each version on record has its tag, each tag of the gate's its record."""
    for live, following in pairwise((*evidence.lives, None)):
        assert live is not None  # noqa: S101 - only the last is
        tag = evidence.tags.get(live.version)
        if tag is None:
            if not _under_way(evidence, live):
                yield _about(live, f"the tag {live.version} is gone.")
            continue
        yield from (_about(live, text) for text in _tag_faults(evidence, live, tag, following))
        if tag.stored and tag.stored.kind == "tag" and tag.log not in evidence.chain.places:
            yield _lost_anchor(evidence, tag, live.sequence)
    recorded = {live.version for live in evidence.lives}
    for version, tag in evidence.tags.items():
        if version not in recorded and tag.log not in evidence.before:
            yield from _unrecorded(evidence, tag)


def releases(evidence: Evidence) -> Iterator[Finding]:
    """Each version's commit holds the tree that was verified, and `release` is those commits and nothing else."""
    for live in evidence.lives:
        commit = evidence.commits.get(live.commit)
        if commit is None:
            yield _about(live, f"the commit of {live.version}, {live.commit[:12]}, is missing.")
        elif not commit.intact:
            yield _about(live, f"the commit of {live.version} holds other content than its name says: it was replaced.")
        elif commit.header("tree") != live.tree:
            yield _about(live, f"{live.version} holds the tree {commit.header('tree')[:12]}, not {live.tree[:12]}.")
    yield from _tip(evidence)
    yield from _segments(evidence)


def outcomes(evidence: Evidence) -> Iterator[Finding]:
    """A result that says "shipped" names a version whose record has that very tip."""
    landed: set[tuple[str | None, ...]] = {
        (live.version, *request) for live in evidence.lives for request in live.requests
    }
    for link in evidence.chain.links:
        data = link.record.data
        if link.record.event == "landed":
            landed.add((str(data.get("version")), str(data.get("id")), str(data.get("tip"))))
    known = {live.version for live in evidence.lives}
    refs = {ref: oid for ref, oid in evidence.refs.items() if ref.startswith(RESULTS)}
    found = stored.read(evidence.git, refs.values())
    for ref, oid in refs.items():
        try:
            result = results.decode(found[oid].message)
        except (KeyError, ValueError, IndexError):
            yield Finding(f"{ref} cannot be read as a result.", where=ref)
            continue
        claim = (result.version, result.id, result.tip)
        if result.state is State.SHIPPED and result.version in known and claim not in landed:
            yield Finding(f"{ref} says that {result.tip[:12]} shipped in {result.version}; no record does.", where=ref)


def _tag_faults(evidence: Evidence, live: Live, tag: Tag, following: Live | None) -> Iterator[str]:
    found = tag.stored
    if found is None or found.kind != "tag":
        yield f"{tag.ref} is not the signed tag that the Librarian wrote: it was moved."
        return
    if not found.intact:
        yield f"the tag {live.version} holds other content than its name says: it was replaced on disk."
    if found.header("tag") != live.version:
        yield f"{tag.ref} holds the tag of {found.header('tag')}: it was moved."
    elif found.header("object") != live.commit:
        named = found.header("object")[:12]
        yield f"the tag {live.version} names commit {named}, not {live.commit[:12]}: it was moved."
    place = evidence.chain.places.get(tag.log)
    if place is not None and (place < live.sequence or (following is not None and place >= following.sequence)):
        yield f"the tag {live.version} signs record {place}, which is not the one of its release."


def _unrecorded(evidence: Evidence, tag: Tag) -> Iterator[Finding]:
    """A tag of the gate's own that the log does not know shows that the log was cut; another one must be imported."""
    if tag.log:
        yield _lost_anchor(evidence, tag, None)
        return
    links = evidence.chain.links
    begun = links[0].record if links and links[0].record.event == _IMPORTED else None
    if begun is not None and begun.data.get("tags", {}).get(tag.version) != tag.oid:
        yield Finding(f"{tag.ref} was neither imported nor shipped: somebody else made or moved it.", where=tag.ref)


def _lost_anchor(evidence: Evidence, tag: Tag, sequence: int | None) -> Finding:
    """Say how the present log differs from the one that a tag signs; `sequence` is the record of its release."""
    whole = f"the tag {tag.version} signs the log up to {tag.log[:12]}, which"
    if not tag.log:
        return Finding(f"the tag {tag.version} names no head of the log: it was replaced.", sequence, tag.ref)
    fork = _fork(evidence, tag)
    if fork is None:
        return Finding(f"{whole} is not in it: the log was cut or rewritten.", sequence, tag.ref)
    if fork == max(evidence.chain.places.values(), default=0):
        return Finding(f"{whole} this one does not reach: it was cut after record {fork}.", fork + 1, tag.ref)
    return Finding(f"{whole} has another record {fork + 1}: the log was rewritten from there on.", fork + 1, tag.ref)


def _fork(evidence: Evidence, tag: Tag) -> int | None:
    """Return the number of the newest record that the log shares with the one that a tag signs."""
    head = evidence.refs.get(LOG)
    shared = stored.fork(evidence.git, tag.log, head) if tag.log and head else None
    return evidence.chain.places.get(shared) if shared else None


def _tip(evidence: Evidence) -> Iterator[Finding]:
    tip = evidence.refs.get(RELEASE)
    newest = evidence.lives[-1] if evidence.lives else None
    if newest is not None and tip == newest.commit:
        return
    if newest is None:
        first = evidence.chain.links[0].record if evidence.chain.links else None
        if first is not None and first.event == _IMPORTED and first.data.get("commit") != tip:
            yield Finding("`release` is not what was imported, and nothing was shipped since.", 1, RELEASE)
    elif tip is None:
        yield Finding("`release` is gone.", where=RELEASE)
    elif not _under_way(evidence, newest):
        yield Finding(
            f"`release` is {tip[:12]}; the newest release on record, {newest.version}, is {newest.commit[:12]}.",
            where=RELEASE,
        )


def _segments(evidence: Evidence) -> Iterator[Finding]:
    """Between two versions lies one merge for each request of the second, with the tip that was filed, in order."""
    if len(evidence.lives) < 2:
        return
    first, last = evidence.lives[0], evidence.lives[-1]
    try:
        order = stored.first_parents(evidence.git, last.commit, until=first.commit)
    except GateError as broken:
        yield _about(last, f"the history of `release` cannot be read: {broken.text}")
        return
    commits = stored.read(evidence.git, order)
    for older, newer in pairwise(evidence.lives):
        yield from (_about(newer, text) for text in _segment_faults(commits, older, newer))


def _segment_faults(commits: dict[Oid, Stored], older: Live, newer: Live) -> Iterator[str]:
    oid, landed = newer.commit, list[Oid]()
    while oid != older.commit:
        commit = commits.get(oid)
        if commit is None or not commit.intact or not commit.parents:
            yield f"{newer.version} does not descend from {older.version}: `release` was rewritten."
            return
        landed[:0] = commit.parents[1:2]
        oid = commit.parents[0]
    wanted = [tip for _, tip in newer.requests]
    if landed != wanted:
        yield f"{newer.version} merges {_short(landed)}, its record says {_short(wanted)}."


def _short(oids: list[Oid]) -> str:
    return ", ".join(oid[:12] for oid in oids) or "nothing"


def _under_way(evidence: Evidence, live: Live) -> bool:
    """The newest version's refs may follow its record by a moment, as long as its ship is not ended."""
    return SHIPPING in evidence.refs and live is evidence.lives[-1]


def _about(live: Live, text: str) -> Finding:
    return Finding(f"record {live.sequence}: {text}", live.sequence, live.link.commit.oid)
