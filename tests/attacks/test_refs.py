"""Refs: whatever is not one request of the agent's own is refused whole, by both doors."""

from collections.abc import Iterator

import pytest
from enforced import Enforced

from attacks.world import ZERO, Attacker, command, raw


def test_01_push_release(attacker: Attacker) -> None:
    attacker.commit()
    attacker.refused("GATE-101", attacker.push("gate", "HEAD:refs/heads/release"))


def test_02_force_or_delete_release(attacker: Attacker) -> None:
    attacker.commit()
    said = attacker.send(raw(command(b"refs/heads/release", attacker.tip()), pack=b""))
    attacker.refused("GATE-101", said, attacker.push("-f", "gate", "+HEAD:release"))


def test_04_mirror_and_prune(attacker: Attacker) -> None:
    attacker.commit()
    attacker.refused("GATE-10", attacker.push("--mirror", "gate"), attacker.push("--all", "--prune", "gate"))


def test_05_a_request_and_release_in_one_push(attacker: Attacker) -> None:
    attacker.commit()
    attacker.refused("GATE-101", attacker.push("gate", "HEAD:request/a", "HEAD:release"))


@pytest.mark.parametrize("ref", ["refs/replace/{}", "refs/notes/x", "refs/gate/log", "refs/stash", "refs/namespaces/y"])
def test_06_other_namespaces(attacker: Attacker, ref: str) -> None:
    oid = attacker.commit().decode()
    attacker.refused("GATE-103", attacker.push("gate", f"{oid}:{ref.format(oid)}"))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (b"HEAD", "GATE-103"),
        (b"refs/heads/request/../release", "GATE-104"),
        (b"refs/heads/request/x\n" + ZERO + b" " + ZERO + b" refs/heads/request/forged", "GATE-104"),
        (b"refs/heads/request/\x1b[31m", "GATE-104"),
    ],
)
def test_08_names_that_no_git_sends(attacker: Attacker, name: bytes, code: str) -> None:
    """Rows 8, 11, 12 and 24."""
    said = attacker.send(raw(command(name, new=attacker.tip())))
    assert "ok refs" not in said
    attacker.refused(code, said)


def test_10_a_folder_of_requests(attacker: Attacker) -> None:
    attacker.commit()
    attacker.refused("GATE-104", attacker.push("gate", "HEAD:refs/heads/request/42/sub"))


def test_13_a_symbolic_request_takes_nothing_along(local: Attacker) -> None:
    """Only who has taken over what serves a push could make one; then neither door nor Librarian follows it."""
    gate, request, release = local.gate, "refs/heads/request/x", "refs/heads/release"
    gate.git("symbolic-ref", request, release)
    before = local.tip()
    assert local.push("gate", "--force", f"{local.commit().decode()}:{request}").returncode
    local.send(raw(command(request.encode(), before, ZERO), pack=b""))
    gate.git("symbolic-ref", request, release)
    gate.tick()
    gate.tick()
    assert local.tip() == before
    local.outcome.append("`release` stays")


def test_14_a_wrong_old_value_and_one_ref_twice(attacker: Attacker) -> None:
    tip = attacker.tip()
    wrong = attacker.send(raw(command(b"refs/heads/request/w", b"1" * 40, tip)))
    twice = command(b"refs/heads/request/w", ZERO, tip) + command(b"refs/heads/request/w", ZERO, tip, first=False)
    assert "ok refs" not in wrong
    said = attacker.send(raw(twice))
    assert "ok refs" not in said
    attacker.refused("GATE-105", said)


@pytest.mark.parametrize("args", [("v9.9.9",), ("--tags",), ("--follow-tags", "HEAD:request/a")])
def test_15_push_a_tag(attacker: Attacker, args: tuple[str, ...]) -> None:
    attacker.commit()
    attacker.clone.git("tag", "-f", "-a", "-m", "mine", "v9.9.9")
    try:
        attacker.refused("GATE-102", attacker.push("gate", *args))
    finally:
        attacker.clone.git("tag", "-d", "v9.9.9")


def test_16_move_or_delete_a_tag(attacker: Attacker) -> None:
    attacker.commit()
    moved = attacker.push("gate", "+HEAD:refs/tags/v0.1.0")
    attacker.refused("GATE-102", moved, attacker.push("gate", ":refs/tags/v0.1.0"))


def test_17_a_branch_named_like_a_tag(attacker: Attacker) -> None:
    attacker.commit()
    attacker.refused("GATE-101", attacker.push("gate", "HEAD:refs/heads/v0.1.0"))


@pytest.mark.parametrize(
    "id_",
    ["--upload-pack=x", "$(id)", "a;id", "`id`", "\u202egpj", "a\u200bb", "\u0430", "0123456789" * 4, "A1", "x" * 200],
)
def test_21_ids_that_are_something_else(attacker: Attacker, id_: str) -> None:
    """Rows 21, 22, 23, 25, 26 and 27."""
    attacker.commit()
    attacker.refused("GATE-104", attacker.push("gate", f"HEAD:refs/heads/request/{id_}"))


@pytest.fixture
def theirs(gate: Enforced) -> Iterator[bytes]:
    """A request of codex-2's."""
    two = gate.clone("codex-2")
    two.commit({"sites/blog/index.html": "mine\n"})
    assert two.push("HEAD:request/seven").status == 0
    yield gate.git("rev-parse", "refs/heads/request/seven").encode()
    assert two.push(":request/seven").status == 0


def test_28_a_request_of_another_agents(theirs: bytes, attacker: Attacker) -> None:
    attacker.commit()
    deleted = attacker.send(raw(command(b"refs/heads/request/seven", theirs), pack=b""))
    updated = attacker.push("-f", "gate", "HEAD:request/seven")
    attacker.refused("GATE-302", deleted, updated)
