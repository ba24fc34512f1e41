"""Two stories on a whole gate: a conflict that is told, reminded of and over; and channels that are dead."""

import json
import time
from pathlib import Path

import pytest
from gatehouse import Gatehouse, librarian, until

from gatekeeper.errors import Exit
from gatekeeper.policy.alerting import DAY

from .listener import SECRET, Heard

UNREACHABLE = "pm2, a host, a mirror or an alert address cannot be reached"


def addresses(gate: Gatehouse, *lines: str, mode: int = 0o600) -> None:
    file = gate.home.var / "alerts"
    file.write_text("\n".join(lines) + "\n")
    file.chmod(mode)


@pytest.fixture
def gate(gate: Gatehouse) -> Gatehouse:
    """The shared gate, where nobody was told anything yet."""
    gate.home.alerts.unlink(missing_ok=True)
    (gate.home.var / "alerts").unlink(missing_ok=True)
    return gate


def conflict(gate: Gatehouse, name: str) -> None:
    """Have two requests change one line in two ways; the second is blocked."""
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    text = {"sites/web/page.txt": f"{name} of one\n"}
    two.fresh()
    one.request(f"{name}-1", text)
    two.again(f"{name}-2", {"sites/web/page.txt": f"{name} of two\n"}, "Call @everyone <!channel>\n\nIntent: @everyone")


def test_a_conflict_is_one_alert_one_reminder_and_one_end(gate: Gatehouse, heard: Heard) -> None:
    assert gate.cli("alert", "test").returncode == Exit.NOT_FOUND
    addresses(gate, heard.apprise, f"{heard.ping} ping")
    conflict(gate, "clash")
    gate.tick()
    assert gate.code("clash-2") == "GATE-401"
    (alert,) = heard.messages
    assert alert["title"].endswith("] GATE-401 clash-2, a conflict")
    assert (alert["type"], heard.pings) == ("warning", [f"/{SECRET}"])
    for words in (
        "NEW GATE-401 (a conflict) request clash-2 of agent-two",
        "sites/web/page.txt",
        f"Not changed by it: `release` and the sites, which are on {gate.version}.",
        f"-> gatekeeper --gate {gate.home.path} resolve clash-2",
        "-> gatekeeper explain GATE-401",
    ):
        assert words in alert["message"], alert["message"]
    assert "@everyone" not in alert["message"]
    (record,) = gate.records("alerted")[:1]
    cause = {"news": "new", "code": "GATE-401", "id": "clash-2", "cause": "request/clash-2/GATE-401", "reached": 1}
    assert (record.data["causes"], record.data["reached"], record.data["addresses"]) == ([cause], 1, 1)
    gate.tick()
    assert (len(heard.messages), len(heard.pings)) == (1, 2)
    gate.tick(clock=lambda: time.time() + DAY + 60)
    assert [title.rpartition("] ")[2] for title in heard.titles[1:]] == ["still open: GATE-401 clash-2, a conflict"]
    reason = gate.result("clash-2").reason
    text = reason.text if reason else ""
    assert gate.json("status")["alerts"] == {
        "open": [{"scope": "request", "code": "GATE-401", "id": "clash-2", "level": "warning", "text": text}],
        "failing": [],
        "late_seconds": 0,
    }
    assert gate.decide("reject", "clash-2").event == "rejected"
    assert [title.rpartition("] ")[2] for title in heard.titles[2:]] == ["resolved: GATE-401 clash-2, a conflict"]
    assert "RESOLVED GATE-401 (a conflict) request clash-2 is rejected" in heard.messages[-1]["message"]
    assert SECRET not in gate.git("log", "--format=%B", "refs/gate/log") + "".join(gate.told)


def test_a_dead_channel_stops_nothing_and_the_others_hear_of_it(gate: Gatehouse, heard: Heard) -> None:
    dead = f"json://127.0.0.1:9/{SECRET} name=old-room"
    addresses(gate, dead, heard.apprise)
    conflict(gate, "dead")
    gate.tick()
    assert [title.rpartition("] ")[2] for title in heard.titles] == [
        "GATE-401 dead-2, a conflict",
        f"GATE-504, {UNREACHABLE}",
    ]
    assert "the alert address old-room cannot be reached" in heard.messages[1]["message"]
    gate.clone().request("goes-on", {"sites/shop/page.txt": "on it goes\n"})
    gate.tick()
    assert (gate.result("goes-on").state, len(heard.messages)) == ("shipped", 2)
    shown = gate.cli("status").stdout + gate.cli("alert").stdout
    assert "addresses that do not work: 1" in shown
    assert "old-room" in shown
    assert SECRET not in shown
    tested = gate.cli("alert", "test")
    assert (tested.returncode, len(heard.messages)) == (Exit.FAILED, 3)
    assert tested.stdout.splitlines()[0].startswith("FAILED old-room: ")
    assert tested.stdout.splitlines()[1].startswith("ok ")
    addresses(gate, heard.apprise)
    gate.tick()
    assert heard.titles[-1].endswith(f"] resolved: GATE-504, {UNREACHABLE}")
    assert gate.cli("alert", "test").returncode == 0
    gate.decide("reject", "dead-2")


def test_a_heartbeat_that_fails_is_told_and_a_mistake_in_the_file_too(gate: Gatehouse, heard: Heard) -> None:
    addresses(gate, heard.apprise, "what is this", mode=0o640)
    gate.home.sites_toml.write_text("[gate\n")
    gate.tick()
    assert [title.rpartition("] ")[2] for title in heard.titles] == ["GATE-501, the configuration; and 2 more"]
    told = heard.messages[0]["message"]
    assert "sites.toml is invalid" in told
    assert "var/alerts, line 2: it is neither" in told
    assert "others than you can read it" in told
    gate.configure()
    addresses(gate, heard.apprise)
    gate.tick()
    assert heard.titles[-1].endswith("] resolved: GATE-501, the configuration; and 2 more")


def test_a_living_librarian_ships_while_a_channel_hangs_and_says_that_it_was_away(
    gate: Gatehouse, heard: Heard, tmp_path: Path
) -> None:
    hangs, told = tmp_path / "page", tmp_path / "told"
    hangs.write_text(f'#!/bin/sh\ncat > "{told}"\nwhile [ ! -e "{tmp_path}/let-go" ]; do sleep 0.1; done\n')
    hangs.chmod(0o700)
    addresses(gate, f"exec:{hangs}", heard.apprise)
    gate.home.beat.write_text(json.dumps({"last": "2026-01-01T00:00:00Z", "next": "2026-01-01T00:15:00Z"}))
    assert gate.json("status")["alerts"]["late_seconds"] > 0
    with librarian(gate) as process:
        until(process, "GATE-506")
        gate.clone().request("beside", {"sites/shop/page.txt": "beside\n"})
        until(process, "shipped v")
        (tmp_path / "let-go").touch()
    assert [title.rpartition("] ")[2] for title in heard.titles] == ["GATE-506, a late heartbeat, or a stuck request"]
    assert [cause["code"] for cause in json.loads(told.read_text())["causes"]] == ["GATE-506"]
    gate.tick()
    assert gate.records("alerted")[0].data["causes"][0]["code"] == "GATE-506"
