"""Somebody writes what only the Librarian writes: it is found, nothing moves, a person puts it back."""

from collections.abc import Callable

import pytest
from gatehouse import Gatehouse

from gatekeeper.librarian import gates, watch
from gatekeeper.model import Oid

Meddle = Callable[[Gatehouse], object]

LIBRARIAN = ("-c", "user.name=Librarian", "-c", "user.email=librarian@gatekeeper.invalid")
TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def forged(gate: Gatehouse) -> str:
    person = [
        word for pair in ("user.name=Librarian", "user.email=librarian@gatekeeper.invalid") for word in ("-c", pair)
    ]
    return gate.git(*person, "-c", "commit.gpgsign=false", "commit-tree", "-m", "x", "-p", "release", TREE)


def move_release(gate: Gatehouse) -> None:
    gate.git("update-ref", "refs/heads/release", forged(gate))


def make_a_branch(gate: Gatehouse) -> None:
    gate.git("update-ref", "refs/heads/mine", "release")


def replace_an_object(gate: Gatehouse) -> None:
    gate.git("update-ref", f"refs/replace/{gate.release}", "release~0")


def truncate_the_log(gate: Gatehouse) -> None:
    gate.git("update-ref", "refs/gate/log", "refs/gate/log~12")


def remove_the_log(gate: Gatehouse) -> None:
    gate.git("update-ref", "-d", "refs/gate/log")


def turn_head(gate: Gatehouse) -> None:
    gate.git("symbolic-ref", "HEAD", "refs/heads/request/x")


def open_the_door(gate: Gatehouse) -> None:
    gate.git("config", "--unset-all", "receive.hideRefs")


def unhook(gate: Gatehouse) -> None:
    (gate.home.repo / "hooks" / "pre-receive").unlink()


def rewrite_a_hook(gate: Gatehouse) -> None:
    (gate.home.repo / "hooks" / "pre-receive").write_text("#!/bin/sh\nexit 0\n")


CASES: list[tuple[Meddle, str]] = [
    (move_release, "`release` is at"),
    (make_a_branch, "refs/heads/mine is there"),
    (replace_an_object, "refs/replace/"),
    (truncate_the_log, "The audit log does not hold the record"),
    (remove_the_log, "refs/gate/log is gone"),
    (turn_head, "HEAD of the repository"),
    (open_the_door, "receive.hiderefs was changed"),
    (unhook, "pre-receive is missing"),
    (rewrite_a_hook, "pre-receive was altered"),
]


@pytest.mark.parametrize(("meddle", "words"), CASES, ids=lambda case: getattr(case, "__name__", None))
def test_what_was_changed_stops_everything_until_a_person_puts_it_back(
    gate: Gatehouse, meddle: Meddle, words: str
) -> None:
    release, live = gate.release, gate.versions()
    gate.clone().request("waits", {"sites/alpha/page.txt": f"{words}\n"})
    meddle(gate)
    ended = gate.tick()
    assert [alarm.code for alarm in ended.alarms] == ["GATE-502"]
    assert words in ended.alarms[0].text
    assert gate.open() == {"waits"}
    assert gate.versions() == live
    assert words in " ".join(gate.cli("status").stdout.split())
    assert gate.cli("repair", "-m", "put it back").returncode == 0
    assert gate.json("status")["tampering"] == []
    assert release in gate.git("rev-list", "--first-parent", "release").split()
    assert gate.result("waits").state == "shipped"
    assert gate.cli("audit", "verify").returncode == 0


def test_a_log_that_has_grown_is_asked_for_what_it_has_grown_from(opener: Callable[..., Gatehouse]) -> None:
    """What was proved once is remembered by the head of the log, which says all of it; one cut short is asked anew."""
    gate = opener()
    gate.tick()
    heads = [Oid(oid) for oid in gate.git("rev-list", "refs/gate/log").split()]
    head, record, before = heads[0], heads[2], heads[3]
    with gates.for_reading(gate.home) as opened:
        assert [watch.holds(opened, log, record) for log in (heads[1], head, head)] == [True, True, True]
        assert not watch.holds(opened, before, record)
        assert watch.holds(opened, record, record)
        assert watch.holds(opened, head, record)


def test_a_forged_version_is_no_ground_to_put_anything_back_on(opener: Callable[..., Gatehouse]) -> None:
    gate = opener()
    gate.tick()
    gate.git(*LIBRARIAN, "tag", "-a", "-m", "mine", "v9.0.0", "release")
    ended = gate.tick()
    assert "v9.0.0 does not carry the Librarian's signature" in ended.alarms[0].text
    declined = gate.cli("repair", "-m", "try")
    assert declined.returncode == 30
    assert "needs the backup" in declined.stderr
    gate.git("tag", "-d", "v9.0.0")
    assert gate.tick().alarms == ()
