"""A whole gate whose checks run on workers: what is live was verified there; without them only checks wait.

The builds run here, and what they left is what the workers checked.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from gatehouse import CHECK, Gatehouse, build, librarian, until

from gatekeeper.alerts import book
from gatekeeper.errors import Exit
from gatekeeper.librarian import loop, opening
from gatekeeper.model import State
from gatekeeper.process import Cancel
from gatekeeper.verify.cluster import Cluster

from .crew import Crew, crew

BUILD = """[[builds]]
name = "made"
run = ["sh", "-c", "mkdir out && cp page.txt out/ && ln -s page.txt out/link && echo x > out/run && chmod +x out/run"]
per_site = true
outputs = ["out"]
"""
SEES_IT = """[[checks]]
name = "sees"
run = ["sh", "-c", "cmp page.txt out/link && test -x out/run && ! test -x out/page.txt"]
per_site = true
"""
AWAY = 'executor_away = "{}"'


@pytest.fixture
def whole() -> Iterator[Gatehouse]:
    with build(("web",)) as gate:
        yield gate


@pytest.fixture
def team(whole: Gatehouse) -> Iterator[Crew]:
    with crew(whole.root / "crew") as made:
        yield made


def configure(gate: Gatehouse, team: Crew, away: str = "wait") -> None:
    verify = f'[verify]\nexecutor = "{team.address}"\nexecutor_away = "{away}"\n'
    gate.configure(BUILD, SEES_IT, verify, check=CHECK.replace("10s", "60s"))


def where(gate: Gatehouse, version: int = 0) -> dict[str, str]:
    """Return where each job of the newest records ran: a worker's address, or nothing for this machine."""
    return {str(r.data["job"]): str(r.data["sandbox"]).partition(" on ")[2] for r in reversed(gate.records("checked"))}


def test_what_workers_verified_goes_live_and_a_failure_blocks_its_request(whole: Gatehouse, team: Crew) -> None:
    configure(whole, team)
    one, two = team.hire(), team.hire()
    assert whole.tick().alarms == ()
    assert whole.version == "v0.1.0"
    ran = where(whole)
    assert ran.pop("made of web") == ""
    assert set(ran) == {"page of web", "sees of web", "boot of web"}
    assert set(ran.values()) <= {one.address, two.address}
    clone = whole.clone()
    clone.request("good", {"sites/web/page.txt": "web two\n"})
    clone.request("bad", {"sites/web/page.txt": "BROKEN\n"})
    clone.fresh()
    whole.tick()
    whole.tick()
    assert (whole.result("good").state, whole.code("bad")) in (
        (State.SHIPPED, "GATE-402"),
        (State.SHIPPED, "GATE-401"),  # both change one line: what lands first is the queue's to say
    )
    assert whole.ask("web")["text"] == "web two"


def test_a_request_waits_for_a_scheduler_that_is_away_and_goes_on_when_it_is_back(whole: Gatehouse, team: Crew) -> None:
    configure(whole, team)
    team.hire()
    whole.tick()
    clone = whole.clone()
    clone.request("waits", {"sites/web/page.txt": "web two\n"})
    team.end()
    with opening.locked(whole.home) as held, closing(Cancel()) as brake:
        ended = loop.beat_once(whole.home, held, brake, whole.told.append)
        assert ended.wake is not None, "it is tried again soon"
    (alarm,) = ended.alarms
    assert alarm.code == "GATE-504"
    assert alarm.text.startswith(f"The cluster {team.address} cannot be reached: ")
    assert alarm.text.endswith("; checks wait for it.")
    assert whole.result("waits").state is State.VERIFYING
    assert [cause.key for cause in book.read(whole.home.alerts).open("cluster")] == ["cluster/scheduler/GATE-504"]
    assert "WORKERS  GATE-504 The cluster" in whole.cli("status").stdout
    assert f"GATE-504 The cluster {team.address} cannot be reached" in whole.cli("doctor").stdout
    whole.decide("freeze", message="the rest goes on")
    whole.decide("thaw")
    assert whole.result("waits").state is State.VERIFYING
    team.begin()
    worker = team.hire()
    assert whole.tick().alarms == ()
    assert whole.result("waits").state is State.SHIPPED
    assert where(whole)["page of web"] == worker.address
    assert book.read(whole.home.alerts).open("cluster") == ()
    assert "WORKERS" not in whole.cli("status").stdout


