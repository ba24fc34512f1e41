"""What the log says went live: the records that moved `release`, as values."""

from collections.abc import Iterable

from msgspec import Struct

from gatekeeper.audit.chain import Link
from gatekeeper.model import Oid, RequestId, Version

SHIPPED = "shipped"
"""The event of a record that a version's tag and the move of `release` were published with."""


class Live(Struct, frozen=True):
    """One version as its record tells it."""

    link: Link
    version: Version
    commit: Oid
    tree: Oid
    cause: str
    requests: tuple[tuple[RequestId, Oid], ...]

    @property
    def sequence(self) -> int:
        """Where its record stands."""
        return self.link.place


def versions(links: Iterable[Link]) -> tuple[Live, ...]:
    """Return the versions that went live, oldest first; a record that lacks a field is left to the chain's findings."""
    return tuple(_live(link) for link in links if link.record.event == SHIPPED and _whole(link))


def _whole(link: Link) -> bool:
    return all(isinstance(link.record.data.get(name), str) for name in ("version", "commit", "tree"))


def _live(link: Link) -> Live:
    data = link.record.data
    return Live(
        link=link,
        version=Version(data["version"]),
        commit=Oid(data["commit"]),
        tree=Oid(data["tree"]),
        cause=str(data.get("cause", "")),
        requests=tuple((RequestId(item["id"]), Oid(item["tip"])) for item in data.get("requests", [])),
    )
