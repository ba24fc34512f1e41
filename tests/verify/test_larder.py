"""What a worker keeps: nothing counts that did not prove itself there, and it does not grow for ever."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from gatekeeper.errors import GateError
from gatekeeper.repo.git import Git
from gatekeeper.verify import parcels, store
from gatekeeper.verify.larder import Larder
from gatekeeper.verify.wire import Inputs, Mount, Part, Piece

ABSENT = "1" * 40


def git(repo: Path, *args: str, stdin: str = "") -> str:
    argv = ("git", f"--git-dir={repo}", *args)
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo.git"
    subprocess.run(["git", "init", "-q", "--bare", str(folder)], check=True)
    return folder


@pytest.fixture
def larder(tmp_path: Path) -> Larder:
    return Larder(tmp_path / "larder", room=1 << 20)


def tree(repo: Path, **files: str) -> str:
    """Make a tree with one folder, `lib`, that holds these files."""
    blobs = {name: git(repo, "hash-object", "-w", "--stdin", stdin=text) for name, text in files.items()}
    inside = git(repo, "mktree", stdin="".join(f"100644 blob {oid}\t{name}\n" for name, oid in blobs.items()))
    return git(repo, "mktree", stdin=f"040000 tree {inside}\tlib\n")


def send(larder: Larder, pieces: Iterable[Piece]) -> int:
    sent = 0
    for piece in pieces:
        larder.take(piece)
        sent += len(piece.data)
    return sent


def whole(oid: str) -> Inputs:
    return Inputs((Part("", "040000", "tree", oid),))


def test_a_tree_arrives_and_the_next_one_costs_what_is_new(repo: Path, larder: Larder, tmp_path: Path) -> None:
    first = tree(repo, big="".join(f"{n**5:x}\n" for n in range(50_000)), small="one\n")
    assert larder.lacking(frozenset({first})) == (first,)
    assert send(larder, parcels.packed(Git(repo), [first], (), tmp_path)) > 100_000
    assert larder.lacking(frozenset({first})) == ()
    second = tree(repo, big="".join(f"{n**5:x}\n" for n in range(50_000)), small="two\n")
    assert send(larder, parcels.packed(Git(repo), [second], (ABSENT, first), tmp_path)) < 500
    folder = tmp_path / "out"
    folder.mkdir()
    with larder.read(whole(second), folder) as lacking:
        assert lacking == ()
    assert (folder / "lib/small").read_text() == "two\n"
    assert git(repo, "hash-object", str(folder / "lib/big")) == git(repo, "rev-parse", f"{first}:lib/big")


def test_a_parcel_in_pieces_counts_after_the_last(
    repo: Path, larder: Larder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcels, "PIECE", 1000)
    oid = tree(repo, big="".join(f"{n**5:x}\n" for n in range(2_000)))
    *most, last = parcels.packed(Git(repo), [oid], (), tmp_path)
    assert len(most) > 5
    send(larder, most)
    assert larder.lacking(frozenset({oid})) == (oid,)
    send(larder, [last])
    assert larder.lacking(frozenset({oid})) == ()


def test_a_pack_without_all_that_its_tree_leads_to_does_not_count(repo: Path, larder: Larder, tmp_path: Path) -> None:
    first, second = tree(repo, a="one\n"), tree(repo, a="two\n", b="more\n")
    for wanted, had in ((second, (git(repo, "rev-parse", f"{second}:lib/a"),)), (ABSENT, ())):
        (piece,) = parcels.packed(Git(repo), [second if wanted == second else first], had, tmp_path)
        with pytest.raises(GateError, match="rev-list failed"):
            larder.take(msgspec.structs.replace(piece, names=(wanted,)))
        assert larder.lacking(frozenset({wanted})) == (wanted,)
    with larder.read(whole(second), tmp_path) as lacking:
        assert lacking == (second,)


def test_a_pack_that_was_tampered_with_does_not_count(repo: Path, larder: Larder, tmp_path: Path) -> None:
    oid = tree(repo, a="one\n")
    (piece,) = parcels.packed(Git(repo), [oid], (), tmp_path)
    data = bytearray(piece.data)
    data[len(data) // 2] ^= 1
    with pytest.raises(GateError, match="unpack-objects failed"):
        larder.take(msgspec.structs.replace(piece, data=bytes(data)))
    assert larder.lacking(frozenset({oid})) == (oid,)


def test_what_a_build_left_counts_by_its_digest(larder: Larder, tmp_path: Path) -> None:
    build = tmp_path / "build"
    (build / "out" / "empty").mkdir(parents=True)
    (build / "out" / "run").write_text("#!/bin/sh\n")
    (build / "out" / "run").chmod(0o755)
    (build / "out" / "link").symlink_to("run")
    name = store.digest(build)
    other = "0" * 64
    (piece,) = parcels.archived(build, name, tmp_path)
    with pytest.raises(GateError, match=f"What came as build {other} is {name}"):
        larder.take(msgspec.structs.replace(piece, names=(other,)))
    assert larder.lacking(frozenset({name, other})) == tuple(sorted((name, other)))
    larder.take(piece)
    folder = tmp_path / "job"
    folder.mkdir()
    with larder.read(Inputs(mounts=(Mount("out", name),)), folder) as lacking:
        assert lacking == ()
    assert store.digest(folder) == name
    (folder / "out" / "run").write_text("changed by a check\n")
    again = tmp_path / "again"
    again.mkdir()
    with larder.read(Inputs(mounts=(Mount("out", name),)), again):
        assert store.digest(again) == name


def test_past_its_room_it_forgets_everything_but_not_while_somebody_reads(repo: Path, tmp_path: Path) -> None:
    larder = Larder(tmp_path / "small", room=10)
    oid = tree(repo, a="one\n")
    send(larder, parcels.packed(Git(repo), [oid], (), tmp_path))
    folder = tmp_path / "job"
    folder.mkdir()
    with larder.read(whole(oid), folder) as lacking:
        assert lacking == ()
        assert larder.lacking(frozenset({oid})) == ()
    assert larder.lacking(frozenset({oid})) == (oid,)
    assert not list((tmp_path / "small/objects.git/objects").glob("[0-9a-f][0-9a-f]"))


def test_a_disk_that_lost_something_is_sent_it_again(repo: Path, larder: Larder, tmp_path: Path) -> None:
    oid = tree(repo, a="one\n")
    (piece,) = parcels.packed(Git(repo), [oid], (), tmp_path)
    larder.take(piece)
    blob = git(repo, "rev-parse", f"{oid}:lib/a")
    (tmp_path / "larder/objects.git/objects" / blob[:2] / blob[2:]).unlink()
    folder = tmp_path / "job"
    folder.mkdir()
    with pytest.raises(Exception, match=blob[:7]), larder.read(whole(oid), folder):
        raise AssertionError
    assert larder.lacking(frozenset({oid})) == (oid,)
