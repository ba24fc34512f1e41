"""Comparing trees: what Git's own diff says, and bombs counted without being expanded."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatekeeper.repo import childgit, tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatekeeper.repo.objects import Git

LIMITS = {"request_paths": 1000, "request_depth": 20}
EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Git]:
    folder = tmp_path_factory.mktemp("trees")
    subprocess.run(["git", "init", "-q", "--bare", str(folder)], check=True)
    with closing(childgit.runner(str(folder), os.environ)) as runner:
        runner(["hash-object", "-w", "-t", "tree", "--stdin"], b"")
        yield runner


def blob(git: Git, content: bytes) -> str:
    return git(["hash-object", "-w", "--stdin"], content).decode().strip()


def folder_of(git: Git, entries: dict[str, tuple[str, str]]) -> str:
    kinds = {"40000": "tree", "160000": "commit"}
    lines = [f"{mode:0>6} {kinds.get(mode, 'blob')} {oid}\t{name}\0" for name, (mode, oid) in entries.items()]
    return git(["mktree", "-z", "--missing"], "".join(lines).encode("utf-8", "surrogateescape")).decode().strip()


def built(git: Git, shape: dict[str, object]) -> str:
    entries = {}
    for name, value in shape.items():
        entries[name] = (
            ("40000", built(git, value)) if isinstance(value, dict) else ("100644", blob(git, str(value).encode()))
        )
    return folder_of(git, entries)


NAMES = st.sampled_from(["a", "b", "c d", "é", "x.y"])
SHAPES = st.recursive(
    st.dictionaries(NAMES, st.sampled_from(["1", "2"]), max_size=3),
    lambda inner: st.dictionaries(NAMES, inner | st.sampled_from(["1", "2"]), max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=SHAPES, new=SHAPES)
def test_it_says_what_git_says(git: Git, old: dict[str, object], new: dict[str, object]) -> None:
    before, after = built(git, old), built(git, new)
    raw = git(["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", before, after], b"")
    words = raw.decode("utf-8", "surrogateescape").split("\0")[:-1]
    wanted = {
        (path, "" if head.endswith("D") else head.split()[1])
        for head, path in zip(words[::2], words[1::2], strict=True)
    }
    change = tree.compare(git, before, after, LIMITS)
    assert {(entry.path, entry.mode) for entry in change.entries} == wanted
    assert change.size == sum(entry.size for entry in change.entries)
    assert set(tree.paths(git, before, after)) == {path for path, _ in wanted}


def test_paths_name_modes_links_and_modules_as_git_does(git: Git) -> None:
    """And what nothing was before is told whole."""
    one, two = blob(git, b"1"), blob(git, b"2")
    old = folder_of(git, {"a": ("100644", one), "l": ("120000", one), "s": ("160000", "1" * 40), "x": ("100644", one)})
    inner = folder_of(git, {"\udcff": ("100644", two)})
    new = folder_of(git, {"a": ("100755", one), "l": ("100644", one), "s": ("160000", "2" * 40), "x": ("40000", inner)})
    told = git(["diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new], b"")
    assert list(tree.paths(git, old, new)) == sorted(told.decode("utf-8", "surrogateescape").split("\0")[:-1])
    assert tree.paths(git, None, old) == ("a", "l", "s", "x")
    assert tree.paths(git, new, new) == ()


def test_places_are_what_a_tree_has_at_paths(git: Git) -> None:
    root = built(git, {"a": {"b": {"c": "1"}, "f": "2"}, "g": "3"})
    wanted = ("a", "a/b", "a/b/c", "g", "g/no", "a/f/no", "no", "no/no")
    told = git(["ls-tree", "-z", "-t", "-r", "--full-tree", root], b"").decode().split("\0")[:-1]
    listed = {path: tuple(head.split()[::2]) for head, path in (line.split("\t") for line in told)}
    found = tree.places(git, root, wanted)
    assert {path: (f"{node.mode:0>6}", node.oid) for path, node in found.items()} == {
        path: listed[path] for path in ("a", "a/b", "a/b/c", "g")
    }


def test_from_nothing(git: Git) -> None:
    change = tree.compare(git, None, built(git, {"a": {"b": "12345"}, "c": "1"}), LIMITS)
    assert [(e.path, e.size, e.text) for e in change.entries] == [("a/b", 5, "12345"), ("c", 1, "1")]
    assert (change.paths, change.depth, change.size) == (3, 1, 6)


def test_a_bomb_of_paths_is_counted(git: Git) -> None:
    """Ten entries a level, each the same folder: 31 objects that expand to 10^30 files."""
    oid = folder_of(git, {str(n): ("100644", blob(git, b"x")) for n in range(10)})
    for _ in range(29):
        oid = folder_of(git, {str(n): ("40000", oid) for n in range(10)})
    change = tree.compare(git, EMPTY, oid, {"request_paths": 10**40, "request_depth": 25})
    assert (change.entries, change.depth) == ((), 26)
    assert change.paths > 10**25
    assert tree.compare(git, EMPTY, oid, LIMITS).paths == 1110


def test_a_bomb_of_empty_folders_is_counted(git: Git) -> None:
    oid = EMPTY
    for _ in range(12):
        oid = folder_of(git, {str(n): ("40000", oid) for n in range(10)})
    change = tree.compare(git, EMPTY, oid, LIMITS)
    assert change.entries == ()
    assert change.paths > LIMITS["request_paths"]


def test_a_deep_tree_is_given_up(git: Git) -> None:
    oid = folder_of(git, {"f": ("100644", blob(git, b"x"))})
    for _ in range(200):
        oid = folder_of(git, {"d": ("40000", oid)})
    assert tree.compare(git, EMPTY, oid, LIMITS).depth == 21


def test_sizes_count_each_place(git: Git) -> None:
    big = ("100644", blob(git, b"x" * 5000))
    change = tree.compare(git, EMPTY, folder_of(git, {"a": big, "b": big}), LIMITS)
    assert change.size == 10000
    assert [entry.text for entry in change.entries] == [None, None]


def test_links_are_read_and_submodules_are_not(git: Git) -> None:
    link = blob(git, b"../x")
    root = folder_of(
        git, {"l": ("120000", link), "long": ("120000", blob(git, b"y" * 5000)), "s": ("160000", "1" * 40)}
    )
    change = tree.compare(git, EMPTY, root, LIMITS)
    assert [(e.path, e.mode, e.text) for e in change.entries] == [
        ("l", "120000", "../x"),
        ("long", "120000", None),
        ("s", "160000", None),
    ]


@pytest.mark.parametrize(
    ("old", "new", "twins"),
    [
        ({"a": "1"}, {"a": "1", "A": "1"}, [("d/A", "d/a")]),
        ({}, {"é": "1", "e\u0301": "1"}, [("d/e\u0301", "d/é"), ("d/é", "d/e\u0301")]),
        ({"a": "1", "A": "1"}, {"a": "2", "A": "1"}, []),
        ({"a": "1"}, {"A": "1"}, []),
        ({}, {"a": {"x": "1"}, "A": "1"}, [("d/A", "d/a"), ("d/a", "d/A")]),
    ],
)
def test_twins(git: Git, old: dict[str, object], new: dict[str, object], twins: list[tuple[str, str]]) -> None:
    change = tree.compare(git, built(git, {"d": old}), built(git, {"d": new}), LIMITS)
    assert sorted(change.twins) == twins


def test_a_name_that_is_no_utf8(git: Git) -> None:
    change = tree.compare(git, EMPTY, folder_of(git, {"\udcff": ("100644", blob(git, b"x"))}), LIMITS)
    assert [entry.path for entry in change.entries] == ["\udcff"]


@pytest.mark.parametrize("names", [("a", "a"), ("a/b",), ("",)], ids=["twice", "slash", "empty"])
def test_a_folder_that_no_git_would_write_is_marked(git: Git, names: tuple[str, ...]) -> None:
    """So that the rule on modes refuses it, should Git ever not."""
    oid = blob(git, b"x")
    content = b"".join(f"100644 {name}\0".encode() + bytes.fromhex(oid) for name in names)
    root = git(["hash-object", "-w", "-t", "tree", "--literally", "--stdin"], content).decode().strip()
    assert [entry.mode for entry in tree.compare(git, EMPTY, root, LIMITS).entries] == [tree.MALFORMED]


def test_git_that_fails_raises(tmp_path: Path) -> None:
    runner = childgit.runner(str(tmp_path), os.environ)
    with pytest.raises(childgit.GitFailed, match="git rev-parse ended with 128"):
        runner(["rev-parse", "HEAD"], b"")
