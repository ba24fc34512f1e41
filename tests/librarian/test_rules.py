"""The door's rules are asked again: by the sites.toml of today, and of what a merge really changes."""

from collections.abc import Mapping

from gatehouse import Clone, Gatehouse

from gatekeeper.model import State

ONE, TWO = "sites/shop/one.txt", "sites/shop/two.txt"
WAITS = '[[hold]]\npaths = ["**/wait.txt"]\nreason = "to be looked at"\n'


def agents(**surfaces: str) -> str:
    lists = {name.replace("_", "-"): f"surfaces = [{some}]" if some else "" for name, some in surfaces.items()}
    return "".join(f'[agents.{name}]\nowner = "kim"\n{some}\n' for name, some in lists.items())


def stands(gate: Gatehouse, id_: str) -> tuple[State, str | None]:
    gate.tick()
    return gate.result(id_).state, gate.code(id_)


def wait_with(clone: Clone, id_: str, files: Mapping[str, str]) -> None:
    """Push a request that must be looked at, so that it stays open."""
    clone.request(id_, {**files, "sites/shop/wait.txt": f"{id_}\n"})


def test_the_requests_of_an_agent_that_was_removed_are_held_until_it_is_back(gate: Gatehouse) -> None:
    both, one = agents(agent_one="", agent_two=""), agents(agent_one="")
    gate.configure(both)
    gate.clone("agent-two").request("orphan", {TWO: f"orphan {gate.version}\n"})
    gate.configure(one)
    assert stands(gate, "orphan") == (State.HELD, "GATE-301")
    reason = gate.result("orphan").reason
    assert reason is not None
    assert reason.text.startswith("its agent agent-two is not in sites.toml any more.")
    gate.configure(both)
    assert stands(gate, "orphan") == (State.SHIPPED, None)


def test_what_an_agent_may_not_touch_any_more_is_held_and_may_be_approved(gate: Gatehouse) -> None:
    gate.configure(agents(agent_one="", agent_two=""), WAITS)
    clone = gate.clone("agent-two")
    wait_with(clone, "narrowed", {TWO: f"narrowed {gate.version}\n"})
    assert stands(gate, "narrowed") == (State.HELD, "GATE-406")
    seen = gate.result("narrowed").rests_on["held"]
    gate.configure(agents(agent_one="", agent_two='"web"'), WAITS)
    assert stands(gate, "narrowed") == (State.HELD, "GATE-303")
    reason = gate.result("narrowed").reason
    assert reason is not None
    assert "agent-two may not change shop" in reason.text
    assert "sites/shop/wait.txt: to be looked at" in reason.text, "who approves one sees the other"
    assert gate.result("narrowed").rests_on["held"] != seen
    gate.decide("approve", "narrowed")
    assert gate.result("narrowed").state is State.SHIPPED


def test_a_limit_that_was_lowered_blocks_until_it_is_raised(gate: Gatehouse) -> None:
    gate.configure(WAITS)
    wait_with(gate.clone(), "large", {TWO: f"large {gate.version}\n"})
    assert stands(gate, "large") == (State.HELD, "GATE-406")
    gate.configure(WAITS, "[limits]\nrequest_paths = 1\n")
    assert stands(gate, "large") == (State.BLOCKED, "GATE-205")
    gate.configure("[limits]\nrequest_paths = 2\n")
    assert stands(gate, "large") == (State.SHIPPED, None)


def test_a_rename_on_release_carries_a_change_into_another_surface(gate: Gatehouse) -> None:
    """That is a person's to see (406); where nobody may go, no person can let it (207)."""
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    text = "".join(f"{gate.version} line {number}\n" for number in range(20))
    one.request("begins", {ONE: text})
    gate.tick()
    two.fresh()
    one.request("moves", {ONE: None, "lib/one.txt": text})
    gate.tick()
    two.commit({ONE: text.replace("line 3\n", "line three\n")}, "Edit where it was\n\nSurface: shop")
    assert two.push("HEAD:request/carried").status == 0
    assert stands(gate, "carried") == (State.HELD, "GATE-406")
    reason = gate.result("carried").reason
    assert reason is not None
    assert "because of lib/one.txt: the merge changes it, the request itself does not" in reason.text
    gate.configure(gate='protected = ["lib"]\n')
    assert stands(gate, "carried") == (State.BLOCKED, "GATE-207")
    gate.configure()
    assert stands(gate, "carried") == (State.HELD, "GATE-406")


def test_names_that_only_the_merge_makes_twins_of(gate: Gatehouse) -> None:
    """Behind the other it waits, and is blocked when that one has landed."""
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    for clone in (one, two):
        clone.fresh()
    one.commit({"sites/shop/Readme.txt": "large\n"})
    two.commit({"sites/shop/readme.txt": "small\n"})
    assert one.push("HEAD:request/large").status == two.push("HEAD:request/small").status == 0
    gate.tick()
    assert gate.result("large").state is State.SHIPPED
    assert (gate.result("small").state, gate.code("small")) == (State.BLOCKED, "GATE-204")
    told = [record.data["code"] for record in gate.records("waits") if record.data.get("id") == "small"]
    assert set(told) <= {"GATE-409"}
    reason = gate.result("small").reason
    assert reason is not None
    assert "differs only in case from sites/shop/Readme.txt" in reason.text


def test_what_holds_commits_that_a_rollback_took_out_is_blocked_though_it_was_open(gate: Gatehouse) -> None:
    gate.configure(WAITS)
    before, clone = gate.version, gate.clone()
    clone.request("lands", {ONE: f"lands {before}\n"})
    wait = clone.commit({"sites/shop/wait.txt": f"on top of {before}\n"})
    assert clone.push(f"{wait}:refs/heads/request/on-top").status == 0
    gate.tick()
    assert (gate.result("lands").state, gate.code("on-top")) == (State.SHIPPED, "GATE-406")
    gate.decide("rollback", version=before)
    assert stands(gate, "on-top") == (State.BLOCKED, "GATE-211")


def test_a_circle_names_its_requests_and_ends_when_one_of_them_leaves_it(gate: Gatehouse) -> None:
    clone = gate.clone()
    first = clone.request("hen", {ONE: f"hen {gate.version}\n"}, "Hen\n\nDepends-On: egg")
    clone.again("egg", {TWO: f"egg {gate.version}\n"})
    gate.tick()
    reason = gate.result("egg").reason
    assert reason is not None
    assert (reason.code, "egg → hen → egg" in reason.text) == ("GATE-209", True)
    assert gate.code("hen") == "GATE-409", "it waits for the one that is blocked"
    assert gate.result("hen").tip == first
    clone.fresh()
    clone.commit({TWO: f"egg alone {gate.version}\n"})
    assert clone.push("--force", "HEAD:request/egg").status == 0
    gate.tick()
    assert (gate.result("egg").state, gate.result("hen").state) == (State.SHIPPED, State.SHIPPED)
