"""What a merge costs: as the Librarian does it, with a `git merge-tree` process each, and in a clone as merge bots do.

Run it as `python -m benchmarks.merging [--files 5000 100000] [--trains 8 200] [--clone-merges 200]`; it works in a
temporary folder. Each request changes one file of its own. The product's way merges apart from the repository and then
copies into it, synced, what ships; the bare one syncs every object; a clone syncs nothing. The clone's figure is what
one of its merges takes, and its share of the clone and of the checkout that a train begins with; of a long train it
does so many merges as are asked for, and a merge later in the train is taken to cost as much.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gatekeeper.model import Oid
from gatekeeper.repo import drafts, trial
from gatekeeper.repo.create import create
from gatekeeper.repo.git import Git
from gatekeeper.repo.merge import Merged, merge

Way = Callable[[Path, Oid, Sequence[Oid]], str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[5_000, 100_000])
    parser.add_argument("--trains", type=int, nargs="+", default=[8, 200])
    parser.add_argument("--clone-merges", type=int, default=200)
    asked = parser.parse_args()
    heads = (
        "Files",
        "Train",
        "Librarian ms a merge",
        "merge-tree each",
        "clone + git merge",
        "merges of the clone",
        "÷",
    )
    print(f"| {' | '.join(heads)} |\n|{'---:|' * len(heads)}")
    for files in asked.files:
        with tempfile.TemporaryDirectory(prefix="gk-merging-") as folder:
            repo, base, tips = repository(Path(folder), files, max(asked.trains))
            for length in asked.trains:
                print(row(files, repo, base, tips[:length], asked.clone_merges), flush=True)


def row(files: int, repo: Path, base: Oid, tips: Sequence[Oid], most: int) -> str:
    """Merge one train in all three ways; those that merge all of it must make the same tree."""
    length, done = len(tips), min(len(tips), most)
    (ours, tree), (bare, same), (begin, merges, theirs) = (
        timed(librarian, repo, base, tips),
        timed(each, repo, base, tips),
        clone(repo, base, tips[:done]),
    )
    assert tree == same, "both ways make the same tree"
    assert done < length or theirs == tree, "so does the clone"
    ms = [1000 * ours / length, 1000 * bare / length, 1000 * (begin / length + merges / done)]
    return f"| {files} | {length} | {ms[0]:.1f} | {ms[1]:.1f} | {ms[2]:.0f} | {done} | {ms[2] / ms[0]:.0f} |"


def timed(way: Way, repo: Path, base: Oid, tips: Sequence[Oid]) -> tuple[float, str]:
    """Give each way a copy of its own, so that none finds the objects that another wrote.

    It stays until the caller's folder goes: ext4 makes files slowly where many were deleted a moment ago.
    """
    copy = Path(tempfile.mkdtemp(prefix="gk-copy-", dir=repo.parent), "repo.git")
    shutil.copytree(repo, copy)
    start = time.perf_counter()
    tree = way(copy, base, tips)
    return time.perf_counter() - start, tree


def librarian(repo: Path, base: Oid, tips: Sequence[Oid]) -> str:
    """The product's own functions, in the order in which a train and its ship call them; all is on disk at the end."""
    apart = repo.parent / "trial"
    apart.mkdir()
    with Git(repo) as bare, Git(repo, apart=apart) as aside:
        onto, trees = base, list[Oid]()
        for tip in tips:
            outcome = merge(aside, onto, tip)
            assert isinstance(outcome, Merged)
            made = drafts.draft(tree=outcome.tree, parents=(onto, tip), message="trial\n", at=0)
            trial.write(aside, made)
            onto = made.oid
            trees.append(outcome.tree)
        trial.settle(bare, aside, trees, but=bare.tree_of(base))
        return trees[-1]


def each(repo: Path, base: Oid, tips: Sequence[Oid]) -> str:
    onto, tree = base, ""
    for tip in tips:
        tree = git(repo, "merge-tree", "--write-tree", onto, tip).strip()
        onto = Oid(git(repo, "commit-tree", "-p", onto, "-p", tip, "-m", "each", tree).strip())
    return tree


def clone(repo: Path, base: Oid, tips: Sequence[Oid]) -> tuple[float, float, str]:
    """Return the seconds until the first merge could begin, those of the merges, and the tree."""
    folder = Path(tempfile.mkdtemp(prefix="gk-clone-", dir=repo.parent))
    start = time.perf_counter()
    git(repo.parent, "clone", "-q", str(repo), str(folder))
    git(folder, "checkout", "-q", "--detach", base)
    begun = time.perf_counter()
    for tip in tips:
        git(folder, "merge", "-q", "--no-ff", "-m", "clone", tip)
    merged = time.perf_counter()
    return begun - start, merged - begun, git(folder, "rev-parse", "HEAD^{tree}").strip()


def repository(folder: Path, files: int, requests: int) -> tuple[Path, Oid, list[Oid]]:
    """Make a bare repository as `init` does, with branches that each change one file."""
    with create(folder / "repo.git"):
        script = "".join(stream(files, requests)).encode()
        subprocess.run(["git", "-C", folder / "repo.git", "fast-import", "--quiet"], input=script, check=True)
    repo = folder / "repo.git"
    names = git(repo, "for-each-ref", "--format=%(objectname)", "--sort=version:refname", "refs/heads/request/")
    return repo, Oid(git(repo, "rev-parse", "release").strip()), [Oid(oid) for oid in names.split()]


def stream(files: int, requests: int) -> Iterator[str]:
    head = "committer bench <bench@example.invalid> 0 +0000\ndata 2\nx\n"
    yield f"commit refs/heads/release\nmark :1\n{head}"
    for number in range(files):
        text = f"{number}\n" * 20
        yield f"M 100644 inline {path(number)}\ndata {len(text)}\n{text}\n"
    for number in range(requests):
        yield f"commit refs/heads/request/r{number}\n{head}from :1\n"
        yield f"M 100644 inline {path(number * (files // requests))}\ndata 8\nchanged\n\n"


def path(number: int) -> str:
    return f"part{number % 40}/folder{number // 40 % 50}/file{number}.txt"


def git(folder: Path, *args: str) -> str:
    people = {f"GIT_{role}_{part}": "bench" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    argv = ["git", "-C", str(folder), *args]
    done = subprocess.run(argv, env={**os.environ, **people, **quiet}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{argv} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
