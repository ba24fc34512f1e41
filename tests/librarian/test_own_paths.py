"""Where a request left `release`, told by its line of commits, is where Git says; histories of any shape."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from gatekeeper.librarian.holds import Holds
from gatekeeper.model import Actor, Ask, Assurance, Oid, Request, RequestId
from gatekeeper.repo.create import create
from gatekeeper.repo.git import Git

AUTHOR = {f"GIT_{role}_{part}": "x" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}


def _commit(git: Git, number: int, parents: Sequence[Oid]) -> Oid:
    """Make a commit with the files of its parents and one of its own."""
    with git.own_index() as index:
        for parent in parents:
            listed = git.run("ls-tree", "-r", "-z", "--full-tree", parent).output
            git.run("update-index", "-z", "--add", "--index-info", stdin=listed, env=index)
        blob = git.text("hash-object", "-w", "--stdin", stdin=b"%d" % number)
        git.run("update-index", "--add", "--cacheinfo", f"100644,{blob},f{number % 7}", env=index)
        made = git.text("write-tree", env=index)
    chain = [word for parent in dict.fromkeys(parents) for word in ("-p", parent)]
    return Oid(git.text("commit-tree", *chain, "-m", f"{number}", made, env=AUTHOR))


def _fresh(git: Git, tips: Sequence[Oid], release: Oid) -> Mapping[str, list[str]]:
    lines = git.text("rev-list", "--parents", *tips, f"^{release}").splitlines()
    return {oid: parents for oid, *parents in (line.split() for line in lines)}


@pytest.mark.parametrize("seed", range(4))
def test_a_line_of_commits_says_what_git_says(tmp_path: Path, seed: int) -> None:
    chance, straight = random.Random(seed), 0  # noqa: S311 - shapes, not secrets
    with create(tmp_path / "repo.git") as git:
        made = [_commit(git, 0, ())]
        for number in range(1, 24):
            count = chance.choice((0, 1, 1, 1, 1, 2))
            made.append(_commit(git, number, chance.sample(made, min(count, len(made)))))
        release = chance.choice(made[8:])
        fresh = _fresh(git, made, release)
        told, asked = Holds(git, (), release, fresh), Holds(git, (), release)
        for tip in made:
            request = _request(tip)
            assert told.own_paths(request) == asked.own_paths(request), (seed, tip)
            assert told._odd_paths(tip) == asked._odd_paths(tip)  # noqa: SLF001
            straight += told._root(tip) is not None  # noqa: SLF001
    assert straight, "some of them are lines"


def _request(tip: Oid) -> Request:
    agent, ask = Actor("x", Assurance.CLAIMED, "agent"), Ask((), "x", "")
    return Request(RequestId("x"), tip, 1, 1, agent, ask, "")
