"""What a push hears, whole: compared line by line, as people and agents read it."""

import json
import time

from hooks.doorway import Clone, Door, agent

HINT = "hint: Your part is done. For the result: request-deploy --wait fix-42"
FILED = (
    '{"v":1,"event":"filed","id":"fix-42","code":null,"state":"queued","position":1,"retry":"never",'
    '"next":[["request-deploy","--wait","fix-42"]],"result_ref":"refs/gate/results/fix-42"}'
)
NOT_RUNNING = "warning: the Librarian is not running; the operator starts it with `gatekeeper run`."


def beats(door: Door, after: float) -> str:
    due = time.gmtime(time.time() + after)
    text = json.dumps({"last": "2026-01-05T15:00:00Z", "next": time.strftime("%Y-%m-%dT%H:%M:%SZ", due)})
    (door.home / "var" / "heartbeat.json").write_text(text)
    (door.home / "var" / "bell.sock").touch()
    return time.strftime("%H:%M UTC", due)


def test_a_request_is_filed(door: Door, clone: Clone) -> None:
    due = beats(door, 600)
    clone.commit()
    assert clone.push("HEAD:request/fix-42").lines == [
        "success: request fix-42 filed. It is 1st in the queue.",
        "  intent   Fix the login redirect loop",
        f"  surface  shop     base v1.4.1     next heartbeat now, at the latest {due}",
        HINT,
        "gate: " + FILED,
    ]


def test_it_says_that_nobody_will_come(door: Door, clone: Clone) -> None:
    clone.commit()
    lines = clone.push("HEAD:request/fix-42").lines
    assert lines[2] == "  surface  shop     base v1.4.1     next heartbeat when the Librarian runs"
    assert lines[3] == NOT_RUNNING
    beats(door, 600)
    (door.home / "var" / "bell.sock").unlink()
    clone.commit(files={"sites/shop/cart.js": "by hand\n"})
    assert NOT_RUNNING in clone.push("--force", "HEAD:request/fix-42").lines
    due = beats(door, -600)
    clone.commit(files={"sites/shop/cart.js": "other\n"})
    answer = clone.push("--force", "HEAD:request/fix-42")
    assert f"warning: the heartbeat of {due} is late; tell your operator." in answer.lines


def test_a_second_request_hears_of_the_first(door: Door, clone: Clone) -> None:
    clone.commit(files={"sites/shop/cart.js": "2\n", "sites/shop/b.js": "2\n", "sites/web/cart.js": "2\n"})
    assert clone.push("HEAD:request/fix-41", agent="codex-2").status == 0
    clone.fresh()
    files = {"sites/shop/cart.js": "3\n", "sites/shop/b.js": "3\n", "sites/api/cart.js": "3\n"}
    clone.commit("Cart\n\nUrgency: tonight \\o/\nDepends-On: fix-40\nTry: yes", files)
    assert clone.push("HEAD:request/fix-42").lines == [
        "success: request fix-42 filed. It is 2nd in the queue.",
        "  intent   Cart",
        "  surface  api, shop     base v1.4.1     next heartbeat when the Librarian runs",
        "  try      merged and verified, never shipped",
        (
            "warning: it touches sites/shop/b.js and 1 more, as request fix-41 (agent codex-2) does; "
            "the later one may be blocked."
        ),
        "warning: it waits for request fix-40, and no such request is open.",
        NOT_RUNNING,
        'hint: Urgency "tonight \\o/" is recorded and shown; it changes no order.',
        HINT,
        "gate: " + FILED.replace('"position":1', '"position":2'),
    ]


def test_a_blocked_request_is_not_ahead(door: Door, clone: Clone) -> None:
    tip = clone.commit(files={"sites/api/cart.js": "2\n"})
    clone.push("HEAD:request/fix-41")
    door.result("fix-41", State="blocked", Tip=tip, Agent="codex-1")
    clone.fresh()
    clone.commit()
    assert clone.push("HEAD:request/fix-42").machine["position"] == 1


def test_a_block_of_an_earlier_tip_does_not_count(door: Door, clone: Clone) -> None:
    clone.commit(files={"sites/api/cart.js": "2\n"})
    clone.push("HEAD:request/fix-41")
    door.result("fix-41", State="blocked", Tip="0" * 40, Agent="codex-1")
    clone.fresh()
    clone.commit()
    assert clone.push("HEAD:request/fix-42").machine["position"] == 2


