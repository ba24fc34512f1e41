"""A new signing key: what the old one signed stays proved, also to somebody who knows the old key only."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from faults.crash import strike
from gatehouse import Gatehouse, build
from msgspec.structs import replace

from gatekeeper.model import State
from gatekeeper.repo import records, rotation
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import EMPTY_TREE
from gatekeeper.repo.sign import Signer


@pytest.fixture(scope="module")
def gate() -> Iterator[Gatehouse]:
    """A gate of static files, which needs no process; each test leaves it with another key."""
    with build(("shop",)) as gate:
        gate.only_files()
        gate.tick()
        yield gate


def ship(gate: Gatehouse, id_: str) -> None:
    gate.clone().request(id_, {"sites/shop/page.txt": f"{id_}\n"})
    gate.tick()
    assert gate.result(id_).state is State.SHIPPED


def keys(gate: Gatehouse) -> list[str]:
    return sorted(path.name for path in gate.home.key.parent.iterdir())


def test_both_keys_are_known_from_a_mirror_and_the_old_one_alone(gate: Gatehouse) -> None:
    before = gate.root / "signers-before"
    shutil.copy(gate.home.allowed_signers, before)
    old_key = gate.root / "old-key"
    shutil.copy(gate.home.key, old_key)
    old = rotation.public_of(gate.home.key)
    ship(gate, "first")
    done = gate.cli("keys", "rotate", "-m", "kim leaves", ok=True)
    assert done.stdout.startswith("The key is SHA256:")
    new = rotation.public_of(gate.home.key)
    assert new != old
    assert keys(gate) == ["allowed_signers", "librarian", "librarian.pub"]
    ship(gate, "second")
    (record,) = gate.records("rotated")
    assert (record.data["old"], record.data["new"], record.data["message"]) == (old, new, "kim leaves")
    assert gate.tick().alarms == ()  # the watch knows both

    mirror = gate.root / "mirror.git"
    gate.git("clone", "-q", "--mirror", str(gate.home.repo), str(mirror))
    for signers in (before, gate.home.allowed_signers):
        proved = gate.cli("audit", "verify", "--repo", str(mirror), "--signers", str(signers))
        assert proved.returncode == 0, (signers, proved.stdout, proved.stderr)
    for tag in ("v0.1.0", "v0.1.2"):
        gate.git("verify-tag", tag)

    # whoever found the old key signs nothing more with it
    with Git(mirror) as git:
        last = records.newest(git)
        assert last is not None
        forged = replace(last.record, sequence=last.record.sequence + 1, at="2096-10-02T07:06:40Z")
        oid = records.write(Signer(git, old_key), EMPTY_TREE, forged, parent=last.oid, at=4e9)
        git.run("update-ref", "refs/gate/log", oid)
    for signers in (before, gate.home.allowed_signers):
        proved = gate.cli("audit", "verify", "--repo", str(mirror), "--signers", str(signers))
        assert proved.returncode == 30
        assert "a key that is not allowed to" in proved.stdout


@pytest.mark.parametrize(
    ("step", "done"),
    [
        ("after make a key", False),
        ("before refs: rotated", False),
        ("after refs: rotated", True),
        ("after write: allowed_signers", True),
        ("after write: librarian.pub", True),
        ("after adopt the key", True),
    ],
)
def test_a_kill_leaves_the_one_key_or_the_other(gate: Gatehouse, step: str, *, done: bool) -> None:
    old, had = rotation.public_of(gate.home.key), len(gate.records("rotated"))
    assert strike(gate, [{"at": step, "nth": 1, "do": "kill"}], "keys", "rotate", "-m", "no") < 0
    for left in gate.home.spool.glob("decided/*"):
        if not done:
            left.unlink()  # else the next heartbeat would take the decision up again, which it may
    gate.tick()
    assert (rotation.public_of(gate.home.key) != old) == done
    assert keys(gate) == ["allowed_signers", "librarian", "librarian.pub"]
    assert gate.home.key.with_suffix(".pub").read_text().startswith(rotation.public_of(gate.home.key))
    assert gate.decide("freeze").event == "frozen"  # signed, by the key that counts
    assert gate.decide("thaw").event == "thawed"
    assert gate.json("audit", "verify")["ok"]
    assert len(gate.records("rotated")) == had + done


def test_a_key_that_nobody_vouches_for_is_not_believed(gate: Gatehouse) -> None:
    before = gate.root / "signers-before"
    shutil.copy(gate.home.allowed_signers, before)
    mine = gate.root / "mine"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(mine)], check=True)
    for suffix in ("", ".pub"):
        shutil.copy(f"{mine}{suffix}", f"{gate.home.key}{suffix}")  # put there without a word
    gate.home.allowed_signers.write_text(
        gate.home.allowed_signers.read_text().rsplit(" ssh-", 1)[0] + " " + mine.with_suffix(".pub").read_text()
    )
    gate.cli("freeze", "-m", "x")
    gate.cli("keys", "rotate", "-m", "and handed on", ok=True)
    proved = gate.cli("audit", "verify", "--repo", str(gate.home.repo), "--signers", str(before))
    assert proved.returncode == 30
    assert "a key that is not allowed to" in proved.stdout
