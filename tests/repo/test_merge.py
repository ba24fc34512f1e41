"""Merges in the bare repository: by one long process, and by one each where there is none to talk to."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatekeeper import process
from gatekeeper.errors import GateError
from gatekeeper.model import Oid
from gatekeeper.repo import drafts
from gatekeeper.repo.create import create
from gatekeeper.repo.git import Git
from gatekeeper.repo.merge import Conflict, Merged, hunks, merge
from repo.test_git import commit, tree

MERGE = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", "--stdin")


@pytest.fixture(params=["a long process", "a process each"])
def git(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Git]:
    if request.param == "a process each":  # what an older Git does where there is no stdbuf
        found = shutil.which("git")
        assert found is not None
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "git").symlink_to(found)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with create(tmp_path / "repo.git") as git:
        yield git


def test_a_chain_of_merges_stands_on_commits_that_were_just_written(git: Git) -> None:
    base = commit(git, {"a": "1"})
    sides = [commit(git, {"a": "1", f"new {number}": "2"}, base) for number in range(5)]
    onto = base
    for side in sides:
        outcome = merge(git, onto, side)
        assert isinstance(outcome, Merged)
        made = drafts.draft(tree=outcome.tree, parents=(onto, side), message="trial\n", at=0)
        drafts.write_one(git, made)
        onto = made.oid
    assert outcome.tree == tree(git, {"a": "1"} | {f"new {number}": "2" for number in range(5)})
    assert git.text("cat-file", "-t", onto) == "commit"


def test_a_conflict_names_its_paths_whatever_they_are_called(git: Git) -> None:
    odd = ["a b", "ü", "--help", 'quo"ted']
    base = commit(git, dict.fromkeys(odd, "0"))
    ours, theirs = (commit(git, dict.fromkeys(odd, text), base) for text in ("1", "2"))
    outcome = merge(git, ours, theirs)
    assert isinstance(outcome, Conflict)
    assert set(outcome.paths) == set(odd)


def test_a_conflict_names_the_lines_as_our_side_counts_them(git: Git) -> None:
    old = [f"{number}" for number in range(1, 21)]
    ours = ["new", *old[:4], "FIVE", "and more", *old[5:11], *old[12:19], "20 ours"]
    theirs = [*old[:4], "five", *old[5:11], "twelve", *old[12:19], "======="]
    base, one, other = ("".join(f"{line}\n" for line in text) for text in (old, ours, theirs))
    root = commit(git, {"list": base, "gone": "1"})
    outcome = merge(git, commit(git, {"list": one}, root), commit(git, {"list": other, "gone": "2"}, root))
    assert isinstance(outcome, Conflict)
    assert outcome.paths == ("gone", "list")
    assert hunks(git, outcome, "list") == ((6, 7), (14, 13), (21, 21))
    assert hunks(git, outcome, "gone") == ()


def test_after_a_merge_that_cannot_be_tried_others_still_can(git: Git) -> None:
    base, stranger = commit(git, {"a": "1"}), commit(git, {"b": "1"})
    with pytest.raises(GateError, match="unrelated histories"):
        merge(git, base, stranger)
    assert isinstance(merge(git, base, commit(git, {"a": "2"}, base)), Merged)
    assert isinstance(merge(git, base, stranger, unrelated=True), Merged)


def test_a_git_that_is_silent_or_gone_is_not_asked_again(tmp_path: Path) -> None:
    silent = process.Dialogue(("sleep", "60"))
    assert silent.ask(b"question\n", end=b"\n", patience=0.01) is None
    silent.close()
    with create(tmp_path / "repo.git") as git:
        base = commit(git, {"a": "1"})
        assert git.ask(MERGE, b"nonsense\n", end=b"\0\0") is None
        assert git.ask(MERGE, f"{base} {base}\n".encode(), end=b"\0\0") is None
        assert merge(git, base, Oid(commit(git, {"a": "2"}, base))) == Merged(tree(git, {"a": "2"}))
