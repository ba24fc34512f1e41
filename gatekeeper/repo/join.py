"""Joins several repositories into one: each below a folder, with its whole history. Runs no code of theirs."""

from collections.abc import Sequence

from msgspec import Struct

from gatekeeper.errors import GateError
from gatekeeper.model import TAGS, Oid
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import EMPTY_TREE, Clock
from gatekeeper.repo.sign import Signer


class Part(Struct, frozen=True):
    """A repository, a full ref of it, and where its tree is to lie."""

    repository: str
    ref: str
    below: str


def join(repo: Git, signer: Signer, parts: Sequence[Part], clock: Clock) -> Oid:
    """Return one commit that holds every part, on an empty one, so that `git log --first-parent` begins with them.

    Tags come along below `refs/tags/<folder>/`, as two repositories may have the same.
    """
    first = signer.commit(tree=EMPTY_TREE, parents=(), message="Begin with an empty tree\n", at=clock())
    tips = [_fetched(repo, part) for part in parts]
    with repo.own_index() as env:
        repo.run("read-tree", "--empty", env=env)
        for part, tip in zip(parts, tips, strict=True):
            repo.run("read-tree", "-i", f"--prefix={part.below}/", tip, env=env)
        tree = Oid(repo.text("write-tree", env=env))
    origins = "".join(f"{part.below}: {part.ref} at {tip}\n" for part, tip in zip(parts, tips, strict=True))
    message = f"Join {', '.join(part.below for part in parts)}\n\n{origins}"
    return signer.commit(tree=tree, parents=(first, *dict.fromkeys(tips)), message=message, at=clock())


def _fetched(repo: Git, part: Part) -> Oid:
    """Bring one part's history and tags; its tip is held by nothing until it is joined."""
    tags = f"{TAGS}*:{TAGS}{part.below}/*"
    args = (
        "fetch",
        "-q",
        "--no-tags",
        "--no-write-fetch-head",
        part.repository,
        f"{part.ref}:refs/joined/{part.below}",
        tags,
    )
    done = repo.run("-c", "fetch.fsckObjects=true", *args, allowed=(0, 1, 128))
    if not done.ok:
        raise GateError(f"{part.repository} could not be read: {done.errors.decode('utf-8', 'replace').strip()}")
    tip = repo.resolve(f"refs/joined/{part.below}^{{commit}}")
    if tip is None:
        raise GateError(f"{part.ref} of {part.repository} is not a branch with a commit.")
    repo.run("update-ref", "-d", f"refs/joined/{part.below}")
    return tip
