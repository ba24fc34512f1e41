"""Everything that a verification reads, in one snapshot: refs, log, tags, releases. Reads only; judges nothing."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from gatekeeper.audit import chain, shipped, stored
from gatekeeper.audit.chain import Chain
from gatekeeper.audit.shipped import Live
from gatekeeper.audit.stored import Stored
from gatekeeper.errors import Exit, GateError
from gatekeeper.model import LOG, TAGS, Oid, Ref, Version
from gatekeeper.policy import versions as numbers
from gatekeeper.repo.git import Git


class Tag(Struct, frozen=True):
    """A version tag as its ref has it; `stored` is None when the object is missing."""

    ref: Ref
    oid: Oid
    stored: Stored | None

    @property
    def version(self) -> Version:
        """The version that the ref names."""
        return Version(self.ref.removeprefix(TAGS))

    @property
    def log(self) -> Oid:
        """The head of the log that the tag signs; nothing for a tag that is not the gate's."""
        return Oid(self.stored.trailer("Gate-Log") if self.stored else "")


class Evidence(Struct, frozen=True):
    """One reading of a repository."""

    git: Git
    signers: Path
    refs: Mapping[Ref, Oid]
    chain: Chain
    lives: tuple[Live, ...]
    tags: Mapping[Version, Tag]
    commits: Mapping[Oid, Stored]
    """The commits of the versions on record."""
    start: Oid | None
    """The record that a reading `since` a version begins after."""
    before: frozenset[Oid]
    """The part of the log that a reading `since` a version takes as known."""


def gather(git: Git, signers: Path, *, since: Version | None = None) -> Evidence:
    """Read a repository. Raises GateError (exit 3) when there is no such version to begin with."""
    refs = git.refs()
    tags = _tags(git, refs)
    start = _start(git, tags, since)
    before = frozenset(stored.first_parents(git, start[0])) if start else frozenset()
    head = refs.get(LOG)
    links = chain.read(git, head, start=start) if head else chain.Chain((), (), {})
    lives = shipped.versions(links.links)
    commits = stored.read(git, (live.commit for live in lives))
    return Evidence(git, signers, refs, links, lives, tags, commits, start[0] if start else None, before)


def _tags(git: Git, refs: Mapping[Ref, Oid]) -> dict[Version, Tag]:
    named = {ref: oid for ref, oid in refs.items() if ref.startswith(TAGS) and numbers.parse(ref.removeprefix(TAGS))}
    found = stored.read(git, named.values())
    tags = (Tag(ref, oid, found.get(oid)) for ref, oid in named.items())
    return {tag.version: tag for tag in tags}


def _start(git: Git, tags: Mapping[Version, Tag], since: Version | None) -> tuple[Oid, int] | None:
    """Return the record that the tag of `since` signs, with its number."""
    if since is None:
        return None
    tag = tags.get(since)
    commit = stored.read(git, [tag.log]).get(tag.log) if tag and tag.log else None
    record = chain.decoded(commit) if commit else None
    if commit is None or record is None:
        raise GateError(f"No version {since} was shipped here.", hints=("gatekeeper changelog",), exit=Exit.NOT_FOUND)
    return commit.oid, record.sequence
