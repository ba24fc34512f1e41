"""A newer gatekeeper takes a home over as an older one left it; nothing is lost, and what is old stays proved."""

import json

import pytest
from faults.crash import strike
from gatehouse import Gatehouse

from gatekeeper import __version__
from gatekeeper.errors import Exit
from gatekeeper.model import State
from gatekeeper.repo import edition, hooks
from upgrade.conftest import OLD_HOMES

_PAGE = "sites/docs/index.html"


def page(gate: Gatehouse) -> str:
    return (gate.home.current / _PAGE).read_text()


def note(gate: Gatehouse, **changes: object) -> None:
    """Let the home say that another gatekeeper wrote it."""
    said = json.loads(gate.home.edition.read_bytes())
    gate.home.edition.write_text(json.dumps(said | changes))


@pytest.mark.parametrize("old", OLD_HOMES, ids=lambda path: path.name, indirect=True)
def test_a_home_of_an_earlier_version_is_taken_over_whole(old: Gatehouse) -> None:
    assert hooks.drift(old.home.path)
    between = old.clone().request("between", {_PAGE: "four\n"})  # the old one has stopped, its hooks still judge
    old.tick()
    (upgraded,) = old.records("upgraded")
    assert upgraded.data["after"]["hooks"] == edition.on_disk(old.home)
    assert upgraded.data["before"]["hooks"] != upgraded.data["after"]["hooks"]
    assert upgraded.data["format"] == edition.FORMAT
    assert hooks.drift(old.home.path) == ()
    assert (old.result("three").state, old.result("between").state) == (State.SHIPPED, State.BLOCKED)  # in conflict
    assert old.result("between").tip == between
    assert old.version == "v0.1.2"
    assert page(old) == "three\n"
    proved = old.json("audit", "verify")
    assert (proved["ok"], proved["versions"]) == (True, 3)
    old.tick()
    assert len(old.records("upgraded")) == 1


@pytest.mark.parametrize(
    ("step", "nth"),
    [
        ("after write: edition.json", 1),
        ("after write: admission.py", 1),
        ("before refs: upgraded", 1),
        ("after refs: upgraded", 1),
    ],
)
def test_a_kill_in_the_middle_is_made_good_by_the_next_start(old: Gatehouse, step: str, nth: int) -> None:
    assert strike(old, [{"at": step, "nth": nth, "do": "kill"}], "tick") < 0
    assert strike(old, (), "tick") == 0
    assert hooks.drift(old.home.path) == ()
    assert old.result("three").state is State.SHIPPED
    assert old.json("audit", "verify")["ok"]
    assert edition.read(old.home) is not None


def test_an_older_one_refuses_and_changes_nothing(old: Gatehouse) -> None:
    old.tick()
    note(old, format=edition.FORMAT + 1, gatekeeper="9.0.0")
    before = old.refs()
    for command in (
        ("status",),
        ("tick",),
        ("run",),
        ("freeze", "-m", "no"),
        ("doctor",),
        ("backup", str(old.root / "b")),
    ):
        done = old.cli(*command)
        assert done.returncode == Exit.CONFIG, done
        assert f"gatekeeper 9.0.0, in format {edition.FORMAT + 1}; this is gatekeeper {__version__}" in done.stderr
        assert "pip install" in done.stderr
    assert old.refs() == before
    assert not (old.root / "b").exists()


def test_what_somebody_altered_is_not_taken_for_another_version_s(old: Gatehouse) -> None:
    old.tick()
    hook = old.home.repo / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 0\n")
    note(old, gatekeeper="0.0.9", hooks="of 0.0.9")
    assert [alarm.code for alarm in old.tick().alarms] == ["GATE-502"]
    old.home.edition.unlink()  # nor is a home whose note is gone one from before there were notes
    assert [alarm.code for alarm in old.tick().alarms] == ["GATE-502"]
    assert len(old.records("upgraded")) == 1
    assert old.cli("repair", "-m", "looked at it").returncode == 0
    assert old.tick().alarms == ()


def test_a_setting_that_another_version_wrote_goes_with_it(old: Gatehouse) -> None:
    old.tick()
    old.git("config", "receive.unpackLimit", "7")
    said = edition.read(old.home)
    assert said is not None
    note(old, gatekeeper="0.0.9", settings=[*said.settings, ["receive.unpackLimit", "7"]])
    assert old.tick().alarms == ()
    assert "receive.unpacklimit" not in old.git("config", "--local", "--list")
    assert next(record.subject for record in old.records("upgraded")).startswith("gatekeeper 0.0.9 (format 1) to")
