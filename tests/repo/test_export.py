"""A tree on disk is what Git says, whatever lies in the one beside it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatekeeper.errors import GateError
from gatekeeper.model import Oid
from gatekeeper.repo.export import OnDisk, export
from gatekeeper.repo.git import Git

FILES = {"a/b/same.txt": "same\n", "a/other.txt": "one\n", "run.sh": "#!/bin/sh\n"}


class Trees:
    """A work tree that is committed again and again, and what is written from it."""

    def __init__(self, folder: Path) -> None:
        self.work, self.folder = folder / "work", folder
        self.work.mkdir()
        self.run("init", "-q", "-b", "main")
        self.git = Git(self.work / ".git")

    def run(self, *args: str) -> str:
        who = ("-c", "user.name=kim", "-c", "user.email=kim@people.example")
        argv = ("git", "-C", str(self.work), *who, *args)
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self) -> Oid:
        self.run("add", "-A")
        self.run("commit", "-q", "--allow-empty", "-m", "x")
        return Oid(self.run("rev-parse", "HEAD^{tree}"))

    def write(self, name: str, tree: Oid, like: OnDisk | None = None) -> OnDisk:
        target = self.folder / name
        target.mkdir()
        export(self.git, tree, target, like=like)
        return OnDisk(target, tree)


@pytest.fixture
def trees(tmp_path: Path) -> Iterator[Trees]:
    made = Trees(tmp_path)
    for name, text in FILES.items():
        (made.work / name).parent.mkdir(parents=True, exist_ok=True)
        (made.work / name).write_text(text)
    (made.work / "run.sh").chmod(0o755)
    (made.work / "link").symlink_to("a/other.txt")
    with made.git:
        yield made


def contents(folder: Path) -> dict[str, str]:
    found = {}
    for path in folder.rglob("*"):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = f"-> {path.readlink()}"
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_text()
    return found


WHOLE = FILES | {"link": "-> a/other.txt"}


def test_what_is_unchanged_is_one_file_and_what_changed_another(trees: Trees) -> None:
    old = trees.write("old", trees.commit())
    assert contents(old.folder) == WHOLE
    assert os.access(old.folder / "run.sh", os.X_OK)
    (trees.work / "a" / "other.txt").write_text("two\n")
    new = trees.write("new", trees.commit(), old)
    assert contents(new.folder) == WHOLE | {"a/other.txt": "two\n"}
    assert (new.folder / "a/b/same.txt").samefile(old.folder / "a/b/same.txt")
    assert not (new.folder / "a/other.txt").samefile(old.folder / "a/other.txt")
    assert contents(old.folder) == WHOLE


@pytest.mark.parametrize("harm", ["altered", "gone", "another mode", "a link", "a folder behind a link", "a pipe"])
def test_what_is_not_as_it_was_written_is_written_anew(trees: Trees, harm: str) -> None:
    old = trees.write("old", trees.commit())
    file, aside = old.folder / "a/b/same.txt", trees.folder / "aside"
    match harm:
        case "altered":
            file.write_text("evil\n")
        case "gone":
            file.unlink()
        case "another mode":
            file.chmod(0o755)
        case "a link":
            file.rename(aside)
            file.symlink_to(aside)
        case "a folder behind a link":
            file.parent.rename(aside)
            file.parent.symlink_to(aside)
        case "a pipe":
            file.unlink()
            os.mkfifo(file)
    new = trees.write("new", trees.commit(), old)
    assert contents(new.folder) == WHOLE
    assert (new.folder / "a/b/same.txt").lstat().st_mode & 0o777 == 0o644
    assert (new.folder / "a/b/same.txt").lstat().st_nlink == 1
    assert (new.folder / "run.sh").samefile(old.folder / "run.sh")


def test_a_submodule_is_refused(trees: Trees) -> None:
    commit = trees.commit() and trees.run("rev-parse", "HEAD")
    trees.run("update-index", "--add", "--cacheinfo", f"160000,{commit},other")
    trees.run("commit", "-q", "-m", "x")
    with pytest.raises(GateError, match="other is a commit") as refused:
        trees.write("new", Oid(trees.run("rev-parse", "HEAD^{tree}")))
    assert refused.value.code == "GATE-204"
