"""What is remembered of objects cannot be stale: each is read once, and only when it is there."""

from collections import Counter

import pytest

from gatekeeper.errors import GateError
from gatekeeper.model import Oid
from gatekeeper.repo import frozen, once, tags
from gatekeeper.repo.git import Git
from gatekeeper.repo.once import Once

PERSON = ("-c", "user.name=Kim", "-c", "user.email=kim@example.com")


def blob(git: Git, text: str) -> Oid:
    return Oid(git.text("hash-object", "-w", "--stdin", stdin=text.encode()))


def test_each_is_read_once_and_what_comes_later_is_found(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Counter[bytes]()
    texts = Once("blob", lambda content: read.update([content]) or content.decode())
    first, missing = blob(git, "one"), Oid("1" * 40)
    assert texts.those(git, (first, missing, first)) == {first: "one"}
    with pytest.raises(GateError, match=f"There is no blob {missing}"):
        texts.one(git, missing)
    later = blob(git, "two")
    assert texts.those(git, (later, first)) == {first: "one", later: "two"}
    assert read == {b"one": 1, b"two": 1}
    monkeypatch.setattr(once, "_MOST", 2)
    assert texts.those(git, (first, blob(git, "three"))).keys() >= {first}
    assert texts.one(git, later) == "two"


def test_another_kind_of_object_is_none_of_these(git: Git) -> None:
    texts = Once("commit", bytes.decode)
    assert texts.those(git, (blob(git, "one"),)) == {}


def test_a_tag_says_what_it_names_who_made_it_and_on_which_record(git: Git) -> None:
    tree = git.text("mktree")
    commit = git.text(*PERSON, "commit-tree", "-m", "x", tree)
    git.run(*PERSON, "tag", "-m", f"Say so\n\nGate-Log: {'a' * 40}", "v1.0.0", commit)
    git.run(*PERSON, "tag", "-m", "of a tag", "outer", "v1.0.0")
    git.run("tag", "light", commit)
    refs = {ref.rpartition("/")[2]: oid for ref, oid in git.refs("refs/tags/").items()}
    assert tags.read(git, refs["v1.0.0"]) == tags.Tag(Oid(commit), "kim@example.com", Oid("a" * 40))
    assert tags.read(git, refs["outer"]) == tags.Tag(None, "kim@example.com", None)
    assert tags.read(git, refs["light"]) is None
    assert not tags.Tag(None, "kim@example.com", None).ours


@pytest.mark.parametrize("message", ["frozen", "frozen\n\nfor now", "frozen\n\nfor now\n\nUntil: 2030\nStopped: yes"])
def test_a_freeze_is_read_back_however_little_it_says(git: Git, message: str) -> None:
    tree = git.text("mktree")
    env = {"GIT_COMMITTER_DATE": "@1000000000 +0000"}
    oid = Oid(git.text(*PERSON, "commit-tree", "-m", message, tree, env=env))
    _, _, said = message.partition("\n\n")
    reason, _, told = said.partition("\n\n")
    until = "2030" if told else None
    assert frozen.read(git, oid) == frozen.Freeze(reason, "2001-09-09T01:46:40Z", until, stopped=bool(told))