def test_an_update_and_a_withdrawal(door: Door, clone: Clone) -> None:
    old = clone.commit()
    clone.push("HEAD:request/fix-42")
    new = clone.commit("Fix it better")
    updated = clone.push("HEAD:request/fix-42")
    assert updated.lines[0] == "success: request fix-42 updated. It is 1st in the queue."
    assert updated.machine["event"] == "updated"
    assert clone.push(":request/fix-42").lines == [
        "success: request fix-42 withdrawn. A ship that has already begun goes on.",
        (
            'gate: {"v":1,"event":"withdrawn","id":"fix-42","code":null,"state":"withdrawn","retry":"never","next":[],'
            '"result_ref":"refs/gate/results/fix-42"}'
        ),
    ]
    who = {"name": "codex-1", "assurance": "claimed", "role": "agent"}
    pushed = [{key: entry[key] for key in ("id", "old", "new", "agent")} for entry in door.spool("pushing")]
    assert pushed == [
        {"id": "fix-42", "old": "0" * 40, "new": old, "agent": who},
        {"id": "fix-42", "old": old, "new": new, "agent": who},
    ]
    assert [(entry["id"], entry["old"], entry["agent"]) for entry in door.spool("withdraw")] == [("fix-42", new, who)]
    assert "refs/heads/request/fix-42" not in door.refs()


def test_the_contract_example_of_a_refusal(door: Door, clone: Clone) -> None:
    clone.commit("Fix it\n\nSurface: sho")
    answer = clone.push("HEAD:request/fix-43")
    amend = 'git -c trailer.ifexists=replace commit --amend --no-edit --trailer "Surface: shop"'
    assert answer.lines == [
        'error: GATE-202 no surface named "sho". Surfaces are matched whole, never by prefix.',
        'hint: Did you mean "shop"? Known: admin, api, blog, docs, shop, web. Repair and push again:',
        f"hint:   {amend}",
        (
            'gate: {"v":1,"event":"refused","id":"fix-43","code":"GATE-202","state":null,"retry":"after_fix","next":'
            '[["git","-c","trailer.ifexists=replace","commit","--amend","--no-edit","--trailer","Surface: shop"],'
            '["git","push","--force","origin","HEAD:request/fix-43"]],"field":"Surface",'
            '"allowed":["admin","api","blog","docs","shop","web"]}'
        ),
    ]
    assert answer.status == 1
    assert door.refs() == ["refs/heads/release", "refs/tags/v1.4.1"]


def test_a_push_to_release(door: Door, clone: Clone) -> None:
    oid = clone.commit()
    answer = clone.push("--force", "HEAD:release", agent="codex-1")
    request = f"{oid}:refs/heads/request/change-{oid[:7]}"
    assert answer.lines == [
        "error: GATE-101 refs/heads/release is written by the Librarian only. Nothing was changed.",
        "hint: Force, urgency or another remote do not change this. If it cannot wait, tell your operator.",
        "hint: File a request for the same commit instead:",
        f"hint:   git push origin {request}",
        (
            'gate: {"v":1,"event":"refused","id":null,"code":"GATE-101","state":null,"retry":"never",'
            f'"next":[["git","push","origin","{request}"]],"field":"ref"}}'
        ),
    ]
    (entry,) = door.spool("refused")
    assert {key: entry[key] for key in ("ref", "new", "code", "text")} == {
        "ref": "refs/heads/release",
        "new": oid,
        "code": "GATE-101",
        "text": "refs/heads/release is written by the Librarian only. Nothing was changed.",
    }
    assert entry["agent"] == {"name": "codex-1", "assurance": "claimed", "role": "agent"}


def test_agents_text_cannot_break_a_line(door: Door, clone: Clone) -> None:
    clone.commit("Fix \x1b[31m it\n\nUrgency: {{7*7}} %s {0} $(id) `id`")
    answer = clone.push("HEAD:request/fix-42", agent="a\x1b]0;x\x07\nsuccess: forged")
    assert "\x1b" not in answer.raw
    assert answer.code == "GATE-301"
    answer = clone.push("HEAD:request/fix-42")
    assert "\x1b" not in answer.raw
    assert answer.code == "GATE-201"
    clone.commit("Fix {{ id }} {% raw %}\n\nUrgency: {{7*7}} %s {0} $(id) `id`")
    answer = clone.push("HEAD:request/fix-42")
    assert "  intent   Fix {{ id }} {% raw %}" in answer.lines
    assert 'hint: Urgency "{{7*7}} %s {0} $(id) `id`" is recorded and shown; it changes no order.' in answer.lines


def test_an_agent_is_known_by_its_whole_name(door: Door, clone: Clone) -> None:
    door.set(agents={"codex-1": agent(), "codex-10": agent(role="operator")})
    clone.commit()
    assert clone.push("HEAD:request/fix-42", agent="codex-10").status == 0
    assert door.spool("pushing")[-1]["agent"] == {"name": "codex-10", "assurance": "claimed", "role": "operator"}
