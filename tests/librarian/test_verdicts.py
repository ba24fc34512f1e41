"""What a check's answer is worth: flakes, time-outs, and a check that is red on `release` itself."""

from gatehouse import Gatehouse

from gatekeeper.model import State
from gatekeeper.repo import verdicts
from gatekeeper.repo.git import Git

UNBOXED = '[verify]\nsandbox = "none"\njobs = 2\n'


def check(run: str, timeout: str = "10s") -> str:
    return f'[[checks]]\nname = "odd"\nrun = ["sh", "-c", "{run}"]\nper_site = true\ntimeout = "{timeout}"\n'


def checked(gate: Gatehouse, since: int) -> list[tuple[str, str, int, bool]]:
    """Return what was said since then, oldest first: the job, its outcome, how often, and whether it is flaky."""
    records = [record for record in gate.records("checked")[::-1] if record.sequence > since]
    return [(r.data["job"], r.data["outcome"], r.data["runs"], r.data["flaky"]) for r in records]


def test_a_flake_is_recorded_and_told_and_blocks_nobody(gate: Gatehouse) -> None:
    gate.configure(UNBOXED, check=check(f"! grep -q FLAKY page.txt || ! mkdir {gate.root}/met"))
    gate.clone().request("unlucky", {"sites/web/page.txt": f"FLAKY {gate.version}\n"})
    gate.tick()
    assert gate.result("unlucky").state is State.SHIPPED
    said = [entry for entry in checked(gate, 0) if entry[0] == "odd of web"]
    assert said[-2:] == [("odd of web", "failed", 1, False), ("odd of web", "passed", 1, True)]
    assert any("odd of web: passed" in line and "another answer than the first time" in line for line in gate.told)
    with Git(gate.home.repo) as git:
        flaky, kept = verdicts.flaky(git)
    assert (flaky, kept > flaky) == (1, True)


def test_a_time_out_is_retried_once_and_then_said_so(gate: Gatehouse) -> None:
    gate.configure(UNBOXED, check=check("! grep -q SLEEPY page.txt || sleep 30", timeout="1s"))
    gate.clone().request("sleepy", {"sites/web/page.txt": f"SLEEPY {gate.version}\n"})
    gate.tick()
    assert (gate.result("sleepy").state, gate.code("sleepy")) == (State.BLOCKED, "GATE-403")
    said = [entry[1:3] for entry in checked(gate, 0) if entry[0] == "odd of web" and entry[1] == "timed_out"]
    assert said == [("timed_out", 1), ("timed_out", 2)]


def test_a_check_that_is_red_on_release_alerts_and_holds_up_only_who_touches_it(gate: Gatehouse) -> None:
    gate.clone().request("seed", {"sites/web/page.txt": f"will be RED {gate.version}\n"})
    gate.tick()
    gate.configure(UNBOXED, check=check("! grep -q RED page.txt"))
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    one.request("elsewhere", {"sites/shop/page.txt": f"fine {gate.version}\n"})
    two.request("leaves-it-red", {"sites/web/page.txt": f"still RED {gate.version}\n"})
    ended = gate.tick()
    assert (gate.result("elsewhere").state, gate.code("leaves-it-red")) == (State.SHIPPED, "GATE-402")
    assert any(reason.code == "GATE-402" and "on `release` itself" in reason.text for reason in ended.alarms)
    last = gate.records()[0].sequence
    two.request("repairs-it", {"sites/web/page.txt": f"fine again {gate.version}\n"})
    gate.tick()
    assert gate.result("repairs-it").state is State.SHIPPED
    assert ("odd of web", "failed") in [entry[:2] for entry in checked(gate, last)], "it is asked again each heartbeat"
