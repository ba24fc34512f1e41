"""The roll tells a push whom to ask. What the rules go by is read from the refs, whatever the roll says."""

from pathlib import Path

import pytest

from gatekeeper.repo import roll
from gatekeeper.repo.roll import Roll
from hooks.doorway import Clone, Door, agent

AGENTS = {"codex-1": agent(max_open=2), "codex-2": agent(max_open=2)}


def call(door: Door, **told: list[str]) -> None:
    """Write the roll as if each agent had these in the queue."""
    ids = {name.replace("_", "-"): listed for name, listed in told.items()}
    newest = [id_ for listed in ids.values() for id_ in listed]
    (door.home / "var" / roll.FILE).write_bytes(roll.encode(Roll(ids, {}, newest, ("", ""))))


def filed(door: Door, clone: Clone, id_: str, state: str = "queued", who: str = "codex-1") -> None:
    """Push a request and have the Librarian take note of it."""
    clone.commit(f"Fix {id_}", {f"sites/shop/{id_}.js": "1\n"})
    tip = clone.git("rev-parse", "HEAD")
    assert clone.push("--force", f"HEAD:request/{id_}", agent=who).code is None
    door.result(id_, State=state, Tip=tip, Agent=who)
    forget(door)
    clone.fresh()


def forget(door: Door) -> None:
    for note in (door.home / "var" / "spool").glob("*.json"):
        note.unlink()


def ask(clone: Clone, id_: str, message: str = "", who: str = "codex-1") -> tuple[str | None, int | None]:
    clone.commit(message or f"Fix {id_}", {f"sites/shop/{id_}.js": "2\n"})
    said = clone.push("--force", f"HEAD:request/{id_}", agent=who).machine
    clone.fresh()
    return said["code"], said.get("position")


def test_an_agent_has_as_many_open_as_it_has(door: Door, clone: Clone) -> None:
    door.set(agents=AGENTS)
    filed(door, clone, "one")
    filed(door, clone, "two")
    call(door, codex_1=["one", "two"], codex_2=[])
    assert ask(clone, "three")[0] == "GATE-304"
    assert ask(clone, "three", who="codex-2") == (None, 3)


@pytest.mark.parametrize("state", ["blocked", "withdrawn"])
def test_a_roll_that_is_behind_refuses_nobody(door: Door, clone: Clone, state: str) -> None:
    """It still names a request that was blocked since, or is gone: that does not count, as its refs say."""
    door.set(agents=AGENTS)
    filed(door, clone, "one")
    filed(door, clone, "two")
    call(door, codex_1=["one", "two"])
    door.result("two", State=state, Tip=door.repo.git("rev-parse", "refs/heads/request/two"), Agent="codex-1")
    if state == "withdrawn":
        door.repo.git("update-ref", "-d", "refs/heads/request/two")
    assert ask(clone, "three")[0] is None


def test_what_was_pushed_since_counts(door: Door, clone: Clone) -> None:
    """The Librarian calls the roll before it forgets the notes of pushes, so one of the two names each request."""
    door.set(agents=AGENTS)
    call(door)
    assert ask(clone, "one") == (None, 1)
    assert ask(clone, "two") == (None, 2)
    assert ask(clone, "three")[0] == "GATE-304"
    assert ask(clone, "one", who="codex-2")[0] == "GATE-302"


def test_an_id_is_its_first_agents_whatever_the_roll_says(door: Door, clone: Clone) -> None:
    door.set(agents=AGENTS)
    filed(door, clone, "one")
    call(door, codex_2=["one"])
    assert ask(clone, "one", who="codex-2")[0] == "GATE-302"
    filed(door, clone, "one-2")
    clone.commit()
    answer = clone.push("--force", "HEAD:request/one", agent="codex-2")
    assert answer.machine["next"][0][-1].endswith("request/one-3"), "an id that is taken is not offered"


def test_a_circle_is_found_through_filed_and_fresh_requests(door: Door, clone: Clone) -> None:
    door.set(agents=AGENTS)
    filed(door, clone, "one")
    tip = door.repo.git("rev-parse", "refs/heads/request/one")
    door.result("one", State="queued", Tip=tip, Agent="codex-1", Depends_On="two")
    call(door, codex_1=["one"])
    assert ask(clone, "two", "Fix two\n\nDepends-On: three", who="codex-2")[0] is None
    assert ask(clone, "three", "Fix three\n\nDepends-On: one", who="codex-2")[0] == "GATE-209"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"v": 2}', '{"v": 1}', '{"v": 1, "queued": {}, "release": 1}'])
def test_without_a_roll_everything_is_read(door: Door, clone: Clone, text: str, tmp_path: Path) -> None:
    door.set(agents=AGENTS)
    filed(door, clone, "one")
    filed(door, clone, "two")
    (door.home / "var" / roll.FILE).write_text(text)
    assert roll.load(str(door.home)) is None
    assert ask(clone, "three")[0] == "GATE-304"
