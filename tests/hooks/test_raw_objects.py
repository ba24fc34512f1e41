"""Objects that no Git would write, from a client that does: Git refuses them, and the gate's own rules without it."""

import pytest

from hooks.doorway import Answer, Clone, Door

FILE = b"100644"
TREES = {
    "git": [(FILE, b".git")],
    "git in capitals": [(FILE, b".GIT")],
    "git for NTFS": [(FILE, b"git~1")],
    "git with an unseen character": [(FILE, ".g\u200cit".encode())],
    "up": [(FILE, b"..")],
    "twice": [(FILE, b"a"), (FILE, b"a")],
    "slash": [(FILE, b"a/b")],
    "odd mode": [(b"100666", b"a")],
}
COMMITS = {
    "NUL in its message": ("kim <kim@agents.example> 1700000000 +0000", b"Fix\0hidden\n"),
    "a date beyond all dates": ("kim <kim@agents.example> 99999999999999999999 +0000", b"Fix\n"),
    "two addresses": ("kim <a@b> <c@d> 1700000000 +0000", b"Fix\n"),
}


def written(clone: Clone, kind: str, content: bytes) -> str:
    return clone.git("hash-object", "-w", "-t", kind, "--literally", "--stdin", stdin=content)


def tree_of(clone: Clone, names: list[tuple[bytes, bytes]]) -> str:
    """Return a root tree that has these in a folder, beside what `release` has."""
    oid = bytes.fromhex(clone.git("rev-parse", "HEAD:lib/a.js"))
    odd = written(clone, "tree", b"".join(b"%s %s\0%s" % (mode, name, oid) for mode, name in names))
    listed = clone.git("ls-tree", "HEAD")
    return clone.git("mktree", "--missing", stdin=f"{listed}\n040000 tree {odd}\tzzz\n".encode())


def committed(
    clone: Clone, tree: str, who: str = "kim <kim@agents.example> 1700000000 +0000", text: bytes = b"Fix\n"
) -> str:
    parent = clone.git("rev-parse", "HEAD")
    head = f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n"
    return written(clone, "commit", head.encode() + text)


def pushed(clone: Clone, oid: str) -> Answer:
    return clone.push(f"{oid}:refs/heads/request/fix-1")


@pytest.mark.parametrize("kind", TREES)
def test_a_tree_that_no_git_writes_is_refused_twice(door: Door, clone: Clone, kind: str) -> None:
    before, oid = door.refs(), committed(clone, tree_of(clone, TREES[kind]))
    answer = pushed(clone, oid)
    assert (answer.status, door.refs()) == (1, before)
    for name in ("receive.fsckObjects", "transfer.fsckObjects"):
        door.repo.git("config", name, "false")
    answer = pushed(clone, oid)
    assert (answer.status, door.refs()) == (1, before)
    assert answer.code == "GATE-204", answer.raw


@pytest.mark.parametrize("kind", COMMITS)
def test_a_commit_that_no_git_writes_is_refused(door: Door, clone: Clone, kind: str) -> None:
    before, (who, text) = door.refs(), COMMITS[kind]
    clone.write({"sites/shop/cart.js": "2\n"})
    clone.git("add", "-A")
    answer = pushed(clone, committed(clone, clone.git("write-tree"), who, text))
    assert (answer.status, door.refs()) == (1, before)
    assert "fsck" in answer.raw or "unpack" in answer.raw, answer.raw


@pytest.mark.parametrize(
    "text", ['[submodule "../../x"]\n\tpath = x\n\turl = y\n', '[submodule "x"]\n\turl = --upload-pack=y\n']
)
def test_a_gitmodules_that_attacks_who_reads_it_is_refused(door: Door, clone: Clone, text: str) -> None:
    before = door.refs()
    clone.commit(files={".gitmodules": text})
    answer = pushed(clone, clone.git("rev-parse", "HEAD"))
    assert (answer.status, door.refs()) == (1, before)
    assert "gitmodules" in answer.raw


def test_a_bomb_of_paths_is_refused_by_its_count(door: Door, clone: Clone) -> None:
    """Ten folders in each of nine: thirty objects, a thousand million files."""
    oid = clone.git("rev-parse", "HEAD:lib")
    for _ in range(9):
        lines = "".join(f"040000 tree {oid}\t{number}\n" for number in range(10))
        oid = clone.git("mktree", stdin=lines.encode())
    root = clone.git("mktree", stdin=f"{clone.git('ls-tree', 'HEAD')}\n040000 tree {oid}\tzzz\n".encode())
    answer = pushed(clone, committed(clone, root))
    assert (answer.status, answer.code) == (1, "GATE-205"), answer.raw
