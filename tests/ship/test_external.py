"""Sites that an engine runs: `release` moves on its word alone, and what it does not come to like is taken back."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults.crash import start_again, strike
from gatehouse import Gatehouse, build

from gatekeeper.errors import GateError
from gatekeeper.librarian.door import ourselves
from gatekeeper.model import Decision, State
from gatekeeper.repo import spool
from gatekeeper.repo.ledger import utc

from .engine import Engine, engine

NAMES = ("shop", "web")


@dataclass
class Pulled:
    """A gate without any pm2, its mirror, and the engine that follows that."""

    gate: Gatehouse
    mirror: Path
    engine: Engine

    def configure(self, *, timeout: str = "20s", external: str = "", urls: tuple[Path, ...] = ()) -> None:
        told = external or f"health = {json.dumps(self.engine.health)}"
        every = json.dumps([str(url) for url in urls or (self.mirror,)])
        sites = "".join(f'[sites.{name}]\npath = "sites/{name}"\nmode = "static"\n' for name in NAMES)
        self.gate.toml = (
            f'[gate]\nship = "external"\n[limits]\nfree_disk = "1M"\n[verify]\nsandbox = "none"\ntoolchain = []\n'
            f'[mirror]\nurls = {every}\ntimeout = "10s"\n[pm2]\ncommand = ["/nonexistent/pm2"]\n'
            f'[external]\n{told}\ntimeout = "{timeout}"\ninterval = "50ms"\n{sites}'
        )
        self.gate.home.sites_toml.write_text(self.gate.toml)

    def tip(self, ref: str = "refs/heads/rollout") -> str | None:
        argv = ["git", f"--git-dir={self.mirror}", "rev-parse", "-q", "--verify", ref]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip() or None

    def ask(self, id_: str, text: str) -> None:
        self.gate.clone().request(id_, {"sites/web/page.txt": f"{text}\n"})

    def at_one(self) -> None:
        """Everybody says the same version: the gate, the mirror, the engine."""
        self.engine.follow()
        assert self.tip() == self.gate.release == self.engine.says["commit"]
        assert self.engine.says["healthy"]
        assert "refs/gate/shipping" not in self.gate.refs()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Pulled]:
    """Nothing is live yet."""
    mirror = tmp_path / "mirror.git"
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=release", str(mirror)], check=True)
    with build(NAMES) as gate, engine(mirror, tmp_path / "engine") as one:
        yield Pulled(gate, mirror, one)


@pytest.fixture
def pulled(fresh: Pulled) -> Pulled:
    fresh.configure()
    fresh.gate.tick()
    fresh.at_one()
    return fresh


def refuse(mirror: Path, ref: str) -> Path:
    hook = mirror / "hooks" / "update"
    hook.write_text(f'#!/bin/sh\n[ "$1" != {ref} ]\n')
    hook.chmod(0o700)
    return hook


def test_a_version_is_published_once_the_engine_is_healthy_on_it(pulled: Pulled) -> None:
    gate, before = pulled.gate, pulled.gate.release
    pulled.ask("good", "good")
    gate.tick()
    assert gate.result("good").state is State.SHIPPED
    assert gate.release != before
    pulled.at_one()
    assert pulled.tip("refs/heads/release") == gate.release, "the mirror has what was published, too"
    assert pulled.engine.seen == [before, gate.release]
    assert {name: site["version"] for name, site in gate.records("shipped")[0].data["sites"].items()} == dict.fromkeys(
        NAMES, gate.version
    )
    for repo in ((), ("--repo", str(pulled.mirror), "--signers", str(gate.home.allowed_signers))):
        gate.cli("audit", "verify", *repo, ok=True)
    assert not list(gate.home.releases.iterdir()), "nothing is staged where nothing runs"


def test_what_the_engine_does_not_come_to_like_goes_back_and_stays_blocked(pulled: Pulled) -> None:
    gate, before = pulled.gate, pulled.gate.release
    pulled.configure(timeout="2s")
    pulled.ask("sick", "SICK")
    gate.tick()
    result = gate.result("sick")
    assert (result.state, gate.code("sick")) == (State.BLOCKED, "GATE-404")
    assert result.reason is not None
    assert "the engine: it was not healthy within 2 s" in result.reason.text
    assert "it is sick" in result.reason.text
    assert gate.release == before
    pulled.at_one()
    assert len(pulled.engine.seen) == 3, "it was there, and it is back"
    assert [ref for ref in gate.refs() if ref.startswith("refs/gate/bad/")]
    gate.tick()
    assert len(pulled.engine.seen) == 3, "the same tree is not tried again"
    pulled.ask("sick", "well again")
    gate.tick()
    assert gate.result("sick").state is State.SHIPPED
    pulled.at_one()


def test_an_engine_that_never_comes_is_waited_for_and_then_nothing_is_taken_for_granted(pulled: Pulled) -> None:
    gate, before = pulled.gate, pulled.gate.release
    pulled.configure(timeout="1s")
    pulled.engine.deaf.touch()
    pulled.ask("unseen", "unseen")
    gate.tick()
    assert gate.code("unseen") == "GATE-404"
    assert (gate.release, pulled.tip()) == (before, before)


def test_the_last_answer_is_heard_to_its_end(pulled: Pulled) -> None:
    """Cut short by what is left of the time, it would say nothing of what ails the engine."""
    before = f"[ $GATE_COMMIT = {pulled.gate.release} ]"
    slow = ["sh", "-c", f"{before} && exit; sleep 0.3; echo still pulling images; exit 1"]
    pulled.configure(timeout="400ms", external=f"health = {json.dumps(slow)}")
    pulled.ask("unseen", "unseen")
    pulled.gate.tick()
    reason = pulled.gate.result("unseen").reason
    assert reason is not None
    assert "within 0.4 s; the last answer: sh ended with status 1: still pulling images" in reason.text


def test_an_answer_for_another_commit_is_no_answer(pulled: Pulled) -> None:
    pulled.configure(timeout="1s", external=f'url = "{pulled.engine.url}"')
    pulled.engine.deaf.touch()  # it goes on saying that it is well, of the commit before
    pulled.ask("unseen", "unseen")
    pulled.gate.tick()
    reason = pulled.gate.result("unseen").reason
    assert reason is not None
    assert f"reports commit {pulled.gate.release}, not" in reason.text


def test_an_address_that_says_the_commit_does_as_well(pulled: Pulled) -> None:
    pulled.configure(external=f'url = "{pulled.engine.url}"')
    pulled.ask("good", "good")
    pulled.gate.tick()
    assert pulled.gate.result("good").state is State.SHIPPED
    pulled.at_one()


def test_a_mirror_that_is_away_is_nobodys_fault_and_nothing_was_touched(pulled: Pulled) -> None:
    gate, before = pulled.gate, pulled.gate.release
    pulled.ask("waits", "waits")
    away = pulled.mirror.rename(pulled.mirror.with_name("away.git"))
    with pytest.raises(GateError) as stop:
        gate.tick()
    assert stop.value.code == "GATE-504"
    assert f"the mirror {pulled.mirror} cannot be reached" in stop.value.text
    assert gate.result("waits").state not in (State.BLOCKED, State.SHIPPED)
    assert gate.release == before
    away.rename(pulled.mirror)
    gate.tick()
    assert gate.result("waits").state is State.SHIPPED
    pulled.at_one()


def test_a_mirror_that_refuses_the_switch_sends_everybody_back(pulled: Pulled, tmp_path: Path) -> None:
    gate, before = pulled.gate, pulled.gate.release
    other = tmp_path / "other.git"
    subprocess.run(["git", "init", "-q", "--bare", str(other)], check=True)
    pulled.configure(urls=(pulled.mirror, other))
    pulled.ask("first", "first")
    gate.tick()
    assert gate.result("first").state is State.SHIPPED
    before, hook = gate.release, refuse(other, "refs/heads/rollout")
    pulled.ask("second", "second")
    with pytest.raises(GateError) as stop:
        gate.tick()
    assert stop.value.code == "GATE-504"
    result = gate.result("second")
    assert (result.state, gate.code("second")) == (State.QUEUED, "GATE-504")
    assert gate.release == before
    pulled.at_one()
    assert not [ref for ref in gate.refs() if ref.startswith("refs/gate/bad/")]
    hook.unlink()
    gate.tick()
    assert gate.result("second").state is State.SHIPPED
    pulled.at_one()


def test_a_mirror_that_will_refuse_says_so_before_anything_is_touched(pulled: Pulled) -> None:
    gate, before = pulled.gate, pulled.gate.release
    refuse(pulled.mirror, "refs/gate/staged")
    pulled.ask("waits", "waits")
    with pytest.raises(GateError) as stop:
        gate.tick()
    assert stop.value.code == "GATE-504"
    assert (gate.release, pulled.tip(), pulled.engine.seen) == (before, before, [before])
    assert gate.result("waits").state is State.QUEUED


def test_a_mirror_that_no_engine_reads_stops_no_ship(pulled: Pulled, tmp_path: Path) -> None:
    gone = tmp_path / "gone.git"
    external = f"health = {json.dumps(pulled.engine.health)}\nmirrors = [{json.dumps(str(pulled.mirror))}]"
    pulled.configure(external=external, urls=(gone, pulled.mirror))
    pulled.ask("good", "good")
    pulled.gate.tick()
    assert pulled.gate.result("good").state is State.SHIPPED
    pulled.at_one()


def test_a_rollback_and_a_revert_are_versions_like_others(pulled: Pulled) -> None:
    gate, first = pulled.gate, pulled.gate.release
    for id_ in ("one", "two"):
        pulled.ask(id_, id_)
        gate.tick()
    assert gate.decide("rollback").event == "rolled_back" or gate.result("two").state is State.ROLLED_BACK
    pulled.at_one()
    assert (pulled.engine.folder / "clone/sites/web/page.txt").read_text() == "one\n"
    gate.decide("revert", "one")
    gate.tick()
    pulled.at_one()
    assert gate.git("rev-parse", f"{first}^{{tree}}") == gate.git("rev-parse", "release^{tree}")


def test_abort_ends_the_wait(pulled: Pulled) -> None:
    gate, before = pulled.gate, pulled.gate.release
    pulled.configure(timeout="10m")
    pulled.engine.deaf.touch()
    pulled.ask("slow", "slow")
    beat = threading.Thread(target=gate.tick, daemon=True)
    beat.start()
    while pulled.tip() == before:
        beat.join(0.05)
    key = spool.new_key()
    spool.decide(gate.home.spool, Decision(key, "abort", ourselves(), utc(time.time()), "it takes too long"))
    pulled.engine.deaf.unlink()  # the way back is the engine's, too
    beat.join(60)
    assert not beat.is_alive()
    assert gate.release == before == pulled.tip()
    assert gate.result("slow").state is State.QUEUED
    assert [record.data["code"] for record in gate.records("ship_aborted")] == ["GATE-408"]
    assert "refs/gate/frozen" in gate.refs()


def test_status_and_doctor_tell_what_the_engine_said(pulled: Pulled) -> None:
    gate = pulled.gate
    sites = gate.json("status")["sites"]
    assert [(site["name"], site["pm2"], site["healthy"], site["version"]) for site in sites] == [
        (name, "external", True, gate.version) for name in NAMES
    ]
    (pulled.engine.folder / "asked.py").write_text("import sys; sys.exit('the cluster is on fire')")
    beat = gate.tick()
    assert len(beat.alarms) == len(NAMES)
    assert all("the cluster is on fire" in reason.text and not reason.next for reason in beat.alarms)
    assert "an engine runs shop" in gate.cli("reload", "shop").stderr
    sites = gate.json("status")["sites"]
    assert {(site["healthy"], site["version"]) for site in sites} == {(False, None)}
    assert all("the cluster is on fire" in site["problem"] for site in sites)
    told = gate.json("doctor")["findings"]
    (engine,) = [one for one in told if one["about"] == "engine"]
    assert "The sites run elsewhere, and the engine said" in engine["text"]
    assert "the cluster is on fire" in engine["text"]
    assert not [one for one in told if "pm2" in one["text"]]


def test_a_first_version_that_is_sick_leaves_no_branch_behind(fresh: Pulled) -> None:
    fresh.configure(timeout="1s")
    fresh.engine.deaf.touch()
    fresh.gate.tick()
    assert fresh.tip() is None
    assert "v0.1.0" not in fresh.gate.git("tag")
    assert [ref for ref in fresh.gate.refs() if ref.startswith("refs/gate/bad/")]


@pytest.mark.parametrize("step", ["after switch: mirror N", "after refs: publish N"])
def test_a_first_version_that_is_cut_short_goes_back_or_forward_too(fresh: Pulled, step: str) -> None:
    fresh.configure()
    assert strike(fresh.gate, [{"at": step, "nth": 1, "do": "kill"}], "tick") < 0
    start_again(fresh.gate)
    fresh.at_one()
    assert fresh.gate.version == "v0.1.0"
    assert len(set(fresh.engine.seen)) == 1


def test_sites_that_pm2_ran_go_on_until_the_engine_is_healthy_and_after(fresh: Pulled) -> None:
    """To the engine and back: what ran before is never stopped by a change that fails."""
    gate, pm2 = fresh.gate, fresh.gate.toml
    gate.home.sites_toml.write_text(pm2)
    gate.tick()
    first = gate.answers()
    assert gate.versions() == {gate.version}
    fresh.configure(timeout="1s")
    fresh.engine.deaf.touch()
    gate.tick()
    assert (fresh.tip(), gate.answers()) == (None, first)
    assert gate.records("ship_failed")[0].data["code"] == "GATE-404"
    fresh.engine.deaf.unlink()
    gate.tick()
    assert fresh.tip() is None, "what failed is not tried again as it is"
    fresh.configure()  # with more time
    gate.tick()
    fresh.at_one()
    assert gate.answers() == first, "they are the operator's to end"
    assert {site["pm2"] for site in gate.json("status")["sites"]} == {"external"}
    gate.home.sites_toml.write_text(pm2)
    gate.tick()
    assert gate.versions() == {gate.version}
    assert {site["pm2"] for site in gate.json("status")["sites"]} == {"online"}


def test_another_way_to_ask_that_fails_leaves_everything_as_it_is(pulled: Pulled) -> None:
    gate, before = pulled.gate, pulled.gate.release
    pulled.configure(timeout="1s", external='health = ["false"]')
    gate.tick()
    pulled.at_one()
    failed = gate.records("ship_failed")[0]
    assert (failed.data["code"], gate.records("stranded")) == ("GATE-404", [])
    assert (gate.release, pulled.engine.seen) == (before, [before])
    pulled.configure(timeout="19s")
    pulled.ask("good", "good")
    gate.tick()
    assert gate.result("good").state is State.SHIPPED
    pulled.at_one()


SAMPLE = (
    "after stage: mirror N",
    "after write: engine.json",
    "after switch: mirror N",
    "after refs: publish N",
    "before adopt the plan",
)
"""Where only an engine's ship can be cut short, and once past the commit point; `--full`: every step of a ship."""


