"""What an operator decides, on a real gate: next, revert, freeze --until, reload, config apply, interrupted ships."""

import json
import time

import pytest
from gatehouse import Gatehouse, librarian, until

from gatekeeper.errors import Exit
from gatekeeper.librarian.decisions import VERBS
from gatekeeper.librarian.door import ourselves
from gatekeeper.model import Actor, Assurance, Decision, RequestId, State
from gatekeeper.repo import spool
from gatekeeper.repo.ledger import utc

SHUT = 'ship_windows = ["Mon 00:00-00:01"]\n'


def test_what_is_put_first_ships_at_night_and_alone(gate: Gatehouse) -> None:
    gate.configure(gate=SHUT)
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    one.request("early", {"sites/web/page.txt": f"early {gate.version}\n"})
    tip = two.request("urgent", {"sites/shop/page.txt": f"urgent {gate.version}\n"})
    two.again("on-urgent", {"sites/shop/list.txt": f"on urgent {gate.version}\n"})
    gate.tick()
    assert (gate.code("urgent"), gate.code("early")) == ("GATE-408", "GATE-408")
    checks = len(gate.records("checked"))
    assert gate.cli("next", f"urgent@{'0' * 12}", "-m", "no").returncode == Exit.REFUSED
    done = gate.cli("next", f"urgent@{tip[:12]}", "-m", "checkout is down", "--json")
    assert (done.returncode, json.loads(done.stdout)["event"]) == (0, "put_first")
    assert (gate.result("urgent").state, gate.result("early").state) == (State.SHIPPED, State.VERIFIED)
    assert gate.result("on-urgent").state is State.VERIFIED
    assert gate.result("urgent").ahead is None, "it ends when it shipped"
    assert len(gate.records("checked")) <= checks + 2, "what it touches may be asked again, alone"
    told = gate.records("put_first")[0]
    assert (told.actor.name, told.data["message"], told.data["tip"]) == (ourselves().name, "checkout is down", tip)


def test_what_is_put_first_goes_along_with_what_it_depends_on_and_waits_while_frozen(gate: Gatehouse) -> None:
    gate.configure(gate=SHUT)
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    one.request("under", {"sites/web/page.txt": f"under {gate.version}\n"})
    two.request("over", {"sites/shop/page.txt": f"over {gate.version}\n"}, "Go over\n\nDepends-On: under")
    gate.decide("freeze")
    gate.decide("next", "over")
    assert gate.code("over") == "GATE-408"
    order = [(r["id"], r["position"]) for r in gate.json("status")["requests"]]
    assert order == [("under", 1), ("over", 2)]
    gate.decide("thaw")
    assert (gate.result("over").state, gate.result("under").state) == (State.SHIPPED, State.SHIPPED)


def test_next_does_not_lift_a_block_and_ends_with_a_new_tip(gate: Gatehouse) -> None:
    gate.configure(gate=SHUT)
    clone = gate.clone()
    clone.request("broken", {"sites/web/page.txt": "BROKEN\n"})
    gate.tick()
    assert gate.decide("next", "broken").data["exit"] == Exit.BLOCKED
    clone.request("moving", {"sites/web/list.txt": "one\n"})
    gate.decide("freeze")
    gate.decide("next", "moving")
    assert gate.result("moving").ahead
    clone.request("moving", {"sites/web/list.txt": "two\n"})
    gate.decide("thaw")
    assert (gate.result("moving").ahead, gate.code("moving")) == (None, "GATE-408")
    assert gate.cli("next", "nobody", "-m", "x").returncode == Exit.NOT_FOUND


def test_a_shipped_request_is_taken_out_by_one_of_the_operators(gate: Gatehouse) -> None:
    clone, mark = gate.clone(), gate.version
    clone.request("regret", {"sites/web/page.txt": f"regret {mark}\n"}, "Add the regret")
    gate.tick()
    clone.request("later", {"sites/shop/page.txt": f"later {mark}\n"})
    gate.tick()
    done = gate.cli("revert", "regret", "-m", "it counts orders twice")
    assert done.returncode == 0, done.stderr
    result = gate.result("revert-regret")
    assert (result.state, result.agent) == (State.SHIPPED, ourselves()), gate.told
    assert result.ask.intent == 'Revert "Add the regret"'
    assert gate.ask("web")["text"] != f"regret {mark}"
    assert gate.ask("shop")["text"] == f"later {mark}"
    filed = next(r for r in gate.records("filed") if r.data["id"] == "revert-regret")
    assert (filed.data["reverts"], filed.data["message"]) == ("regret", "it counts orders twice")
    assert gate.cli("audit", "verify").returncode == 0
    again = gate.cli("revert", "regret", "-m", "once more")
    assert (again.returncode, "Nothing of it is left" in again.stderr) == (Exit.FAILED, True)
    assert gate.cli("revert", "revert-regret", "-m", "it was right").returncode == 0
    assert gate.ask("web")["text"] == f"regret {mark}"


