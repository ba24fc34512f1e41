"""Requests that change the same lines: who is told what, and how a person mends it in an ordinary clone."""

from gatehouse import Gatehouse

from gatekeeper.model import State

LIST = "sites/shop/list.txt"


def lines(first: str) -> str:
    return first + "".join(f"line {number}\n" for number in range(1, 20))


def test_a_conflict_with_release_names_the_other_side_and_is_mended_by_hand(gate: Gatehouse) -> None:
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    two.fresh()
    late = two.commit({LIST: lines("two was here\n")}, "Two writes")
    one.request("early", {LIST: lines("one was here\n")})
    gate.tick()
    assert two.push(f"{late}:refs/heads/request/late").status == 0
    gate.tick()
    result = gate.result("late")
    assert result.reason is not None
    assert (result.state, result.reason.code) == (State.BLOCKED, "GATE-401")
    assert result.reason.text == f"in conflict with request early (agent agent-one) in {LIST} (line 1)."
    assert result.reason.next[-1] == ("git", "push", "--force", "origin", "HEAD:request/late")
    assert gate.cli("wait", "late").returncode == 10
    status = gate.json("status")
    assert [(r["id"], r["state"], r["reason"]["code"]) for r in status["requests"]] == [("late", "blocked", "GATE-401")]

    # Any person with a clone: merge release, fix, push to the same request.
    three = gate.clone("kim")
    three.git("fetch", "-q", "origin", "request/late")
    three.git("checkout", "-q", "-B", "mend", "FETCH_HEAD")
    three.git("fetch", "-q", "origin", "release")
    assert three.run("git", "merge", "-q", "FETCH_HEAD", ok=False).returncode == 1
    (three.folder / LIST).write_text(lines("one and two were here\n"))
    three.git("commit", "-qam", "Merge release")
    pushed = three.push("HEAD:request/late")
    assert pushed.code == "GATE-302", "only its agent or an operator may update it"
    three.env["GATE_AGENT"] = "agent-two"
    assert three.push("HEAD:request/late").status == 0
    gate.tick()
    assert gate.result("late").state is State.SHIPPED
    assert gate.git("show", f"release:{LIST}").startswith("one and two were here")
    assert gate.versions() == {gate.version}


def test_a_conflict_inside_the_train_waits_and_is_then_blocked(gate: Gatehouse) -> None:
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    mark = f"after {gate.version}"
    one.request("first", {LIST: lines(f"first {mark}\n")})
    two.request("second", {LIST: lines(f"second {mark}\n")})
    one.request("other", {"sites/web/page.txt": f"{mark}\n"})
    last = gate.records()[0].sequence
    gate.tick()
    told = [r for r in gate.records()[::-1] if r.sequence > last and r.data.get("id") == "second"]
    assert [(record.event, record.data.get("code")) for record in told] == [
        ("filed", None),
        ("queued", "GATE-409"),
        ("blocked", "GATE-401"),
    ]
    assert "it waits for request first (agent agent-one), which goes first." in told[1].subject
    assert (gate.result("first").state, gate.result("other").state) == (State.SHIPPED, State.SHIPPED)
    assert gate.result("first").version == gate.result("other").version
    reason = gate.result("second").reason
    assert reason is not None
    assert reason.text == f"in conflict with request first (agent agent-one) in {LIST} (line 1)."


def test_a_block_by_conflict_lapses_when_release_moves_out_of_the_way(gate: Gatehouse) -> None:
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    base = gate.git("show", f"release:{LIST}") + "\n"
    two.fresh()
    late = two.commit({LIST: lines("two again\n")})
    one.request("in-the-way", {LIST: lines("in the way\n")})
    gate.tick()
    assert two.push(f"{late}:refs/heads/request/patient").status == 0
    gate.tick()
    assert gate.code("patient") == "GATE-401"
    one.request("out-of-it", {LIST: base})
    gate.tick()
    assert gate.result("patient").state is State.SHIPPED
    assert gate.git("show", f"release:{LIST}").startswith("two again")
