"""A person's clone in which a merge is begun: made whole or not at all, and recognised by marks in its settings."""

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from gatekeeper import process
from gatekeeper.config.standing import user_of
from gatekeeper.errors import GateError
from gatekeeper.model import Oid, RequestId
from gatekeeper.repo.export import remove

_NOBODY = {f"GIT_{role}_{what}": "gatekeeper" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
_MARKS = ("request", "tip", "against", "other")


class Merge(Struct, frozen=True):
    """Which request is merged with what: its tip, and the commit on the other side with the name it has there."""

    request: RequestId
    tip: Oid
    against: str
    other: Oid


class Clone(Struct, frozen=True):
    """A clone that `begin` made."""

    folder: Path
    merge: Merge

    @property
    def unmerged(self) -> tuple[str, ...]:
        """The paths that are in conflict still."""
        return _names(_git(self.folder, "diff", "--name-only", "--diff-filter=U", "-z").output)

    @property
    def pending(self) -> bool:
        """True until the merge is committed and nothing lies beside it."""
        merging = _git(self.folder, "rev-parse", "-q", "--verify", "MERGE_HEAD", allowed=(0, 1)).ok
        return merging or bool(_git(self.folder, "status", "--porcelain", "-z").output)

    @property
    def head(self) -> Oid:
        """The newest commit."""
        return Oid(_git(self.folder, "rev-parse", "HEAD").text)

    def holds(self, commit: Oid) -> bool:
        """Return whether the newest commit has this one behind it."""
        return _git(self.folder, "merge-base", "--is-ancestor", commit, "HEAD", allowed=(0, 1)).ok

    @property
    def marks_left(self) -> tuple[str, ...]:
        """Lines of the merge that are conflict marks still, each with its path."""
        said = _git(self.folder, "diff", "--check", self.merge.tip, "HEAD", allowed=(0, 2)).text.splitlines()
        return tuple(line for line in said if line.endswith("leftover conflict marker"))


def begin(source: str, folder: Path, merge: Merge, message: str) -> Clone:
    """Clone `source` and begin the merge, its message prepared; a folder appears only once all that is done."""
    draft = folder.with_name(f".{folder.name}.new")
    remove(draft)
    run = process.run(("git", "clone", "-q", "--no-checkout", "--", source, str(draft)), env=_environment())
    if not run.ok:
        raise GateError(f"The gate could not be cloned: {run.errors.decode('utf-8', 'replace').strip()}")
    branch = f"request/{merge.request}"
    _git(draft, "checkout", "-q", "-B", branch, merge.tip)
    marks = zip(_MARKS, (merge.request, merge.tip, merge.against, merge.other), strict=True)
    settings = {f"gatekeeper.{name}": value for name, value in marks}
    settings |= {f"branch.{branch}.remote": "origin", f"branch.{branch}.merge": f"refs/heads/{branch}"}
    if not _git(draft, "config", "user.email", allowed=(0, 1)).text:  # on a server nobody has told Git who they are
        who = user_of(os.geteuid())
        settings |= {"user.name": who, "user.email": f"{who}@{os.uname().nodename}"}
    for name, value in settings.items():
        _git(draft, "config", name, value)
    _git(draft, "merge", "-q", "--no-commit", "--no-ff", merge.other, allowed=(0, 1))
    (draft / ".git" / "MERGE_MSG").write_text(message, "utf-8")
    draft.rename(folder)
    return Clone(folder, merge)


def find(folder: Path) -> Clone | None:
    """Return the clone in `folder`, or None when it is something else."""
    if not (folder / ".git").is_dir():
        return None
    said = [_git(folder, "config", "--local", f"gatekeeper.{name}", allowed=(0, 1)).text for name in _MARKS]
    if not all(said):
        return None
    request, tip, against, other = said
    return Clone(folder, Merge(RequestId(request), Oid(tip), against, Oid(other)))


def _git(folder: Path, *args: str, allowed: tuple[int, ...] = (0,)) -> process.Done:
    done = process.run(("git", "-C", str(folder), *args), env=_environment())
    if done.status not in allowed:
        said = done.errors.decode("utf-8", "replace").strip() or f"status {done.status}"
        raise GateError(f"git {args[0]} failed in {folder}: {said}")
    return done


def _environment() -> Mapping[str, str]:
    return {**process.clean_environment(_NOBODY), "LC_ALL": "C"}


def _names(output: bytes) -> tuple[str, ...]:
    return tuple(name.decode("utf-8", "surrogateescape") for name in output.split(b"\0") if name)
