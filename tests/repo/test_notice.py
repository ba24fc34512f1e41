"""Whoever waits is woken when a ref moves, and by nothing else."""

import subprocess
from pathlib import Path

import pytest

from gatekeeper.repo import notice
from gatekeeper.repo.notice import Notice

LONG = 60.0
REQUEST, RESULT = "refs/heads/request/fix-1", "refs/gate/results/fix-1"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "--bare")
    tree = git(tmp_path, "mktree")
    commit = git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", tree, "-m", "x")
    git(tmp_path, "update-ref", "refs/heads/release", commit)
    for ref in ("refs/heads/request/_", "refs/gate/results/old"):
        git(tmp_path, "update-ref", ref, commit)
    return tmp_path


def git(repo: Path, *args: str) -> str:
    argv = ["git", f"--git-dir={repo}", *args]
    return subprocess.run(argv, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.strip()


@pytest.mark.parametrize("ref", [REQUEST, RESULT])
def test_a_ref_that_is_made_moved_and_deleted(repo: Path, ref: str) -> None:
    other = git(repo, "commit-tree", "release^{tree}", "-p", "release", "-m", "y")
    with Notice(repo) as news:
        assert news.works
        for change in (("release",), (other,), ("-d",)):
            git(repo, "update-ref", *((*change, ref) if change == ("-d",) else (ref, *change)))
            assert "fix-1" in news.wait(LONG)


def test_what_is_no_move_wakes_nobody(repo: Path) -> None:
    with Notice(repo) as news:
        (repo / "refs" / "gate" / "results" / "fix-1.lock").write_text("")
        git(repo, "tag", "elsewhere", "release")
        (repo / "index-x").mkdir()
        assert news.wait(0) == frozenset()


def test_folders_that_git_takes_away_and_makes_anew(repo: Path) -> None:
    with Notice(repo) as news:
        git(repo, "pack-refs", "--all", "--prune")
        assert not (repo / "refs" / "gate" / "results").exists()
        while news.wait(0):
            continue
        git(repo, "update-ref", "refs/gate/results/old", "release")
        assert news.wait(LONG)  # of the folders, one by one
        git(repo, "update-ref", RESULT, "release")
        while "fix-1" not in (moved := news.wait(LONG)):
            assert moved


@pytest.mark.parametrize("call", ["inotify_init1", "inotify_add_watch"])
def test_where_the_machine_has_no_watch_left(repo: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice.libc, call, lambda *_: -1)
    with Notice(repo) as news:
        assert not news.works
        git(repo, "update-ref", RESULT, "release")
        assert news.wait(0) == frozenset()
