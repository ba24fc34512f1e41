"""An id belongs to its first agent: before the Librarian has seen it, afterwards, and after its end."""

import pytest

from hooks.doorway import Clone, Door, agent

AGENTS = {"codex-1": agent(), "codex-2": agent(), "kim": agent(role="operator")}


def file(clone: Clone, id_: str, who: str | None) -> str | None:
    clone.commit(f"Fix {clone.git('rev-list', '--count', 'HEAD')}")
    return clone.push("--force", f"HEAD:request/{id_}", agent=who).code


def test_before_the_librarian_has_seen_it(door: Door, clone: Clone) -> None:
    door.set(agents=AGENTS)
    assert file(clone, "fix-1", "codex-1") is None
    assert file(clone, "fix-1", "codex-2") == "GATE-302"
    assert file(clone, "fix-1", "codex-1") is None
    assert file(clone, "fix-1", "kim") is None
    assert file(clone, "fix-1", "codex-1") is None, "an operator's update does not change the owner"
    assert file(clone, "fix-1", "codex-2") == "GATE-302"


@pytest.mark.parametrize("open_", [True, False])
def test_afterwards_and_after_its_end(door: Door, clone: Clone, *, open_: bool) -> None:
    door.set(agents=AGENTS)
    file(clone, "fix-1", "codex-1")
    door.result("fix-1", State="queued" if open_ else "shipped", Agent="codex-1")
    for note in (door.home / "var" / "spool").glob("*.json"):
        note.unlink()
    if not open_:
        door.repo.git("update-ref", "-d", "refs/heads/request/fix-1")
    assert file(clone, "fix-1", "codex-2") == "GATE-302"
    assert file(clone, "fix-1", "codex-1") is None


def test_withdrawing(door: Door, clone: Clone) -> None:
    door.set(agents=AGENTS)
    file(clone, "fix-1", "codex-1")
    answer = clone.push(":request/fix-1", agent="codex-2")
    assert (answer.code, answer.machine["next"], answer.machine["retry"]) == ("GATE-302", [], "never")
    assert "refs/heads/request/fix-1" in door.refs()
    assert clone.push(":request/fix-1", agent="kim").machine["event"] == "withdrawn"
    assert door.spool("withdraw")[0]["agent"]["role"] == "operator"


def test_a_stranger_cannot_withdraw(door: Door, clone: Clone) -> None:
    door.set(agents=AGENTS)
    file(clone, "fix-1", "codex-1")
    assert clone.push(":request/fix-1", agent="codex-3").code == "GATE-301"


def test_without_agents_a_committers_name_tells_nobody_apart(door: Door, clone: Clone) -> None:
    assert file(clone, "fix-1", None) is None
    other = Clone(clone.folder, clone.env | {"GIT_COMMITTER_NAME": "kim"})
    assert file(other, "fix-1", None) is None
    assert file(other, "fix-1", "kim") == "GATE-302"


def test_blocked_requests_take_no_place(door: Door, clone: Clone) -> None:
    door.set(agents={"codex-1": agent(max_open=1)})
    file(clone, "fix-1", "codex-1")
    assert file(clone, "fix-2", "codex-1") == "GATE-304"
    tip = door.repo.git("rev-parse", "refs/heads/request/fix-1")
    door.result("fix-1", State="blocked", Tip=tip, Agent="codex-1")
    assert file(clone, "fix-2", "codex-1") is None


def test_an_update_takes_no_further_place(door: Door, clone: Clone) -> None:
    door.set(agents={"codex-1": agent(max_open=1)})
    assert file(clone, "fix-1", "codex-1") is None
    assert file(clone, "fix-1", "codex-1") is None