def test_a_revert_that_others_stand_on_names_the_files_and_changes_nothing(gate: Gatehouse) -> None:
    clone = gate.clone()
    for text in ("ground", "floor"):
        clone.request(text, {"sites/web/page.txt": f"{text} {gate.version}\n"})
        gate.tick()
    before = gate.refs("refs/heads/")
    done = gate.cli("revert", "ground", "-m", "no")
    assert (done.returncode, "sites/web/page.txt" in done.stderr) == (Exit.FAILED, True)
    assert gate.refs("refs/heads/") == before
    assert gate.cli("revert", "never", "-m", "no").returncode == Exit.NOT_FOUND
    gate.decide("rollback")
    rolled = gate.cli("revert", "floor", "-m", "no")
    assert (rolled.returncode, "gatekeeper retry floor" in rolled.stderr) == (Exit.NOT_FOUND, True)


def test_a_revert_of_what_a_person_must_approve_waits_for_another_person(gate: Gatehouse) -> None:
    gate.clone().request("held-one", {"sites/web/migrations/9.sql": f"nine {gate.version}\n"})
    gate.tick()
    gate.configure('[[hold]]\npaths = ["**/migrations/**"]\nreason = "schema migration"\n')
    gate.decide("revert", "held-one")
    assert (gate.result("revert-held-one").state, gate.code("revert-held-one")) == (State.HELD, "GATE-406")
    assert gate.decide("approve", "revert-held-one").data["exit"] == Exit.REFUSED


def test_a_freeze_ends_by_itself(gate: Gatehouse) -> None:
    done = gate.cli("freeze", "--until", "8h", "-m", "a quiet night")
    assert done.returncode == 0, done.stderr
    frozen = gate.json("status")["frozen"]
    ends = gate.seconds(frozen["until"])
    assert 7.9 * 3600 < ends - gate.seconds(frozen["since"]) <= 8 * 3600
    gate.clone().request("patient", {"sites/web/page.txt": f"patient {gate.version}\n"})
    assert gate.tick().wake == ends
    result = gate.result("patient")
    assert (result.state, gate.code("patient"), result.not_before) == (State.VERIFIED, "GATE-408", frozen["until"])
    assert gate.cli("wait", "patient", "--timeout", "1h").returncode == Exit.WAITING, "at once"
    gate.tick(clock=lambda: ends - 1)
    assert gate.json("status")["frozen"]
    gate.tick(clock=lambda: ends)
    assert (gate.json("status")["frozen"], gate.result("patient").state) == (None, State.SHIPPED)
    assert gate.records("thawed")[0].actor.role == "librarian"
    assert gate.cli("freeze", "--until", "yesterday", "-m", "x").returncode == Exit.USAGE
    assert gate.decide("freeze", until=utc(0)).data["exit"] == Exit.USAGE


def test_the_librarian_wakes_when_a_freeze_ends(gate: Gatehouse) -> None:
    gate.clone().request("woken", {"sites/web/page.txt": f"woken {gate.version}\n"})
    with librarian(gate) as process:
        until(process, "shipped ")
        for seconds in (5, 20, 40):  # a slow machine may come too late for the first
            if gate.cli("freeze", "--until", utc(time.time() + seconds), "-m", "a moment").returncode == 0:
                break
        until(process, "thawed")  # the next heartbeat is due in 15 minutes
    assert gate.json("status")["frozen"] is None


