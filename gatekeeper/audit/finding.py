"""What a verification found, as values."""

from msgspec import Struct

from gatekeeper.model import Oid


class Finding(Struct, frozen=True):
    """One thing that is not as it was written; `sequence` is the record it is about, when it is about one."""

    text: str
    sequence: int | None = None
    where: str = ""
    """The ref or object that shows it."""


class Verification(Struct, frozen=True):
    """What was looked at, and everything that was wrong with it; no finding means that nothing was changed."""

    repository: str
    head: Oid | None
    records: int
    span: tuple[int, int]
    """The numbers of the first and the last record that were read."""
    times: tuple[str, str]
    versions: int
    signatures: int
    asked: int
    """How many of the signatures were verified anew; the others were found good before."""
    release: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def first_bad(self) -> Finding | None:
        """The finding about the oldest record; one about no record comes last."""
        return min(self.findings, key=lambda f: (f.sequence is None, f.sequence or 0), default=None)
