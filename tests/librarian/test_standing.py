"""How requests stand besides the straight way: held, frozen, withdrawn, vanished, tried, depending, expired."""

import json
import time
from datetime import UTC, datetime

import pytest
from gatehouse import Gatehouse

from gatekeeper.config.schema import DAY
from gatekeeper.errors import Exit
from gatekeeper.librarian.door import ourselves
from gatekeeper.model import Decision, State
from gatekeeper.repo import spool

HOLD = '[[hold]]\npaths = ["**/migrations/**"]\nreason = "schema migration"\n'


def test_frozen_requests_are_verified_and_ship_after_the_thaw(gate: Gatehouse) -> None:
    before = gate.version
    assert gate.cli("freeze", "-m", "database maintenance").returncode == 0
    assert json.loads(gate.cli("status", "--json").stdout)["frozen"]["reason"].startswith("database maintenance")
    gate.clone().request("cold", {"sites/web/page.txt": f"cold {before}\n"})
    gate.tick()
    result = gate.result("cold")
    assert result.reason is not None
    assert (result.state, result.reason.code, gate.version) == (State.VERIFIED, "GATE-408", before)
    assert "database maintenance" in result.reason.text
    assert gate.cli("wait", "cold", "--timeout", "1s").returncode == Exit.WAITING
    checks = len(gate.records("checked"))
    assert gate.cli("thaw").returncode == 0
    assert gate.result("cold").state is State.SHIPPED
    assert len(gate.records("checked")) == checks, "a pass is never run twice"


def test_outside_its_windows_the_gate_verifies_and_says_when_it_will_ship(gate: Gatehouse) -> None:
    before = gate.version
    gate.configure(gate='ship_windows = ["Mon-Fri 07:00-16:30"]\ntimezone = "Europe/Copenhagen"\n')
    gate.clone().request("weekend", {"sites/web/page.txt": f"weekend {before}\n"})
    saturday = datetime(2031, 3, 29, 12, 0, tzinfo=UTC).timestamp()
    gate.tick(clock=lambda: saturday)
    result = gate.result("weekend")
    assert (result.state, gate.code("weekend"), gate.version) == (State.VERIFIED, "GATE-408", before)
    assert result.not_before == "2031-03-31T05:00:00Z", "summer time begins in that night"
    assert gate.cli("wait", "weekend").returncode == Exit.WAITING
    gate.tick(clock=lambda: datetime(2031, 3, 31, 5, 0, tzinfo=UTC).timestamp())
    assert gate.result("weekend").state is State.SHIPPED


def test_a_held_request_ships_by_an_approval_bound_to_its_content(gate: Gatehouse) -> None:
    gate.configure(HOLD)
    clone = gate.clone()
    clone.request("schema", {"sites/web/migrations/1.sql": f"create {gate.version}\n"})
    beat = gate.tick()
    result = gate.result("schema")
    assert result.reason is not None
    assert (result.state, result.reason.code) == (State.HELD, "GATE-406")
    assert "sites/web/migrations/1.sql" in result.reason.text
    assert [alarm.code for alarm in beat.alarms] == ["GATE-406"]
    assert gate.cli("approve", f"schema@{'0' * 12}", "-m", "fine").returncode == Exit.REFUSED
    assert gate.cli("approve", f"schema@{result.tip[:12]}", "-m", "fine").returncode == 0
    assert gate.result("schema").state is State.SHIPPED
    approved = gate.records("approved")[0]
    assert (approved.data["message"], approved.actor.role) == ("fine", "operator")
    decided = gate.git("log", "-1", "--format=%(trailers:key=Decided-By,valueonly)", "release")
    assert decided == f"{approved.actor.name} (approved)"


def test_an_approval_does_not_cover_a_new_tip(gate: Gatehouse) -> None:
    gate.configure(HOLD)
    gate.decide("freeze")
    clone = gate.clone()
    clone.request("schema-two", {"sites/web/migrations/2.sql": "two\n"})
    gate.tick()
    assert gate.decide("approve", "schema-two").event == "approved"
    assert gate.result("schema-two").state is State.VERIFIED
    clone.again("schema-two", {"sites/web/migrations/2.sql": "two, but drop everything\n"})
    gate.decide("thaw")
    assert gate.result("schema-two").state is State.HELD