def test_a_site_is_restarted_on_what_is_live(gate: Gatehouse) -> None:
    before = {site["name"]: site["pid"] for site in gate.json("status")["sites"]}
    done = gate.cli("reload", "web", "-m", "it leaks", "--json")
    assert done.returncode == 0, done.stderr
    after = {site["name"]: site["pid"] for site in gate.json("status")["sites"]}
    told = gate.records("reloaded")[0]
    assert (told.data["site"], told.data["pid"], told.data["message"]) == ("web", after["web"], "it leaks")
    assert {name for name in before if before[name] != after[name]} == {"web"}
    missing = gate.cli("reload", "shop-", "-m", "x")
    assert (missing.returncode, 'Did you mean "shop"?' in missing.stderr) == (Exit.NOT_FOUND, True)


def test_a_site_that_does_not_come_back_well_is_told(gate: Gatehouse) -> None:
    gate.clone().request("moody", {"sites/web/page.txt": "FAILS WHEN bad\n"})
    gate.tick()
    gate.mood("web", "bad")
    done = gate.cli("reload", "web")
    assert (done.returncode, "not healthy" in done.stderr) == (Exit.FAILED, True)
    gate.mood("web", "good")
    assert gate.cli("reload", "web").returncode == 0


def test_a_changed_env_file_is_shipped_by_reload(gate: Gatehouse) -> None:
    secret = gate.home.var / "env-web"
    secret.write_text("EXTRA=one\n")
    gate.configure(sites={"web": 'env_file = "var/env-web"\n'})
    gate.tick()
    secret.write_text("EXTRA=two\n")
    assert gate.cli("reload", "web").returncode == 0
    assert gate.ask("web")["extra"] == "two"
    assert gate.records("reconfigured")[0].sequence < gate.records("reloaded")[0].sequence


def test_config_apply_says_what_changes_and_what_came_of_it(gate: Gatehouse) -> None:
    gate.configure(sites={"web": 'instances = 2\nmode = "cluster"\n'})
    done = gate.cli("config", "apply", "-m", "more")
    assert done.returncode == 0, done.stderr
    assert "  sites.web.instances: 1 -> 2" in done.stdout
    assert "The sites run as it says." in done.stdout
    assert gate.records("applied")[0].data["message"] == "more"
    port = gate.ports["web"]
    text = gate.configure(sites={"web": "boot_check = false\n"})
    health = f'"http://127.0.0.1:{port}/"'
    gate.home.sites_toml.write_text(
        text.replace(f"health = {health}", f'health = {{ url = {health}, contains = "NO SUCH WORD" }}')
    )
    failed = gate.cli("config", "apply", "--json")
    answer = json.loads(failed.stdout)
    assert (failed.returncode, answer["event"]) == (Exit.FAILED, "declined"), answer
    assert [change["key"] for change in answer["changes"]] == [
        "sites.web.boot_check",
        "sites.web.health.contains",
        "sites.web.instances",
    ]
    gate.home.sites_toml.write_text("[gate]\nmax_train = 0\n")
    assert gate.cli("config", "apply").returncode == Exit.CONFIG


def test_an_approval_shows_size_and_checks_and_names_who_pushed_the_tip(gate: Gatehouse) -> None:
    gate.configure('[[hold]]\npaths = ["**/migrations/**"]\nreason = "schema migration"\n')
    gate.clone().request("sql", {"sites/web/migrations/3.sql": f"three {gate.version}\n"})
    gate.tick()
    done = gate.cli("approve", "sql", "-m", "fine")
    assert done.returncode == 0, done.stderr
    assert "1 file changed, 1 insertion(+)" in done.stdout
    assert "not run  " in done.stdout
    assert "page of web" in done.stdout
    assert gate.records("approved")[0].data["resolver"] is False


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_nobody_but_an_operator_decides(gate: Gatehouse, verb: str) -> None:
    refs = {ref: oid for ref, oid in gate.refs().items() if ref != "refs/gate/log"}
    agent = Actor("agent-one", Assurance.KERNEL, "agent")
    decision = Decision(spool.new_key(), verb, agent, utc(time.time()), "let me", RequestId("any"), {})
    spool.decide(gate.home.spool, decision)
    gate.tick()
    record = next(r for r in gate.records() if r.data.get("decision") == decision.key)
    assert (record.event, record.data["exit"]) == ("declined", Exit.REFUSED)
    assert {ref: oid for ref, oid in gate.refs().items() if ref != "refs/gate/log"} == refs
