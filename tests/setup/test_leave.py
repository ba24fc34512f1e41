"""The end of a gate: what it made goes, what people had stays, and a kill half-way is finished by the same command."""

from collections.abc import Iterator

import pytest
from faults.crash import strike
from gatehouse import Gatehouse, build

from gatekeeper.repo import hooks
from gatekeeper.repo.create import PLACEHOLDER


@pytest.fixture(scope="module")
def left() -> Iterator[Gatehouse]:
    """A gate of static files; each test leaves it, and the next begins it again."""
    with build(("shop",)) as gate:
        gate.only_files()
        gate.tick()
        yield gate


def ordinary(gate: Gatehouse) -> bool:
    """Tell whether anybody can push anything again."""
    clone = gate.clone()
    clone.commit({"sites/shop/page.txt": "pushed by hand\n"})
    return clone.push("--force", "HEAD:refs/heads/main").status == 0


@pytest.mark.parametrize(
    "step", ["before refs: sealed", "after refs: sealed", "after write: policy.json", "before remove: repo.git"]
)
def test_a_kill_is_finished_by_the_same_command(left: Gatehouse, step: str) -> None:
    assert strike(left, [{"at": step, "nth": 1, "do": "kill"}], "setup", "--leave", "--apply") < 0
    left.cli("setup", "--leave", "--apply", ok=True)
    assert not (left.home.repo / "hooks").exists()
    assert PLACEHOLDER not in left.refs()
    assert ordinary(left)
    assert left.json("audit", "verify")["ok"]
    assert left.json("status")["tampering"] == []
    left.git("update-ref", "-d", "refs/heads/main")
    assert left.cli("tick").returncode == 1
    left.cli("thaw", "--unseal", "-m", "we miss it", ok=True)  # and the way back is whole
    assert hooks.drift(left.home.path) == ()
    assert left.tick().alarms == ()
    assert not ordinary(left)


def test_a_plan_changes_nothing(left: Gatehouse) -> None:
    before = left.refs()
    said = left.cli("setup", "--leave", ok=True).stdout
    assert "Nothing was changed." in said
    assert left.refs() == before
    assert not ordinary(left)
