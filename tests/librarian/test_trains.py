"""A train of several requests: what lands, what is blocked, and what is written down."""

import json

from gatehouse import Gatehouse

from gatekeeper.model import State


def subjects(gate: Gatehouse, count: int) -> list[str]:
    return gate.git("log", "--first-parent", f"-{count}", "--format=%s", "release").splitlines()


def test_three_requests_on_three_sites_are_one_version(gate: Gatehouse) -> None:
    before = gate.version
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    tips = [
        one.request(
            "shop-two", {"sites/shop/page.txt": "shop two\n"}, "Sell shoes\n\nSurface: shop\nArtifact: build-1"
        ),
        two.request("admin-two", {"sites/shop-admin/page.txt": "admin two\n"}, "Count shoes\n\nBump: minor"),
        one.request("web-two", {"sites/web/page.txt": "web two\n"}, "Show shoes"),
    ]
    gate.tick()
    assert gate.versions() == {gate.version}
    assert [answer["text"] for answer in gate.answers().values()] == ["shop two", "admin two", "web two"]
    assert gate.version.split(".")[1] == str(int(before.split(".")[1]) + 1)
    assert gate.git("rev-list", "--count", "--first-parent", f"{before}..release") == "3"
    form = "--format=%P%x1f%an%x1f%cn%x1f%s%x1f%(trailers:only,unfold,separator=%x1e)"
    landed = [line.split("\x1f") for line in gate.git("log", "--first-parent", "-3", form, "release").split("\n")][::-1]
    assert [line[0].split()[1] for line in landed] == [tips[0], tips[1], tips[2]]
    assert [(line[1], line[2]) for line in landed] == [
        ("agent-one", "Librarian"),
        ("agent-two", "Librarian"),
        ("agent-one", "Librarian"),
    ]
    trailers = dict(part.split(": ", 1) for part in landed[0][4].split("\x1e"))
    tree = gate.git("rev-parse", "release^{tree}")
    assert trailers == {
        "Request": "shop-two",
        "Agent": "agent-one",
        "Surface": "shop",
        "Artifact": "build-1",
        "Version": gate.version,
        "Verified": trailers["Verified"],
        "Decided-By": "Librarian (policy)",
    }
    assert tree in trailers["Verified"]


def test_the_tag_is_signed_and_tells_every_intent(gate: Gatehouse) -> None:
    clone = gate.clone()
    for name in ("shop", "web"):
        clone.request(f"tag-{name}", {f"sites/{name}/page.txt": f"tag {name}\n"}, f"Paint {name} *red*")
    gate.tick()
    gate.git("tag", "-v", gate.version)
    lines = gate.git("tag", "-l", "--format=%(contents)", gate.version).splitlines()
    assert lines[:4] == ["2 requests", "", "- Paint shop *red*", "- Paint web *red*"]
    log = next(line.removeprefix("Gate-Log: ") for line in lines if line.startswith("Gate-Log: "))
    gate.git("merge-base", "--is-ancestor", log, "refs/gate/log")
    changelog = (gate.home.www / "CHANGELOG.md").read_text()
    section = changelog.partition(f"## [{gate.version[1:]}]")[2].partition("\n## ")[0]
    assert "- Paint shop \\*red\\*\n- Paint web \\*red\\*" in section, changelog


def test_what_landed_is_shipped_in_its_result_and_its_ref_is_gone(gate: Gatehouse) -> None:
    gate.clone().request("gone", {"sites/web/page.txt": "gone\n"})
    gate.tick()
    assert gate.open() == set()
    result = gate.result("gone")
    assert (result.state, result.version, result.reason) == (State.SHIPPED, gate.version, None)
    assert gate.git("log", "-1", "--format=%P", "refs/gate/results/gone") == ""
    assert gate.cli("wait", "gone").returncode == 0


def test_log_and_repository_are_sound(gate: Gatehouse) -> None:
    gate.clone().request("sound", {"sites/web/page.txt": "sound\n"})
    gate.tick()
    found = gate.records()
    assert [record.sequence for record in found] == list(range(len(found), 0, -1))
    assert len(found) == int(gate.git("rev-list", "--count", "refs/gate/log"))
    shipped = next(record for record in found if record.event == "shipped")
    assert [one["id"] for one in shipped.data["requests"]] == ["sound"]
    assert [record.event for record in found if record.sequence > shipped.sequence] == []
    gate.git("fsck", "--strict", "--no-dangling")