def test_checks_run_here_while_the_scheduler_is_away_when_sites_toml_says_so(whole: Gatehouse, team: Crew) -> None:
    configure(whole, team, "local")
    team.end()
    (alarm,) = whole.tick().alarms
    assert (alarm.code, alarm.text.endswith("; checks run on this machine meanwhile.")) == ("GATE-504", True)
    assert whole.version == "v0.1.0"
    assert set(where(whole).values()) == {""}
    assert len(where(whole)) == 4


def test_a_scheduler_without_workers_is_away(whole: Gatehouse, team: Crew) -> None:
    configure(whole, team)
    (alarm,) = whole.tick().alarms
    assert "there is no worker; checks wait for it" in alarm.text
    assert whole.git("tag") == ""


def test_one_line_is_kept_from_heartbeat_to_heartbeat_and_closed_with_the_librarian(
    whole: Gatehouse, team: Crew
) -> None:
    configure(whole, team)
    team.hire()
    tell = whole.told.append
    with opening.locked(whole.home) as held, closing(Cancel()) as brake, closing(Cluster()) as cluster:
        loop.beat_once(whole.home, held, brake, tell, cluster=cluster)
        whole.clone().request("second", {"sites/web/page.txt": "web two\n"})
        loop.beat_once(whole.home, held, brake, tell, cluster=cluster)
    assert whole.result("second").state is State.SHIPPED
    seen = re.findall(r"Receive client connection: (Client-gatekeeper\S+)", team.said)
    assert len(seen) == 1, "the two heartbeats had one connection"
    team.heard(re.compile(rf"(Close client connection): {re.escape(seen[0])}"))


def test_the_librarian_loses_the_scheduler_while_it_runs_and_says_what_waits(whole: Gatehouse, team: Crew) -> None:
    configure(whole, team)
    worker = team.hire()
    with librarian(whole) as process:
        until(process, "shipped v0.1.0")
        team.end()
        whole.clone().request("waits", {"sites/web/page.txt": "web two\n"})
        until(process, f"error: GATE-504 The cluster {team.address} cannot be reached")
        seen = _until_status_says(whole, "waits for workers to verify it, since")
        assert "WORKERS" in seen
    assert process.returncode == 0
    assert where(whole)["boot of web"] == worker.address


def _until_status_says(gate: Gatehouse, words: str) -> str:
    """Ask until it does: the heartbeat that told of the loss may have begun before the request was there."""
    seen = ""
    for _ in range(60):
        seen = " ".join(gate.cli("status").stdout.split())
        if words in seen:
            return seen
    raise AssertionError(seen)


def test_without_the_extra_it_is_said_with_the_command_that_helps(whole: Gatehouse, team: Crew) -> None:
    configure(whole, team)

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        code = "import sys; sys.modules['distributed'] = None; from gatekeeper.cli import main; main()"
        argv = [sys.executable, "-c", code, "--gate", str(whole.home.path), *args]
        return subprocess.run(argv, env=whole.env, capture_output=True, text=True, check=False)

    checked = run("config", "check")
    assert checked.returncode == Exit.CONFIG
    assert "pip install 'git-gatekeeper[cluster]'" in checked.stderr
    assert "error: GATE-501 The cluster" in (beat := run("tick")).stderr + beat.stdout
    assert "pip install 'git-gatekeeper[cluster]'" in run("doctor").stdout


def test_dask_is_never_imported_by_the_gate() -> None:
    code = (
        "import gatekeeper.cli, gatekeeper.librarian.loop, gatekeeper.verify.cluster, gatekeeper.verify.worker, sys;"
        "print({'dask', 'distributed'} & set(sys.modules))"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