def test_a_rejected_request_ends_with_the_message(gate: Gatehouse) -> None:
    gate.configure(HOLD)
    tip = gate.clone().request("no", {"sites/web/migrations/3.sql": "three\n"})
    gate.tick()
    assert gate.cli("reject", "no", "-m", "we keep the old one").returncode == 0
    result = gate.result("no")
    assert result.reason is not None
    assert (result.state, result.reason.code) == (State.REJECTED, "GATE-405")
    assert "we keep the old one" in result.reason.text
    assert gate.open() == set()
    assert gate.refs("refs/gate/keep/no/") == {"refs/gate/keep/no/1": tip}
    assert gate.cli("wait", "no").returncode == Exit.WITHDRAWN
    assert gate.cli("reject", "nobody", "-m", "x").returncode == Exit.NOT_FOUND


def test_deleting_a_request_withdraws_it(gate: Gatehouse) -> None:
    gate.decide("freeze")
    clone = gate.clone()
    tip = clone.request("regret", {"sites/web/page.txt": "regret\n"})
    gate.tick()
    assert clone.push(":request/regret").machine["event"] == "withdrawn"
    beat = gate.tick()
    assert (gate.result("regret").state, gate.code("regret"), beat.alarms) == (State.WITHDRAWN, "GATE-407", ())
    assert gate.refs("refs/gate/keep/regret/") == {"refs/gate/keep/regret/1": tip}
    assert gate.cli("wait", "regret").returncode == Exit.WITHDRAWN


def test_a_request_may_be_withdrawn_before_the_librarian_ever_saw_it(gate: Gatehouse) -> None:
    clone = gate.clone()
    clone.request("brief", {"sites/web/page.txt": "brief\n"})
    assert clone.push(":request/brief").status == 0
    beat = gate.tick()
    assert (gate.open(), beat.alarms) == (set(), ())
    assert gate.tick().alarms == ()


def test_a_push_and_a_withdrawal_keep_their_notes_however_long_the_librarian_is_away(gate: Gatehouse) -> None:
    """Without them the one would be put down to its committer, and the other would pass for tampering."""
    gate.decide("freeze")
    clone = gate.clone("agent-two")
    clone.env["GIT_COMMITTER_NAME"] = "somebody-else"
    clone.request("kept", {"sites/web/page.txt": "kept\n"})
    clone.request("taken", {"sites/shop/page.txt": "taken\n"})
    gate.tick()
    assert clone.push(":request/taken").machine["event"] == "withdrawn"
    clone.request("kept", {"sites/web/page.txt": "kept, mended\n"})
    clone.request("fresh", {"sites/shop-admin/page.txt": "fresh\n"})
    beat = gate.tick(clock=lambda: time.time() + 3 * DAY)
    assert [gate.result(id_).agent.name for id_ in ("kept", "fresh")] == ["agent-two", "agent-two"]
    assert (gate.result("kept").attempt, gate.code("taken")) == (2, "GATE-407")
    assert not [alarm for alarm in beat.alarms if alarm.code == "GATE-502"]
    gate.decide("thaw")


def test_an_update_that_is_withdrawn_before_the_librarian_saw_it_has_its_outcome(gate: Gatehouse) -> None:
    gate.decide("freeze")
    clone = gate.clone()
    first = clone.request("hasty", {"sites/web/page.txt": "hasty\n"})
    gate.tick()
    second = clone.request("hasty", {"sites/web/page.txt": "hastier\n"})
    assert clone.push(":request/hasty").status == 0
    gate.tick()
    record = gate.records("withdrawn")[0]
    assert (record.data["id"], record.data["tip"], record.actor.name) == ("hasty", second, clone.agent)
    assert (gate.result("hasty").tip, gate.result("hasty").attempt) == (second, 2)
    assert gate.refs("refs/gate/keep/hasty/") == {
        f"refs/gate/keep/hasty/{at}": t for at, t in ((1, first), (2, second))
    }
    gate.decide("thaw")


