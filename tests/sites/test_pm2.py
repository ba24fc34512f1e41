import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatekeeper.errors import GateError
from gatekeeper.sites import procfs
from gatekeeper.sites.listed import parse
from gatekeeper.sites.pm2 import Pm2
from gatekeeper.sites.rpc import frame, unframe

from .world import World

ENV = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}


def program(folder: Path, body: str) -> Pm2:
    script = folder / "pm2"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return Pm2.at([str(script)], folder / "home")


def refusal(pm2: Pm2) -> GateError:
    with pytest.raises(GateError) as caught:
        pm2.require()
    assert caught.value.code == "GATE-504"
    assert caught.value.hints
    return caught.value


@pytest.mark.parametrize("version", ["5.3.0", "7.0.3", "6.10.99"])
def test_an_old_pm2_is_refused(world: World, version: str) -> None:
    pm2 = program(world.root, f"echo {version}")
    assert f"pm2 is {version}; the gate needs 7.0.4" in refusal(pm2).text
    assert not pm2.home.exists()


@pytest.mark.parametrize("version", ["7.0.4", "7.0.10", "10.0.0"])
def test_a_new_pm2_is_taken(world: World, version: str) -> None:
    program(world.root, f"echo {version}").require()


def test_a_missing_or_broken_pm2_is_said_so(world: World) -> None:
    assert "cannot be started" in refusal(Pm2.at(["/nowhere/pm2"], world.root / "home")).text
    assert "does not tell its version: oh" in refusal(program(world.root, "echo oh")).text
    with pytest.raises(GateError) as caught:
        program(world.root, "echo no daemon today").boot()
    assert "did not start: no daemon today" in caught.value.text


def test_a_pm2_that_outlived_its_librarian_is_waited_for(world: World) -> None:
    """Two daemons of one home would be left, were both started at once: the second then finds the first's."""
    real, folder = world.pm2, world.root / "bin"
    begun, go, second = folder / "begun", folder / "go", folder / "second"
    folder.mkdir()
    for fifo in (begun, go):
        os.mkfifo(fifo)
    first = program(folder, f'echo >"{begun}"; read _ <"{go}"; exec {" ".join(real.command)} "$@"')
    code = (
        "import sys; from pathlib import Path; from gatekeeper.sites.pm2 import Pm2;"
        "Pm2.at([sys.argv[1]], Path(sys.argv[2])).boot()"
    )
    heard = os.open(begun, os.O_RDONLY | os.O_NONBLOCK)
    librarian = subprocess.Popen([sys.executable, "-c", code, first.command[0], str(real.home)], cwd="/", env=ENV)
    assert select.select([heard], [], [], 30)[0]
    os.close(heard)
    librarian.kill()
    librarian.wait()
    late = folder / "late"
    late.write_text(f'#!/bin/sh\necho >>"{second}"; exec {" ".join(real.command)} "$@"\n')
    late.chmod(0o755)
    boot = threading.Thread(target=Pm2.at([str(late)], real.home).boot)
    boot.start()
    boot.join(0.5)  # with no lock it would be through by now
    go.write_text("\n")
    boot.join()
    assert real.daemon() is not None
    assert not second.exists()


def test_asking_for_the_version_starts_no_daemon(world: World) -> None:
    world.pm2.require()
    assert world.pm2.daemon() is None
    assert not world.pm2.home.exists()


def test_a_home_too_long_for_a_socket_is_refused(world: World) -> None:
    pm2 = Pm2.at(world.pm2.command, world.root / ("h" * 100))
    assert "107 bytes" in refusal(pm2).text


@pytest.fixture
def old_daemon(world: World) -> Iterator[Pm2]:
    """A daemon that speaks pm2's wire and calls itself 7.0.3."""
    world.pm2.home.mkdir()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(world.pm2.socket))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                buffer = bytearray()
                while data := peer.recv(4096):
                    buffer += data
                    while (message := unframe(buffer)) is not None:
                        said = "7.0.3" if message[0]["method"] == "getVersion" else {"msg": "pong"}
                        peer.sendall(frame({"args": [said]}, message[1]))

    thread = threading.Thread(target=serve)
    thread.start()
    yield world.pm2
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    world.pm2.socket.unlink()


def test_a_new_pm2_with_an_old_daemon_is_refused(old_daemon: Pm2) -> None:
    error = refusal(old_daemon)
    assert "The running pm2 daemon is 7.0.3" in error.text
    assert f"PM2_HOME={old_daemon.home}" in error.hints[0]


def test_a_socket_that_nobody_serves_any_more_is_no_daemon(world: World) -> None:
    world.pm2.boot()
    daemon = world.pm2.daemon()
    assert daemon is not None
    assert world.pm2.processes() == ()
    handle = os.pidfd_open(daemon)
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    while daemon in procfs.parents():
        threading.Event().wait(0.01)
    assert world.pm2.socket.exists()
    assert world.pm2.daemon() is None
    assert replace(world.pm2, socket=world.root / "none").daemon() is None
    world.pm2.end()
    world.pm2.boot()
    assert world.pm2.daemon() not in (None, daemon)


def test_what_pm2_leaves_out_is_empty() -> None:
    one = parse({"pm_id": 3, "pm2_env": {}})
    assert (one.pm_id, one.name, one.pid, one.status, one.exit_code, one.version) == (3, "", 0, "", None, "")


@pytest.mark.parametrize(("pid", "status"), [(0, "errored"), (71, "waiting restart")])
def test_pm2_says_waiting_of_a_site_it_gave_up(pid: int, status: str) -> None:
    assert parse({"pm_id": 1, "pid": pid, "pm2_env": {"status": "waiting restart"}}).status == status


def test_gate_values_that_the_next_start_would_change_are_not_settled() -> None:
    env = {"GATE_VERSION": "v1", "GATE_COMMIT": "a"}
    assert parse({"pm_id": 1, "pm2_env": {**env, "env": env}}).settled
    assert not parse({"pm_id": 1, "pm2_env": {**env, "env": {**env, "GATE_VERSION": "v2"}}}).settled
    assert not parse({"pm_id": 1, "pm2_env": {**env, "env": {}}}).settled
