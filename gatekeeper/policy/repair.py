"""The commands that help after a refusal: argv that works as it stands in the clone that pushed. Pure."""

from __future__ import annotations

from gatekeeper.policy.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    Argv = tuple[str, ...]

REQUEST = "refs/heads/request/"


def push_again(request_id: str) -> Argv:
    """Push the repaired HEAD as a new attempt."""
    return ("git", "push", "--force", "origin", f"HEAD:request/{request_id}")


def mend(request_id: str) -> tuple[Argv, ...]:
    """Put HEAD's own commits on the present `release` and push: what it asks for stays as its commits say it.

    Where lines are in conflict Git stops at the second command until somebody has solved it.
    """
    return (*rebase(), push_again(request_id))


def push_as(oid: str, request_id: str) -> Argv:
    """Push the very commit that was refused, under an id that is accepted."""
    return ("git", "push", "origin", f"{oid}:{REQUEST}{request_id}")


def amend(trailers: Iterable[tuple[str, str]], *, empty: bool) -> Argv:
    """Set trailers of HEAD; plain `--amend --trailer` would add a second one (Git 2.39)."""
    words = tuple(word for name, value in trailers for word in ("--trailer", f"{name}: {value}"))
    return ("git", "-c", "trailer.ifexists=replace", "commit", "--amend", *_allowed(empty=empty), "--no-edit", *words)


def drop(trailer: str, *, empty: bool) -> Argv:
    """Delete every line of one trailer of HEAD: Git can replace trailers, but take none away."""
    return ("env", f"GIT_EDITOR=sed -i -e /^{trailer}:/Id", "git", "commit", "--amend", *_allowed(empty=empty))


def put_back(base: str, paths: Iterable[str]) -> tuple[Argv, ...]:
    """Set paths of HEAD back to what they were where the branch left `release`."""
    restore = ("git", "restore", f"--source={base}", "--staged", "--worktree", "--", *paths)
    return (restore, ("git", "commit", "--amend", "--allow-empty", "--no-edit"))


def rebase(*, onto_base: str = "", root: bool = False) -> tuple[Argv, ...]:
    """Put HEAD's own commits on the present `release`; from `onto_base` on, also what a rollback took out."""
    first = ("git", "fetch", "origin", "release")
    if root:
        return (first, ("git", "rebase", "--root", "--onto", "FETCH_HEAD"))
    if onto_base:
        return (first, ("git", "rebase", "--onto", "FETCH_HEAD", onto_base))
    return (first, ("git", "rebase", "FETCH_HEAD"))


def _allowed(*, empty: bool) -> Argv:
    return ("--allow-empty",) if empty else ()
