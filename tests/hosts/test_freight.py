"""What travels to a host, without the way there: only what is missing, and nothing but what was asked for."""

import subprocess
from pathlib import Path

import pytest

from gatekeeper.errors import GateError
from gatekeeper.hosts import freight
from gatekeeper.model import Oid
from gatekeeper.repo import packing
from gatekeeper.repo.git import Git
from gatekeeper.verify import store


def tree(repo: Path, **files: str) -> Oid:
    """Write files, each by its name, and return the tree that holds them."""
    entries = []
    for name, text in files.items():
        argv = ["git", f"--git-dir={repo}", "hash-object", "-w", "--stdin"]
        oid = subprocess.run(argv, input=text, capture_output=True, text=True, check=True).stdout.strip()
        entries.append(f"100644 blob {oid}\t{name}\n")
    argv = ["git", f"--git-dir={repo}", "mktree"]
    made = subprocess.run(argv, input="".join(entries), capture_output=True, text=True, check=True)
    return Oid(made.stdout.strip())


@pytest.fixture
def repos(tmp_path: Path) -> tuple[Path, Path]:
    here, there = tmp_path / "here.git", tmp_path / "there.git"
    freight.repository(here)
    freight.repository(there)
    return here, there


def send(here: Path, there: Path, wanted: Oid, scratch: Path) -> int:
    """Do what a ship does, and return how many objects travelled."""
    with Git(here) as ours, Git(there) as theirs, freight.draft(scratch) as file:
        lack = freight.lack(theirs, scratch, wanted, {})
        packing.pack(ours, (wanted,), lack.trees, file, scratch=scratch)
        file.seek(8)
        count = int.from_bytes(file.read(4), "big")
        freight.take_pack(theirs, wanted, file)
        freight.keep(theirs, f"v-{wanted[:12]}", wanted)
        return count


def test_only_what_is_missing_travels(repos: tuple[Path, Path], tmp_path: Path) -> None:
    here, there = repos
    files = {f"file{number}": f"text {number}\n" for number in range(20)}
    first = tree(here, **files)
    second = tree(here, **{**files, "file3": "changed\n"})
    assert send(here, there, first, tmp_path) == 21
    assert send(here, there, second, tmp_path) == 2
    with Git(there) as git:
        assert freight.lack(git, tmp_path, second, {}).whole
        assert git.read(git.entries(second, "file3")[0].oid) == b"changed\n"


def test_a_pack_that_does_not_make_the_tree_whole_is_refused(repos: tuple[Path, Path], tmp_path: Path) -> None:
    here, there = repos
    one, other = tree(here, a="one\n"), tree(here, a="other\n")
    with Git(here) as ours, Git(there) as theirs, freight.draft(tmp_path) as file:
        packing.pack(ours, (one,), (), file, scratch=tmp_path)
        with pytest.raises(GateError, match=f"does not make tree {other} whole"):
            freight.take_pack(theirs, other, file)


def test_what_a_build_left_arrives_as_it_is_or_not_at_all(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    (ours / "key" / "node_modules" / "bin").mkdir(parents=True)
    theirs.mkdir()
    (ours / "key" / "node_modules" / "run.sh").write_text("#!/bin/sh\n")
    (ours / "key" / "node_modules" / "run.sh").chmod(0o755)
    (ours / "key" / "node_modules" / "bin" / "run").symlink_to("../run.sh")
    digest = store.digest(ours / "key")
    with freight.draft(tmp_path) as file:
        assert store.archive(ours / "key", file) > 0
        freight.take_output(theirs, "key", digest, file)
        assert store.digest(theirs / "key") == digest
        with pytest.raises(GateError, match="is " + digest):
            freight.take_output(theirs, "other", "0" * 64, file)
    assert [path.name for path in theirs.iterdir()] == ["key"]
