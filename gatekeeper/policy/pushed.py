"""What the rules know about a push, as frozen values. Shared with the hooks: standard library only, cheap to import."""

from __future__ import annotations

from gatekeeper.policy.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN = "unknown"


class Claim(NamedTuple):
    """Who pushes, and how sure that is; the light twin of `model.Actor`."""

    name: str
    assurance: str = "claimed"
    role: str = "agent"


class Commit(NamedTuple):
    """One commit of a request's own; `trailers` are as Git parses and unfolds them."""

    oid: str
    tree: str
    author: str
    author_email: str
    committer: str
    committer_email: str
    subject: str
    trailers: tuple[tuple[str, str], ...]


class Entry(NamedTuple):
    """One path that a change adds, alters or deletes (mode ""); bytes that are no UTF-8 are surrogate escapes.

    `text` is the content of a symbolic link and of a file small enough to be an LFS pointer.
    """

    path: str
    mode: str
    oid: str
    size: int = 0
    text: str | None = None


class Change(NamedTuple):
    """What a tree changes in another. Past the limit of paths or depth the counts are lower bounds, with no entries.

    `paths` and `size` count what is added or altered, once for each place; folders count as paths.
    `twins` are names that differ in case only, in one folder, at least one of them new.
    """

    entries: tuple[Entry, ...]
    paths: int
    depth: int
    size: int
    twins: tuple[tuple[str, str], ...] = ()


class TakenOut(NamedTuple):
    """A commit that a rollback took out and that the tip holds.

    `base` is where its branch left `release`; "" when the tip started from a release that had it.
    """

    oid: str
    base: str


class Other(NamedTuple):
    """Another open request; `agent` is None until somebody has written it down."""

    id: str
    tip: str
    agent: str | None
    state: str
    depends_on: str | None


class Facts(NamedTuple):
    """All that is known about a tip when it is judged.

    `commits` are its own, the tip first; there are none when it is in `release`.
    """

    id: str
    new: str
    kind: str
    message_bytes: int
    release: str | None
    release_empty: bool
    same_tree: bool
    base: str | None
    commits: tuple[Commit, ...]
    change: Change
    taken_out: TakenOut | None
    owner: str | None
    others: tuple[Other, ...]


class Refusal(NamedTuple):
    """Why a push is refused: the code, the values of its template, and what helps.

    `next` are commands that work, in order; none: a person decides. `retry` is `never`, `after_fix` or `later`.
    """

    code: str
    values: Mapping[str, object]
    next: tuple[tuple[str, ...], ...] = ()
    retry: str = "after_fix"
    field: str | None = None
    allowed: tuple[str, ...] | None = None