def test_a_ref_that_vanishes_is_tampering(gate: Gatehouse) -> None:
    gate.decide("freeze")
    gate.clone().request("stolen", {"sites/web/page.txt": "stolen\n"})
    gate.tick()
    gate.git("update-ref", "-d", "refs/heads/request/stolen")
    beat = gate.tick()
    assert [alarm.code for alarm in beat.alarms] == ["GATE-502"]
    assert gate.code("stolen") == "GATE-502"
    assert gate.records("tampered")[0].data["id"] == "stolen"


def test_a_try_is_verified_and_never_shipped(gate: Gatehouse) -> None:
    before, clone = gate.version, gate.clone()
    tip = clone.request("trial", {"sites/web/page.txt": f"trial {before}\n"}, "Try it\n\nTry: yes")
    gate.tick()
    assert (gate.result("trial").state, gate.version, gate.open()) == (State.VERIFIED, before, set())
    assert gate.refs("refs/gate/keep/trial/") == {"refs/gate/keep/trial/1": tip}
    assert gate.cli("wait", "trial").returncode == 0
    assert gate.tick().alarms == ()


def test_a_try_that_fails_is_blocked(gate: Gatehouse) -> None:
    gate.clone().request("trial-two", {"sites/web/page.txt": "BROKEN\n"}, "Try it\n\nTry: yes")
    gate.tick()
    assert gate.code("trial-two") == "GATE-402"


def test_a_dependency_goes_first_and_is_waited_for(gate: Gatehouse) -> None:
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    mark = gate.version
    one.request("roof", {"sites/web/page.txt": f"roof {mark}\n"}, "Put the roof on\n\nDepends-On: walls")
    gate.tick()
    assert (gate.result("roof").state, gate.code("roof")) == (State.QUEUED, "GATE-409")
    two.request("walls", {"sites/shop/page.txt": f"walls {mark}\n"}, "Put the walls up")
    gate.tick()
    assert (gate.result("roof").state, gate.result("walls").state) == (State.SHIPPED, State.SHIPPED)
    landed = gate.git("log", "--first-parent", "-2", "--format=%s", "release").splitlines()
    assert landed == ["Put the roof on", "Put the walls up"]


def test_a_request_on_top_of_another_one_waits_for_it(gate: Gatehouse) -> None:
    clone = gate.clone()
    clone.request("base", {"sites/web/page.txt": "BROKEN\n"})
    clone.again("on-top", {"sites/shop/page.txt": f"on top {gate.version}\n"})
    gate.tick()
    assert (gate.code("base"), gate.code("on-top")) == ("GATE-402", "GATE-409")


def test_a_cycle_is_refused(gate: Gatehouse) -> None:
    clone = gate.clone()
    clone.request("egg", {"sites/web/page.txt": f"egg {gate.version}\n"}, "Lay it\n\nDepends-On: hen")
    clone.fresh()
    clone.commit({"sites/shop/page.txt": f"hen {gate.version}\n"}, "Hatch it\n\nDepends-On: egg")
    assert clone.push("HEAD:request/hen").code == "GATE-209"
    gate.tick()
    assert gate.code("egg") == "GATE-409"


def test_urgency_changes_no_order(gate: Gatehouse) -> None:
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    one.request("calm", {"sites/web/page.txt": f"calm {gate.version}\n"}, "Calm")
    two.request("loud", {"sites/shop/page.txt": f"loud {gate.version}\n"}, "Loud\n\nUrgency: the boss wants it")
    gate.tick()
    assert gate.git("log", "--first-parent", "-2", "--format=%s", "release").splitlines() == ["Loud", "Calm"]
    filed = next(record for record in gate.records("filed") if record.data["id"] == "loud")
    assert filed.data["urgency"] == "the boss wants it"


