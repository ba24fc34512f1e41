"""A train of 200 merged: as the Librarian does it, by one `git merge-tree` alone, and in a clone as merge bots do."""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import merging
from benchmarks.figure import Figure, at_most, faster, growth
from gatekeeper.model import Oid

TRAIN = 200
SAMPLE = 20
"""Merges that the clone does of a train: each takes it as long, and all 200 on 100,000 files a quarter of an hour."""
ROUNDS = 3


def figures(*, full: bool) -> Iterator[Figure]:
    """Yield both ratios on 5,000 files, and on 100,000 when all is asked for."""
    for files, least in ((5_000, 30), *(((100_000, 150),) if full else ())):
        with tempfile.TemporaryDirectory(prefix="gk-merging-") as folder:
            repo, base, tips = merging.repository(Path(folder), files, TRAIN)
            taken: dict[str, list[float]] = {"ours": [], "alone": [], "clone": []}
            for _ in range(ROUNDS):
                for name, way in (("ours", merging.librarian), ("alone", alone)):
                    taken[name].append(merging.timed(way, repo, base, tips)[0])
                begin, merges, _tree = merging.clone(repo, base, tips[:SAMPLE])
                taken["clone"].append(begin + merges * TRAIN / SAMPLE)
        what = f"merge a train of {TRAIN} on {files:,} files"
        yield at_most(
            what, "one `git merge-tree --stdin` of each request, no commit written", taken["ours"], taken["alone"], 2
        )
        told = f"`git merge` did {SAMPLE} of the {TRAIN}, counted {TRAIN // SAMPLE} times"
        yield replace(faster(what, "clone and `git merge`", taken["ours"], taken["clone"], least), note=told)
    yield from _grown((1_000, 10_000, 100_000) if full else (200, 2_000, 20_000))


def _grown(sizes: tuple[int, ...]) -> Iterator[Figure]:
    """Yield how the merges grow with the train on 5,000 files, and with the files at a train of 20."""
    trains = (2, 20, 200)
    with tempfile.TemporaryDirectory(prefix="gk-merging-") as folder:
        repo, base, tips = merging.repository(Path(folder), 5_000, TRAIN)
        seconds = [_middle(repo, base, tips[:length]) for length in trains]
    yield growth("merge on 5,000 files, length of the train", trains, seconds)
    seconds = []
    for files in sizes:
        with tempfile.TemporaryDirectory(prefix="gk-merging-") as folder:
            repo, base, tips = merging.repository(Path(folder), files, 20)
            seconds.append(_middle(repo, base, tips))
    yield growth("merge a train of 20, files", sizes, seconds)


def _middle(repo: Path, base: Oid, tips: Sequence[Oid]) -> float:
    return sorted(merging.timed(merging.librarian, repo, base, tips)[0] for _ in range(ROUNDS))[ROUNDS // 2]


def alone(repo: Path, base: Oid, tips: Sequence[Oid]) -> str:
    """Merge each on `release`, in one process."""
    lines = "".join(f"{base} {tip}\n" for tip in tips).encode()
    argv = ["git", f"--git-dir={repo}", "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", "--stdin"]
    return str(len(subprocess.run(argv, input=lines, stdout=subprocess.PIPE, check=True).stdout))
