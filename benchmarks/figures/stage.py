"""A release of 5,000 files staged beside the one before, as the Librarian does it, by a worktree and by an archive."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import merging
from benchmarks.figure import Figure, faster, growth, in_turn
from gatekeeper.model import Oid
from gatekeeper.repo.export import OnDisk, export
from gatekeeper.repo.git import Git

FILES = 5_000
ROUNDS = 3


def figures(*, full: bool) -> Iterator[Figure]:
    """Yield both ratios for 10 changed files and for 2,500, and how it grows with the files."""
    for changed, least in ((10, 10), (2_500, 1.5)):
        taken = _staged(changed)
        what = f"stage {FILES:,} files, {changed:,} changed"
        yield faster(what, "`git worktree add`", taken["ours"], taken["worktree"], least)
        yield faster(what, "`git archive` and tar", taken["ours"], taken["archive"], least)
    sizes = (500, 5_000, 50_000) if full else (50, 500, 5_000)
    seconds = [sorted(_staged(10, size, ours_alone=True)["ours"])[ROUNDS // 2] for size in sizes]
    yield growth("stage, 10 changed, files", sizes, seconds)


def _staged(changed: int, files: int = FILES, *, ours_alone: bool = False) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory(prefix="gk-stage-") as name, _repository(Path(name), changed, files) as git:
        folder, numbers = Path(name), iter(range(1000))
        old, new = git.tree_of(Oid("refs/heads/release")), git.tree_of(Oid("refs/heads/next"))
        export(git, old, _fresh(folder / "old"))
        like = OnDisk(folder / "old", old)

        def worktree() -> None:
            merging.git(git.folder, "worktree", "add", "-q", "--detach", str(folder / f"tree-{next(numbers)}"), "next")

        ours = {"ours": lambda: export(git, new, _fresh(folder / f"ours-{next(numbers)}"), like=like)}
        theirs: dict[str, Callable[[], object]] = {
            "worktree": worktree,
            "archive": lambda: _archive(git.folder, _fresh(folder / f"archive-{next(numbers)}")),
        }
        return in_turn(ours if ours_alone else {**ours, **theirs}, ROUNDS)


def _fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _repository(folder: Path, changed: int, files: int) -> Git:
    repo, base, _ = merging.repository(folder, files, 1)
    head = "committer bench <bench@example.invalid> 0 +0000\ndata 2\nx\n"
    edits = "".join(f"M 100644 inline {merging.path(at)}\ndata 8\nchanged\n\n" for at in range(changed))
    script = f"commit refs/heads/next\n{head}from {base}\n{edits}"
    subprocess.run(["git", "-C", str(repo), "fast-import", "--quiet"], input=script.encode(), check=True)
    return Git(repo)


def _archive(repo: Path, target: Path) -> None:
    with subprocess.Popen(["git", "-C", str(repo), "archive", "next"], stdout=subprocess.PIPE) as git:
        subprocess.run(["tar", "x", "-C", str(target)], stdin=git.stdout, check=True)
