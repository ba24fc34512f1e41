"""Trial merges lie apart: what ships is the repository's own before a commit names it, and nothing else ever is."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatekeeper.errors import GateError
from gatekeeper.model import NO_OID, Oid, Ref
from gatekeeper.repo import drafts, trial
from gatekeeper.repo.create import create
from gatekeeper.repo.git import Change, Git
from gatekeeper.repo.lock import Lock
from gatekeeper.repo.merge import Merged, merge
from repo.test_git import commit


@pytest.fixture(params=["plain", 'a "folder": with \\ marks'])
def git(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Git]:
    """A repository, also at a path that Git's list of object folders must quote."""
    (tmp_path / request.param).mkdir()
    with create(tmp_path / request.param / "repo.git") as git:
        yield git


@pytest.fixture
def aside(tmp_path: Path, git: Git) -> Iterator[Git]:
    (tmp_path / "trial").mkdir()
    with Git(git.folder, apart=tmp_path / "trial") as aside:
        yield aside


def merged(aside: Git, onto: Oid, tip: Oid) -> tuple[Oid, Oid]:
    """Merge and write a commit to stand on, as a train does."""
    found = merge(aside, onto, tip)
    assert isinstance(found, Merged)
    made = drafts.draft(tree=found.tree, parents=(onto, tip), message="trial\n", at=0)
    trial.write(aside, made)
    return found.tree, made.oid


def train(git: Git, aside: Git, length: int) -> tuple[Oid, list[Oid], list[Oid]]:
    """Merge so many requests, each with a file of its own in a folder of its own; return base, trees and commits."""
    base = commit(git, {"a/b/0": "0", "c/d": "0"})
    onto, trees, commits = base, list[Oid](), list[Oid]()
    for number in range(length):
        tip = commit(git, {"a/b/0": "0", "c/d": "0", f"a/b/{number + 1}": f"{number}", f"e{number}/f": "1"}, base)
        tree, onto = merged(aside, onto, tip)
        trees.append(tree)
        commits.append(onto)
    return base, trees, commits


def whole(git: Git, tree: Oid) -> bool:
    """Whether the repository by itself has a tree and all below it."""
    return git.run("rev-list", "--objects", tree, allowed=(0, 128)).ok


def test_merges_are_seen_apart_and_leave_the_repository_as_it_is(git: Git, aside: Git) -> None:
    base = commit(git, {"a/b/0": "0", "c/d": "0"})
    tips = [commit(git, {"a/b/0": "0", "c/d": "0", f"g{n}": "1"}, base) for n in range(2)]
    before = {path for path in (git.folder / "objects").rglob("*") if path.is_file()}
    tree, onto = merged(aside, base, tips[0])
    tree, onto = merged(aside, onto, tips[1])
    assert [entry.path for entry in aside.entries(tree)] == ["a", "c", "g0", "g1"]
    assert aside.read(tree)
    assert aside.tree_of(onto) == tree
    assert {path for path in (git.folder / "objects").rglob("*") if path.is_file()} == before
    assert git.resolve(f"{onto}^{{commit}}") is None, "the repository sees what lies apart"


@pytest.mark.parametrize("length", [3, 60])
def test_what_ships_is_the_repositorys_own_and_outlives_the_folder(git: Git, aside: Git, length: int) -> None:
    base, trees, commits = train(git, aside, length)
    assert not any(whole(git, tree) for tree in trees[1:]), "the first is its request's own"
    trial.settle(git, aside, trees, but=git.tree_of(base))
    assert all(whole(git, tree) for tree in trees)
    assert aside.apart is not None
    shutil.rmtree(aside.apart)
    assert all(whole(git, tree) for tree in trees)
    assert git.resolve(f"{commits[-1]}^{{commit}}") is None, "a commit of a trial got into the repository"
    git.run("fsck", "--strict", "--no-dangling")
    kept = list(git.folder.glob("objects/pack/*.keep"))
    assert len(kept) == (1 if length == 60 else 0)


def test_part_of_an_interrupted_copy_is_not_taken_for_the_whole(git: Git, aside: Git) -> None:
    base, trees, _ = train(git, aside, 3)
    top = aside.run("pack-objects", "--stdout", "-q", stdin=f"{trees[-1]}\n".encode()).output
    git.run("unpack-objects", "-q", stdin=top)
    assert not whole(git, trees[-1])
    trial.settle(git, aside, trees, but=git.tree_of(base))
    assert whole(git, trees[-1])


def test_nothing_that_is_written_believes_what_lies_apart(git: Git, aside: Git) -> None:
    _, trees, _ = train(git, aside, 2)
    env = {f"GIT_{role}_{part}": "x" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    with pytest.raises(GateError, match="not a valid object"):
        git.run("commit-tree", "-m", "x", trees[-1], env=env)


def test_no_ref_can_come_to_need_what_lies_apart(git: Git, aside: Git, lock: Lock) -> None:
    _, _, commits = train(git, aside, 1)
    with pytest.raises(GateError, match="quarantine"):
        aside.transact((Change(Ref("refs/heads/release"), NO_OID, commits[0]),), reason="x", lock_fd=lock.fd)
    assert git.resolve("refs/heads/release") is None


def test_only_a_pack_of_ours_is_let_go(git: Git) -> None:
    (git.folder / "objects" / "pack").mkdir(exist_ok=True)
    ours, theirs = (git.folder / "objects" / "pack" / f"pack-{name}.keep" for name in ("ours", "theirs"))
    ours.write_text("gatekeeper: merges that ship\n")
    theirs.write_text("receive-pack 12 on host\n")
    trial.let_go(git.folder)
    assert (ours.exists(), theirs.exists()) == (False, True)
