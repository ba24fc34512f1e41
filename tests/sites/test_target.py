import http.client
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gatekeeper.errors import GateError
from gatekeeper.sites import procfs
from gatekeeper.sites.run import SiteRun
from gatekeeper.sites.target import LocalTarget

from .world import DIES, FAILS, GOOD, HANGS, LIES, World, stamp

SLOW = GOOD.replace("server.listen(", "setTimeout(() => server.listen(").replace(
    "process.send('ready'));", "process.send('ready')), 700);"
)
LATE_AND_DEAF = SLOW.replace("{ stopping = true;", "{ return setTimeout(() => process.exit(0), 1500);")
STAYS = GOOD.replace("{ stopping = true;", "{ return;")
SHY = GOOD.replace("false;", "false, asked = 0;").replace(
    "  if (stopping)", "  if (asked++ < 3) response.statusCode = 500;\n  if (stopping)"
)
SILENT = GOOD.replace("  if (stopping)", "  if (process.uptime() < 4.6) return;\n  if (stopping)")
MUTE = "process.send('ready');" + HANGS
FALLS_OVER = GOOD + "setTimeout(() => process.exit(4), 700);\n"


def ask(run: SiteRun) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", int(run.env["PORT"]), timeout=2)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()


@contextmanager
def visitors(*runs: SiteRun) -> Iterator[list[str]]:
    """Ask the sites all the time; yields who found nobody listening.

    Not more: Node itself now and then loses a connection that it hands to a worker which is just leaving.
    """
    lost: list[str] = []
    over = threading.Event()

    def visit(run: SiteRun) -> None:
        while not over.wait(0.01):
            try:
                ask(run)
            except ConnectionRefusedError:
                lost.append(run.name)
            except (OSError, http.client.HTTPException):
                continue

    threads = [threading.Thread(target=visit, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    try:
        yield lost
    finally:
        over.set()
        for thread in threads:
            thread.join()


def ship(world: World, runs: list[SiteRun], version: str, release: Path) -> None:
    world.target.reload(runs, stamp(version))
    verdicts = world.target.health(runs, stamp(version), release)
    assert {name: one.reason for name, one in verdicts.items()} == {run.name: "" for run in runs}


def below(world: World) -> set[int]:
    """Every process on the machine that works in a release of this world."""
    return {pid for pid in procfs.parents() if (procfs.cwd(pid) or "").startswith(str(world.root / "live"))}


def listed(world: World) -> set[int]:
    return {one.pid for one in world.pm2.processes()}


def test_three_sites_start_and_follow_the_link_together(world: World) -> None:
    runs = [
        world.run("shop", env={"PORT": "0", "EXTRA": "one", "GONE": "soon"}),
        world.run("shop-admin", instances=2),
        world.run("news", mode="fork"),
    ]
    runs[0] = replace(runs[0], env=dict(runs[0].env) | {"PORT": str(world.ports["shop"])})
    world.target.preflight(runs)
    assert world.pm2.daemon() is None
    ship(world, runs, "v1", world.release("v1", shop=GOOD, shop_admin=GOOD, news=GOOD))
    before = world.target.observe(runs)
    first = ask(runs[0])
    assert (first["version"], first["site"], first["extra"]) == ("v1", "shop", "one")

    second = world.release("v2", shop=GOOD, shop_admin=GOOD, news=GOOD)
    runs[0] = replace(runs[0], env={"PORT": runs[0].env["PORT"], "EXTRA": "two"})
    world.target.preflight(runs)
    ship(world, runs, "v2", second)
    after = world.target.observe(runs)
    for run in runs:
        assert after[run.name].cwd == str(second / "sites" / run.name)
        assert after[run.name].version == ask(run)["version"] == "v2"
        assert after[run.name].commit == stamp("v2").commit
        assert after[run.name].pid != before[run.name].pid
    answer = ask(runs[0])
    assert answer["extra"] == "two"
    assert "GONE" not in answer["seen"]
    assert below(world) == listed(world)
    assert len(listed(world)) == 4


def test_the_daemon_takes_nothing_of_ours_with_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_AGENT", "codex-1")
    monkeypatch.setenv("GIT_DIR", "/x")
    lock = os.open(world.root, os.O_RDONLY)
    os.set_inheritable(lock, True)
    world.pm2.boot()
    os.close(lock)
    daemon = world.pm2.daemon()
    assert daemon is not None
    environment = Path(f"/proc/{daemon}/environ").read_bytes()
    assert b"GATE_AGENT" not in environment
    assert b"GIT_" not in environment
    assert b"PM2_DISCRETE_MODE=1" in environment
    held = set[str]()
    for entry in Path(f"/proc/{daemon}/fd").iterdir():
        with suppress(FileNotFoundError):  # it opens and closes others meanwhile
            held.add(str(entry.readlink()))
    assert str(world.root) not in held
    assert os.getsid(daemon) == daemon


def test_a_release_that_dies_at_boot_is_known_soon_and_taken_back_without_loss(world: World) -> None:
    runs = [world.run("shop"), world.run("shop-admin")]
    good = world.release("v1", shop=GOOD, shop_admin=GOOD)
    ship(world, runs, "v1", good)
    with visitors(*runs) as lost:
        bad = world.release("v2", shop=DIES, shop_admin=GOOD)
        world.target.reload(runs, stamp("v2"))
        verdicts = world.target.health(runs, stamp("v2"), bad)
        assert "exit status 3" in verdicts[runs[0].name].reason
        assert verdicts[runs[1].name].healthy
        world.switch(good)
        healed = world.target.converge(runs, stamp("v1"), good)
    assert all(one.healthy for one in healed.values())
    assert {ask(run)["version"] for run in runs} == {"v1"}
    assert lost == []
    assert below(world) == listed(world)


def test_a_release_that_is_never_ready_is_taken_back_without_loss(world: World) -> None:
    runs = [world.run("shop", health_timeout=1.2)]
    good = world.release("v1", shop=GOOD)
    ship(world, runs, "v1", good)
    with visitors(*runs) as lost:
        bad = world.release("v2", shop=HANGS)
        world.target.reload(runs, stamp("v2"))
        verdict = world.target.health(runs, stamp("v2"), bad)[runs[0].name]
        assert not verdict.healthy
        assert "has not said that it is ready" in verdict.reason
        world.switch(good)
        assert world.target.converge(runs, stamp("v1"), good)[runs[0].name].healthy
    assert ask(runs[0])["version"] == "v1"
    assert lost == []


def gives_up(world: World, run: SiteRun) -> bool:
    """Reload what dies at boot and tell whether pm2 gave it up.

    It counts deaths in the first 16 s only: where a start takes a second it never does, and must be told anew.
    """
    world.target.reload([run], stamp("v2"))
    most = world.target.observe([run])[run.name].restarts + 40
    while (seen := world.target.observe([run])[run.name]).status != "errored" and seen.restarts < most:
        threading.Event().wait(0.05)
    return seen.status == "errored"


def test_a_site_that_pm2_gave_up_is_started_again_beside_the_old_one(world: World) -> None:
    run = world.run("shop")
    good = world.release("v1", shop=GOOD)
    ship(world, [run], "v1", good)
    with visitors(run) as lost:
        world.release("v2", shop=DIES)
        while not gives_up(world, run):
            pass
        world.switch(good)
        assert world.target.converge([run], stamp("v1"), good)[run.name].healthy
    assert ask(run)["version"] == "v1"
    assert lost == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [(FAILS, "answered 500"), (LIES, "reports version v9.9.9, not v1"), (FALLS_OVER, "did not stay up for 1.5 s")],
)
def test_a_site_that_runs_and_is_not_well(world: World, script: str, reason: str) -> None:
    run = world.run("shop", health_timeout=1.0, soak=1.5)
    release = world.release("v1", shop=script)
    world.target.reload([run], stamp("v1"))
    verdict = world.target.health([run], stamp("v1"), release)[run.name]
    assert not verdict.healthy
    assert reason in verdict.reason


@pytest.mark.parametrize(("script", "reason"), [(GOOD, ""), (MUTE, "is held by process")])
def test_an_answer_from_somebody_else_proves_nothing(world: World, script: str, reason: str) -> None:
    run = world.run("shop", health_timeout=1.5)
    other = World(world.root / "o", world.ports)
    other.root.mkdir()
    neighbour = replace(other.run("shop"), health_timeout=8.0)
    try:
        ship(other, [neighbour], "v1", other.release("v1", shop=GOOD))
        release = world.release("v1", shop=script)
        world.target.reload([run], stamp("v1"))
        verdict = world.target.health([run], stamp("v1"), release)[run.name]
        assert ask(run)["version"] == "v1"
        assert not verdict.healthy
        assert reason in verdict.reason
        with pytest.raises(GateError) as refusal:
            world.target.preflight([run])
        assert refusal.value.code == "GATE-501"
        assert "PM2" in refusal.value.text
    finally:
        other.close()


def test_a_foreign_port_is_refused_before_anything_is_touched(world: World) -> None:
    run = world.run("shop")
    world.release("v1", shop=GOOD)
    with socket.create_server(("127.0.0.1", int(run.env["PORT"]))), pytest.raises(GateError) as refusal:
        world.target.preflight([run])
    assert refusal.value.code == "GATE-501"
    assert f"Port {run.env['PORT']}" in refusal.value.text
    assert f"process {os.getpid()}" in refusal.value.text
    assert world.pm2.daemon() is None
    assert not world.target.file.exists()


def pm2(world: World, *words: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(world.root), "PM2_HOME": str(world.pm2.home)}
    done = subprocess.run([*world.pm2.command, *words], env=env, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_foreign_processes_in_the_daemon_are_never_touched(world: World) -> None:
    runs = [world.run("shop"), world.run("shop-admin")]
    script = world.root / "server.js"
    script.write_text(HANGS)
    world.pm2.boot()
    pm2(world, "start", str(script), "--name", "shop-extra", "--namespace", "gatekeeper")
    foreign = {one.pid for one in world.pm2.processes()}
    ship(world, runs, "v1", world.release("v1", shop=GOOD, shop_admin=GOOD))
    ship(world, runs[1:], "v2", world.release("v2", shop_admin=GOOD))
    assert foreign < listed(world)

    pm2(world, "start", str(script), "--name", "shop", "--force")
    before = listed(world)
    with pytest.raises(GateError) as early:
        world.target.preflight(runs)
    with pytest.raises(GateError) as late:
        world.target.reload(runs, stamp("v2"))
    assert early.value.code == late.value.code == "GATE-501"
    assert str(script) in early.value.text
    assert listed(world) == before

    daemon = world.pm2.daemon()
    world.target.stop_all()
    assert foreign < listed(world)
    assert world.pm2.daemon() == daemon
    assert below(world) == set()


def test_a_name_is_never_taken_for_its_beginning(world: World) -> None:
    runs = [world.run("shop"), world.run("shop-admin")]
    release = world.release("v1", shop=GOOD, shop_admin=GOOD)
    ship(world, runs, "v1", release)
    before = world.target.observe(runs)
    world.target.reload(runs, stamp("v1"), only={"shop"})
    assert all(one.healthy for one in world.target.health(runs, stamp("v1"), release).values())
    after = world.target.observe(runs)
    assert after[runs[0].name].pid != before[runs[0].name].pid
    assert after[runs[1].name] == before[runs[1].name]


def test_the_sites_of_a_dead_daemon_come_back(world: World) -> None:
    runs = [world.run("shop"), world.run("shop-admin"), world.run("news", mode="fork")]
    release = world.release("v1", shop=GOOD, shop_admin=GOOD, news=GOOD)
    ship(world, runs, "v1", release)
    daemon = world.pm2.daemon()
    assert daemon is not None
    os.kill(daemon, signal.SIGKILL)
    while daemon in procfs.parents():
        threading.Event().wait(0.01)
    assert {one.status for one in world.target.observe(runs).values()} == {"down"}
    assert world.pm2.daemon() is None
    assert not any(one.healthy for one in world.target.health(runs, stamp("v1"), release).values())
    healed = world.target.converge(runs, stamp("v1"), release)
    assert {one.reason for one in healed.values()} == {""}
    assert below(world) == listed(world)


def test_a_reload_that_meets_another_is_made_all_the_same(world: World) -> None:
    runs = [world.run("shop"), world.run("shop-admin"), world.run("news", mode="fork")]
    ship(world, runs, "v1", world.release("v1", shop=GOOD, shop_admin=GOOD, news=GOOD))
    world.release("v2", shop=SLOW, shop_admin=SLOW, news=SLOW)
    world.target.reload(runs, stamp("v2"))
    ship(world, runs, "v3", world.release("v3", shop=SLOW, shop_admin=GOOD, news=GOOD))
    assert {ask(run)["version"] for run in runs} == {"v3"}
    assert below(world) == listed(world)


def test_outgoing_processes_have_their_kill_timeout_also_where_it_is_longer_than_the_wait_for_health(
    world: World,
) -> None:
    """A site whose visitors stay connected is never well without this: it serves, and what it was has yet to go."""
    runs = [world.run("shop", kill_timeout=4.0, health_timeout=1.5, listen_timeout=1.0)]
    ship(world, runs, "v1", world.release("v1", shop=STAYS))
    ship(world, runs, "v2", world.release("v2", shop=GOOD))
    assert ask(runs[0])["version"] == "v2"
    assert below(world) == listed(world)


def test_a_site_is_asked_once_more_when_the_time_is_over_however_long_an_answer_took(world: World) -> None:
    run = world.run("shop", health_timeout=5.0)
    ship(world, [run], "v1", world.release("v1", shop=SILENT))


def test_the_wait_for_health_stands_still_while_outgoing_processes_end(world: World) -> None:
    """Who is not well at once has the same time for it as where they had gone at once."""
    runs = [world.run("shop", kill_timeout=3.0, health_timeout=2.5, listen_timeout=1.0)]
    ship(world, runs, "v1", world.release("v1", shop=STAYS))
    ship(world, runs, "v2", world.release("v2", shop=SHY))
    assert ask(runs[0])["version"] == "v2"


def test_a_process_that_pm2_has_lost_sight_of_is_ended(world: World) -> None:
    """Whoever deletes in the middle of a reload leaves one behind: it serves on the port, and pm2 never ends it."""
    runs = [world.run("shop", kill_timeout=0.5, listen_timeout=4.0), world.run("news", mode="fork", kill_timeout=0.5)]
    ship(world, runs, "v1", world.release("v1", shop=GOOD, news=GOOD))
    world.release("v2", shop=SLOW.replace("700)", "3000)"), news=GOOD)
    world.target.reload(runs, stamp("v2"))
    pm2(world, "delete", "shop")
    assert below(world) > listed(world), "one is left that pm2 does not list"
    ship(world, runs, "v3", world.release("v3", shop=GOOD, news=GOOD))
    assert below(world) == listed(world)
    assert {ask(run)["version"] for run in runs} == {"v3"}


def test_an_outgoing_worker_that_dies_and_that_pm2_starts_again_for_ever_is_ended(world: World) -> None:
    """pm2 starts it beside its successor, deletes it while it starts, and starts it again when it has ended."""
    runs = [world.run("shop", kill_timeout=3.0, listen_timeout=4.0, health_timeout=5.0, soak=1.0)]
    ship(world, runs, "v1", world.release("v1", shop=GOOD))
    first = listed(world)
    second = world.release("v2", shop=LATE_AND_DEAF)
    world.target.reload(runs, stamp("v2"))
    while {one.status for one in world.pm2.processes()} != {"launching"}:
        threading.Event().wait(0.01)
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    judged = world.target.health(runs, stamp("v2"), second)
    assert not judged[runs[0].name].healthy, "nobody ships beside a worker that is not accounted for"
    while world.target.observe(runs)[runs[0].name].strays != 1:
        threading.Event().wait(0.01)  # between its death and the next start
    healed = world.target.converge(runs, stamp("v2"), second)
    assert {one.reason for one in healed.values()} == {""}
    assert below(world) == listed(world)
    assert world.target.observe(runs)[runs[0].name].strays == 0
    ship(world, runs, "v3", world.release("v3", shop=GOOD))
    assert below(world) == listed(world)


def test_one_that_dies_is_left_to_pm2_and_never_started_twice(world: World) -> None:
    runs = [world.run("shop"), world.run("news")]
    release = world.release("v1", shop=GOOD, news=GOOD)
    ship(world, runs, "v1", release)
    for _ in range(5):
        shop = next(one.pid for one in world.pm2.processes() if one.name == "shop")
        os.kill(shop, signal.SIGKILL)
        while all(one.status == "online" for one in world.pm2.processes()):
            threading.Event().wait(0.001)
        healed = world.target.converge(runs, stamp("v1"), release)
        assert {one.reason for one in healed.values()} == {""}
        assert below(world) == listed(world)


def test_a_site_removed_in_the_middle_of_a_reload_leaves_no_orphan(world: World) -> None:
    runs = [world.run("shop"), world.run("news", mode="fork")]
    ship(world, runs, "v1", world.release("v1", shop=GOOD, news=GOOD))
    second = world.release("v2", shop=SLOW, news=SLOW)
    world.target.reload(runs, stamp("v2"))
    world.target.reload([], stamp("v2"))
    assert below(world) == listed(world) == set()
    ship(world, runs, "v2", second)


def test_what_a_reload_cannot_change_is_replaced_and_what_is_not_named_is_stopped(world: World) -> None:
    shop, admin = world.run("shop"), world.run("shop-admin")
    release = world.release("v1", shop=GOOD, shop_admin=GOOD)
    ship(world, [shop, admin], "v1", release)
    (release / "sites" / "shop" / "main.js").write_text(GOOD.replace("process.env.EXTRA", "'main'"))
    shop = replace(shop, script=shop.cwd / "main.js", mode="fork", instances=1)
    ship(world, [shop], "v1", release)
    assert [(one.name, one.mode) for one in world.pm2.processes()] == [("shop", "fork")]
    assert ask(shop)["extra"] == "main"
    assert below(world) == listed(world)
    assert world.target.observe([admin])[admin.name].status == "absent"


def test_a_process_on_the_right_tree_with_the_wrong_version_is_put_right(world: World) -> None:
    run = world.run("shop", health=None)
    release = world.release("v1", shop=GOOD)
    ship(world, [run], "v1", release)
    world.target.reload([run], stamp("v2"))
    wrong = world.target.health([replace(run, health_timeout=3.0)], stamp("v1"), release)[run.name]
    assert wrong.reason == "pm2 has it as v2, not v1"
    assert world.target.converge([run], stamp("v1"), release)[run.name].healthy
    assert ask(run)["version"] == "v1"
    assert world.target.observe([run])[run.name].version == "v1"
    before = listed(world)
    assert world.target.converge([run], stamp("v1"), release)[run.name].healthy
    assert listed(world) == before


def test_a_static_site_has_no_process(world: World) -> None:
    run = world.run("shop", mode="static", health=None)
    release = world.release("v1", shop=GOOD)
    world.target.preflight([run])
    ship(world, [run], "v1", release)
    assert world.pm2.processes() == ()
    assert world.target.observe([run])[run.name].status == "static"
    asked = world.run("shop", mode="static", health_timeout=0.2)
    assert "did not answer" in world.target.health([asked], stamp("v1"), release)[run.name].reason


def test_stopping_all_leaves_nothing_behind(world: World) -> None:
    runs = [world.run("shop"), world.run("news", mode="fork")]
    ship(world, runs, "v1", world.release("v1", shop=GOOD, news=GOOD))
    daemon = world.pm2.daemon()
    world.target.stop_all()
    assert daemon not in procfs.parents()
    assert below(world) == set()
    world.target.stop_all()


def test_the_command_line_too_repeats_a_reload_that_was_refused(world: World) -> None:
    deaf = LocalTarget(replace(world.pm2, socket=world.root / "none"), world.current, world.target.file)
    run = world.run("shop")
    ship(world, [run], "v1", world.release("v1", shop=GOOD))
    second = world.release("v2", shop=SLOW.replace("700", "2000"))
    world.target.reload([run], stamp("v2"))
    while world.target.observe([run])[run.name].cwd != str(second / "sites" / "shop"):
        threading.Event().wait(0.02)
    third = world.release("v3", shop=GOOD)
    deaf.reload([run], stamp("v3"))
    assert deaf.health([run], stamp("v3"), third)[run.name].healthy


def test_the_command_line_does_it_when_the_socket_does_not(world: World) -> None:
    deaf = replace(world.pm2, socket=world.root / "none.sock")
    target = LocalTarget(deaf, world.current, world.root / "ecosystem.json")
    shop, news = world.run("shop"), world.run("news", mode="fork")
    first = world.release("v1", shop=GOOD, news=GOOD)
    target.preflight([shop, news])
    target.reload([shop, news], stamp("v1"))
    assert {one.reason for one in target.health([shop, news], stamp("v1"), first).values()} == {""}
    assert deaf.daemon() == world.pm2.daemon() is not None
    second = world.release("v2", shop=GOOD, news=GOOD)
    target.preflight([shop, news])
    assert all(one.healthy for one in target.converge([shop, news], stamp("v2"), second).values())
    assert target.observe([shop])[shop.name].cwd == str(second / "sites" / "shop")
    target.reload([replace(shop, mode="fork")], stamp("v2"))
    assert [(one.name, one.mode) for one in world.pm2.processes()] == [("shop", "fork")]
    assert ask(shop)["version"] == "v2"
    target.stop_all()
    assert world.pm2.daemon() is None
    with pytest.raises(GateError) as refusal:
        deaf.processes()
    assert refusal.value.code == "GATE-504"
    assert world.pm2.daemon() is None