def test_a_change_to_lib_alone_asks_only_the_sites_that_use_it(gate: Gatehouse) -> None:
    last = gate.records()[0].sequence
    gate.clone().request("lib-two", {"lib/words.txt": f"after {gate.version}\n"})
    gate.tick()
    asked = {record.data["job"] for record in gate.records("checked") if record.sequence > last}
    assert asked == {"page of shop", "page of shop-admin", "boot of shop", "boot of shop-admin"}
    assert gate.ask("web")["lib"].startswith("after ")
    assert gate.versions() == {gate.version}


def test_one_bad_request_of_four_is_blocked_alone(gate: Gatehouse) -> None:
    before, clone = gate.version, gate.clone()
    clone.request("good-a", {"sites/shop/page.txt": "good a\n"})
    clone.request("good-b", {"sites/web/page.txt": "good b\n"})
    bad = clone.request("bad", {"sites/shop-admin/page.txt": "admin\nthis is BROKEN beyond words\n"})
    clone.request("good-c", {"sites/shop/list.txt": "short\n"})
    gate.tick()
    assert gate.git("rev-list", "--count", "--first-parent", f"{before}..release") == "3"
    assert int(gate.version.rpartition(".")[2]) == int(before.rpartition(".")[2]) + 1
    assert gate.versions() == {gate.version}
    result = gate.result("bad")
    assert (result.state, result.reason and result.reason.code) == (State.BLOCKED, "GATE-402")
    assert result.reason is not None
    assert 'check "page" failed for shop-admin' in result.reason.text
    assert "this is BROKEN beyond words" in result.reason.text
    assert gate.refs("refs/heads/request/bad") == {"refs/heads/request/bad": bad}
    shown = gate.json("show", "bad")
    assert any("this is BROKEN beyond words" in line for line in shown["log"])
    assert gate.cli("wait", "bad").returncode == 10

    tip = clone.again("bad", {"sites/shop-admin/page.txt": "mended\n"})
    gate.tick()
    assert (gate.result("bad").state, gate.result("bad").tip, gate.result("bad").attempt) == (State.SHIPPED, tip, 2)
    assert gate.ask("shop-admin")["text"] == "mended"


def test_a_changed_check_lapses_the_block(gate: Gatehouse) -> None:
    gate.clone().request("odd", {"sites/web/page.txt": "BROKEN\n"})
    gate.tick()
    assert gate.code("odd") == "GATE-402"
    runs = len(gate.records("checked"))
    gate.tick()
    assert len(gate.records("checked")) == runs, "a block that still counts runs nothing"
    gate.configure(check='[[checks]]\nname = "page"\nrun = ["true"]\nper_site = true\n')
    gate.tick()
    assert gate.result("odd").state is State.SHIPPED
    assert json.dumps(gate.ask("web")["text"]) == '"BROKEN"'
    gate.clone().request("even", {"sites/web/page.txt": "whole\n"})
    gate.tick()


def test_what_programs_read_keeps_its_shape(gate: Gatehouse) -> None:
    """Other people's scripts rest on these keys. All that there are beside them is in the schema (test_json.py)."""
    gate.clone().request("shape", {"sites/web/page.txt": "BROKEN\n"})
    gate.tick()
    status = gate.json("status")
    assert status["schema"] == 1
    assert set(status) >= {"release", "librarian", "frozen", "enforcement", "requests", "sites"}
    assert set(status["release"]) == {"version", "commit", "shipped_at"}
    assert set(status["librarian"]) >= {"running", "pid", "last_heartbeat", "next_heartbeat"}
    assert set(status["requests"][0]) >= {
        *("id", "state", "agent", "surfaces", "intent", "tip", "filed_at", "position", "reason")
    }
    assert set(status["requests"][0]["reason"]) >= {"code", "text"}
    assert set(status["sites"][0]) >= {"name", "host", "version", "commit", "pm2", "pid", "healthy"}
    assert status["enforcement"] == "advisory"
    shown = gate.json("show", "shape")
    listed = {key: value for key, value in status["requests"][0].items() if key not in ("position", "waits_for")}
    assert {key: shown[key] for key in listed} == listed