@pytest.mark.parametrize("text", ["good", "SICK"])
def test_killed_at_any_step_it_goes_back_or_forward(pulled: Pulled, text: str, pytestconfig: pytest.Config) -> None:
    """After each kill the next Librarian brings gate, mirror and engine to one version, and the request to its end."""
    gate, log = pulled.gate, pulled.gate.root / "steps"
    pulled.ask("rehearsal", "rehearsal")
    strike(gate, (), "tick", log=log)
    pulled.at_one()
    reached = list(dict.fromkeys(log.read_text().splitlines()))
    first, last = reached.index("after refs: shipping N"), reached.index("after refs: published N")
    assert set(SAMPLE) <= set(reached[first : last + 1])
    pulled.configure(timeout="2s")
    for number, step in enumerate(reached[first : last + 1] if pytestconfig.getoption("--full") else SAMPLE):
        id_ = f"{text.lower()}-{number}"
        pulled.ask(id_, f"{text} {number}")
        status = strike(gate, [{"at": step, "nth": 1, "do": "kill"}], "tick")
        assert status < 0 or text == "SICK", f"{step} was not reached"
        start_again(gate)
        pulled.at_one()
        state = gate.result(id_).state
        assert state is (State.SHIPPED if text == "good" else State.BLOCKED), (step, state)
        assert gate.json("audit", "verify")["ok"], step
