"""Work of others that a request would silently drop is found and held; what a bad check says is asked again."""

from gatehouse import Gatehouse

from gatekeeper.model import State

ONE, TWO = "sites/shop/one.txt", "sites/shop/two.txt"


def held(gate: Gatehouse, id_: str) -> str:
    result = gate.result(id_)
    assert (result.state, result.reason and result.reason.code) == (State.HELD, "GATE-406"), result
    return result.reason.text if result.reason else ""


def test_a_merge_that_keeps_only_its_own_side_is_held(gate: Gatehouse) -> None:
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    two.fresh()
    two.commit({TWO: f"two {gate.version}\n"})
    one.request("lands", {ONE: f"one {gate.version}\n"})
    gate.tick()
    two.git("fetch", "-q", "origin", "release")
    two.git("merge", "-q", "-s", "ours", "-m", "Merge release", "FETCH_HEAD")
    assert two.push("HEAD:request/drops").status == 0
    gate.tick()
    text = held(gate, "drops")
    assert ONE in text
    assert "it would be again what it was before request lands of agent-one landed" in text


def test_a_merge_that_changes_more_than_it_merges_is_held(gate: Gatehouse) -> None:
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    two.fresh()
    two.commit({TWO: f"two {gate.version}\n"})
    one.request("lands-too", {ONE: f"one {gate.version}\n"})
    gate.tick()
    two.git("fetch", "-q", "origin", "release")
    two.git("merge", "-q", "--no-commit", "FETCH_HEAD")
    (two.folder / ONE).write_text("something that nobody wrote\n")
    two.git("commit", "-qam", "Merge release")
    assert two.push("HEAD:request/changes").status == 0
    gate.tick()
    text = held(gate, "changes")
    assert ONE in text
    assert "a merge inside the request drops or changes it" in text


def test_a_squash_from_an_old_clone_is_held_and_names_the_agent(gate: Gatehouse) -> None:
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    one.request("first", {ONE: f"first {gate.version}\n"})
    gate.tick()
    two.fresh()
    one.request("second", {ONE: f"second {gate.version}\n"})
    gate.tick()
    (two.folder / TWO).write_text(f"squashed {gate.version}\n")
    two.git("fetch", "-q", "origin", "release")
    two.git("reset", "-q", "--soft", "FETCH_HEAD")
    two.git("add", "-A")
    two.git("commit", "-q", "-m", "All my work in one")
    assert two.push("HEAD:request/squash").status == 0
    gate.tick()
    text = held(gate, "squash")
    assert ONE in text
    assert "what it was before request second of agent-one landed" in text
    assert TWO not in text


def test_an_honest_merge_of_release_is_not_held(gate: Gatehouse) -> None:
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    two.fresh()
    two.commit({TWO: f"honest {gate.version}\n"})
    one.request("ahead", {ONE: f"ahead {gate.version}\n"})
    gate.tick()
    two.git("fetch", "-q", "origin", "release")
    two.git("merge", "-q", "-m", "Merge release", "FETCH_HEAD")
    assert two.push("HEAD:request/honest").status == 0
    gate.tick()
    assert gate.result("honest").state is State.SHIPPED


def test_retry_fresh_runs_what_passed_too(gate: Gatehouse) -> None:
    gate.clone().request("doubted", {"sites/web/page.txt": f"BROKEN {gate.version}\n"})
    gate.tick()
    assert gate.result("doubted").state is State.BLOCKED
    for args, jobs in (({}, {"page of web"}), ({"fresh": "yes"}, {"page of web", "boot of web"})):
        last = gate.records()[0].sequence
        gate.decide("retry", "doubted", **args)
        asked = {r.data["job"] for r in gate.records("checked") if r.sequence > last}
        assert asked == jobs
