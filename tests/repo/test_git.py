"""One bare repository, through `Git`."""

import os
import signal
from pathlib import Path

import pytest

from gatekeeper import process
from gatekeeper.errors import GateError
from gatekeeper.model import NO_OID, RELEASE, Oid, Ref
from gatekeeper.repo import objects
from gatekeeper.repo.create import create, foreign_settings
from gatekeeper.repo.git import Change, Git
from gatekeeper.repo.lock import Lock


def blob(git: Git, text: str) -> Oid:
    return Oid(git.text("hash-object", "-w", "--stdin", stdin=text.encode()))


def tree(git: Git, files: dict[str, str]) -> Oid:
    with git.own_index() as index:
        lines = "".join(f"100644 {blob(git, text)}\t{path}\n" for path, text in files.items())
        git.run("update-index", "--add", "--index-info", stdin=lines.encode(), env=index)
        return Oid(git.text("write-tree", env=index))


def commit(git: Git, files: dict[str, str], *parents: Oid) -> Oid:
    env = {f"GIT_{role}_{part}": "x" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    chain = [word for parent in parents for word in ("-p", parent)]
    return Oid(git.text("commit-tree", *chain, "-m", "x", tree(git, files), env=env))


def test_entries_lists_a_folder_beside_a_path_in_it(git: Git) -> None:
    root = tree(git, {"sites/api/package.json": "{}", "sites/api/server.js": "", "sites/web/server.js": ""})
    listed = [entry.path for entry in git.entries(root, "sites/api", "sites/api/package.json", "sites/none")]
    assert listed == ["sites/api", "sites/api/package.json"]


def test_entries_deep_keeps_odd_names_whole(git: Git) -> None:
    root = tree(git, {"a b/ü.txt": "1", "a b/--help": "2"})
    assert [entry.path for entry in git.entries(root, deep=True)] == ["a b/--help", "a b/ü.txt"]


def test_transact_moves_all_refs_or_none(git: Git, lock: Lock) -> None:
    one, two = commit(git, {"a": "1"}), commit(git, {"a": "2"})
    first, second = Ref("refs/gate/first"), Ref("refs/gate/second")
    assert git.transact((Change(first, NO_OID, one), Change(second, NO_OID, one)), reason="new", lock_fd=lock.fd)
    stale = (Change(first, one, two), Change(second, two, one))
    assert not git.transact(stale, reason="stale", lock_fd=lock.fd)
    assert git.refs("refs/gate/") == {first: one, second: one}
    assert git.transact((Change(first, one, NO_OID),), reason="gone", lock_fd=lock.fd)
    assert git.refs("refs/gate/") == {second: one}


def test_transact_moves_a_symbolic_ref_itself_and_never_what_it_names(git: Git, lock: Lock) -> None:
    one, release, request = commit(git, {"a": "1"}), Ref("refs/heads/release"), Ref("refs/heads/request/x")
    assert git.transact((Change(release, NO_OID, one),), reason="new", lock_fd=lock.fd)
    git.run("symbolic-ref", request, release)
    assert git.transact((Change(request, one, NO_OID),), reason="gone", lock_fd=lock.fd)
    assert git.refs() == {release: one}


def test_what_git_says_is_in_the_error(git: Git) -> None:
    with pytest.raises(GateError, match=r"git cat-file failed in .*repo\.git: .*deadbeef"):
        git.run("cat-file", "-p", "deadbeef")


def test_a_reader_sees_objects_that_were_written_after_it_began(git: Git) -> None:
    with git:
        assert git.read(blob(git, "before")) == b"before"
        assert git.read(blob(git, "after\0\xff")) == "after\0\xff".encode()


def test_objects_are_asked_of_one_process_that_sees_what_is_written_later_and_may_die(git: Git) -> None:
    with git:
        first = blob(git, "before")
        assert objects.contents(git.call, [first, "no such"])[first].content == b"before"
        asked = git._objects  # noqa: SLF001
        later = blob(git, "after")
        git.run("repack", "-adq")
        assert objects.sizes(git.call, [later])[later].size == 5
        assert git._objects is asked is not None  # noqa: SLF001
        assert asked._reader is not None  # noqa: SLF001
        os.kill(asked._reader[1], signal.SIGKILL)  # noqa: SLF001
        with pytest.raises(GateError, match="git cat-file failed"):
            objects.contents(git.call, [first])
        assert objects.contents(git.call, [first])[first].content == b"before"


def test_create_leaves_the_settings_that_guard_it_and_tells_a_foreign_one(git: Git) -> None:
    assert foreign_settings(git) == ()
    git.run("config", "receive.fsckObjects", "false")
    git.run("config", "--unset-all", "receive.hideRefs")
    assert set(foreign_settings(git)) == {"receive.fsckobjects", "receive.hiderefs"}
    create(git.folder)
    assert foreign_settings(git) == ()


def test_head_is_what_it_names_now(git: Git) -> None:
    assert git.head() == RELEASE
    git.run("symbolic-ref", "HEAD", "refs/heads/other")
    assert git.head() == "refs/heads/other"
    git.run("symbolic-ref", "HEAD", RELEASE)
    assert git.head() == RELEASE


def test_the_tree_of_a_commit_is_read_by_the_process_that_stays(git: Git) -> None:
    made = commit(git, {"a": "1"})
    assert git.tree_of(made) == git.resolve(f"{made}^{{tree}}")
    with pytest.raises(GateError, match="There is no commit"):
        git.tree_of(Oid("1" * 40))


def test_a_clone_by_path_fetches_and_pushes_without_a_murmur_and_sends_only_what_is_new(
    git: Git, lock: Lock, tmp_path: Path
) -> None:
    head = commit(git, {f"file-{n}": str(n) for n in range(50)})
    for number in range(5):
        head = commit(git, {f"file-{n}": str(n + number) for n in range(50)}, head)
    git.transact((Change(Ref("refs/heads/release"), NO_OID, head),), reason="x", lock_fd=lock.fd)
    clone = tmp_path / "clone"

    def run(*args: str) -> str:
        done = process.run(("git", *args), merge=True)
        assert done.ok, done.text
        return done.text

    run("clone", "-q", "-b", "release", str(git.folder), str(clone))
    person = ("-c", "user.name=a", "-c", "user.email=a@example")
    run("-C", str(clone), *person, "commit", "-q", "--allow-empty", "-m", "new")
    assert run("-C", str(clone), "fetch", "-q", "origin") == ""
    said = run("-C", str(clone), "push", "--progress", "origin", "HEAD:request/one")
    assert "Total 1 (delta" in said
    assert "fatal" not in said
