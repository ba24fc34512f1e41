"""Who pushes when the gate is enforced: whom its door names, and nobody else, whatever the client claims."""

import json

import pytest

from hooks.doorway import Answer, Clone, Door, agent

AGENTS = {"codex-1": agent(), "codex-2": agent(), "kim": agent(role="operator")}


def said(name: object = "codex-1", assurance: object = "kernel", v: object = 1) -> str:
    return json.dumps({"v": v, "agent": name, "assurance": assurance, "role": "operator"})


def push(clone: Clone, id_: str, *args: str, **env: str) -> Answer:
    clone.commit(f"Fix {clone.git('rev-list', '--count', 'HEAD')}")
    return Clone(clone.folder, {**clone.env, **env}).push(*args, "--force", f"HEAD:request/{id_}")


@pytest.mark.parametrize(("name", "assurance"), [("codex-1", "kernel"), ("codex-2", "key"), ("kim", "kernel")])
def test_whom_the_door_names(door: Door, clone: Clone, name: str, assurance: str) -> None:
    door.set(agents=AGENTS, mode="enforced")
    answer = push(clone, "fix-1", GATE_DOOR=said(name, assurance), GATE_AGENT="kim")
    assert answer.code is None
    (entry,) = door.spool("pushing")
    assert entry["agent"] == {"name": name, "assurance": assurance, "role": AGENTS[name].role}


@pytest.mark.parametrize(
    "told",
    ["", "null", "[]", "{", said("codex-9"), said(v=2), said(assurance="claimed"), said(["codex-1"]), said(None)],
)
def test_nobody_else_is_believed(door: Door, clone: Clone, told: str) -> None:
    door.set(agents=AGENTS, mode="enforced")
    answer = push(clone, "fix-1", GATE_AGENT="kim", GIT_COMMITTER_NAME="kim", **({"GATE_DOOR": told} if told else {}))
    assert (answer.status, answer.code, answer.machine["next"]) == (1, "GATE-301", [])
    assert "refs/heads/request/fix-1" not in door.refs()
    assert door.spool("refused")[0]["agent"] == {"name": "unknown", "assurance": "claimed", "role": "agent"}


def test_the_words_for_a_push_past_the_doors(door: Door, clone: Clone) -> None:
    door.set(agents=AGENTS, mode="enforced")
    assert "takes pushes through its doors only" in push(clone, "fix-1").text


def test_only_its_agent_or_an_operator_withdraws(door: Door, clone: Clone) -> None:
    door.set(agents=AGENTS, mode="enforced")
    push(clone, "fix-1", GATE_DOOR=said())
    assert push(clone, "fix-1", GATE_DOOR=said("codex-2")).code == "GATE-302"
    other = Clone(clone.folder, {**clone.env, "GATE_DOOR": said("codex-2"), "GATE_AGENT": "codex-1"})
    assert other.push(":request/fix-1").code == "GATE-302"
    assert Clone(clone.folder, {**clone.env, "GATE_AGENT": "codex-1"}).push(":request/fix-1").code == "GATE-301"
    operator = Clone(clone.folder, {**clone.env, "GATE_DOOR": said("kim", "key")})
    assert operator.push(":request/fix-1").machine["event"] == "withdrawn"


def test_in_the_advisory_set_up_it_counts_for_nothing(door: Door, clone: Clone) -> None:
    door.set(agents=AGENTS)
    assert push(clone, "fix-1", GATE_DOOR=said("kim"), GATE_AGENT="codex-1").code is None
    assert door.spool("pushing")[0]["agent"] == {"name": "codex-1", "assurance": "claimed", "role": "agent"}