def test_blocked_requests_expire(gate: Gatehouse) -> None:
    ids = ("old", "aged")
    tips = [gate.clone().request(id_, {"sites/web/page.txt": "BROKEN\n"}) for id_ in ids]
    gate.tick()
    blocked_at = [gate.seconds(gate.result(id_).updated_at) for id_ in ids]
    gate.tick(clock=lambda: min(blocked_at) + 14 * 86400)
    assert [gate.result(id_).state for id_ in ids] == [State.BLOCKED] * 2
    gate.tick(clock=lambda: max(blocked_at) + 14 * 86400 + 1)
    assert [(gate.result(id_).state, gate.code(id_)) for id_ in ids] == [(State.EXPIRED, "GATE-410")] * 2
    assert gate.open() == set()
    assert [gate.refs(f"refs/gate/keep/{id_}/") for id_ in ids] == [
        {f"refs/gate/keep/{id_}/1": tip} for id_, tip in zip(ids, tips, strict=True)
    ]
    assert gate.cli("wait", "old").returncode == Exit.WITHDRAWN


def test_a_request_that_stands_still_alerts(gate: Gatehouse) -> None:
    gate.clone().request("stuck", {"sites/web/page.txt": f"stuck {gate.version}\n"}, "Wait\n\nDepends-On: godot")
    gate.tick()
    now = gate.seconds(gate.result("stuck").updated_at)
    assert gate.tick(clock=lambda: now + 7200).alarms == ()
    alarms = gate.tick(clock=lambda: now + 7201).alarms
    assert [alarm.code for alarm in alarms] == ["GATE-506"]
    assert "stuck" in alarms[0].text


@pytest.mark.parametrize("verb", ["retry", "approve"])
def test_a_decision_that_does_not_fit_is_declined(gate: Gatehouse, verb: str) -> None:
    gate.decide("freeze")
    gate.clone().request(f"plain-{verb}", {"sites/web/page.txt": f"{verb}\n"})
    gate.tick()
    record = gate.decide(verb, f"plain-{verb}")
    assert (record.event, record.data["exit"]) == ("declined", 1)
    assert gate.decide("thaw").event == "thawed"


def test_nobody_approves_what_they_asked_for(gate: Gatehouse) -> None:
    gate.configure(HOLD)
    gate.clone(ourselves().name).request("own", {"sites/web/migrations/4.sql": "four\n"})
    gate.tick()
    record = gate.decide("approve", "own")
    assert (record.event, record.data["exit"], gate.result("own").state) == ("declined", Exit.REFUSED, State.HELD)


def test_a_decision_that_a_kill_left_in_the_spool_is_not_carried_out_twice(gate: Gatehouse) -> None:
    gate.decide("freeze")
    key = gate.records("frozen")[0].data["decision"]
    gate.decide("thaw")
    told = len(gate.records())
    again = Decision(key, "freeze", ourselves(), gate.records()[0].at, "because")
    spool.decide(gate.home.spool, again)
    gate.tick()
    assert (len(gate.records()), gate.json("status")["frozen"]) == (told, None)
    assert not list(gate.home.spool.rglob("[!.]*.json"))


def test_a_request_is_seen_and_waited_for_before_the_librarian_has_looked(gate: Gatehouse) -> None:
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    one.request("unseen-one", {"sites/web/page.txt": f"unseen {gate.version}\n"})
    two.request("unseen-two", {"sites/shop/page.txt": f"unseen {gate.version}\n"})
    requests = gate.json("status")["requests"]
    told = [(r["id"], r["state"], r["agent"], r["position"]) for r in requests]
    assert told == [("unseen-one", "queued", "agent-one", 1), ("unseen-two", "queued", "agent-two", 2)]
    assert all(r["filed_at"].startswith("20") for r in requests)
    done = gate.cli("wait", "unseen-one", "--timeout", "1s", "--json")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (Exit.WAITING, "queued")
    assert gate.json("show", "unseen-two")["intent"] == "Do unseen-two"
    gate.tick()
    assert gate.cli("wait", "unseen-one").returncode == 0


def test_a_rule_of_the_door_is_not_lifted_by_retry(gate: Gatehouse) -> None:
    gate.configure(gate='protected = ["secret"]\n')
    clone = gate.clone()
    clone.request("sneaky", {"secret/key": "x\n"})  # the hooks still go by the configuration before
    gate.tick()
    assert gate.code("sneaky") == "GATE-207"
    assert gate.decide("retry", "sneaky").event == "declined"
    assert gate.code("sneaky") == "GATE-207"
