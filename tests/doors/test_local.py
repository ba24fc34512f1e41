"""The local door of an enforced gate: real users, real Git, and the kernel that tells who knocks."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from enforced import OPERATOR, ROOT, STRANGER, Enforced, ageless, build, gatekeeper, serving, ships_while_waited_for

from gatekeeper.doors.listener import handed_over, listen
from gatekeeper.doors.places import MOST_EACH, MOST_WAITS
from gatekeeper.errors import GateError


@pytest.fixture(scope="module")
def gate() -> Iterator[Enforced]:
    with build() as gate:
        yield gate


def test_a_request_from_clone_to_release(gate: Enforced) -> None:
    clone = gate.clone("codex-1")
    clone.commit({"sites/docs/index.html": "two\n"}, "Improve the docs")
    pushed = clone.push("HEAD:request/docs-1")
    assert (pushed.status, pushed.machine["event"]) == (0, "filed")
    gate.tick()
    result = gate.result("docs-1")
    assert (result.state, result.agent.name, result.agent.assurance, result.agent.role) == (
        "shipped",
        "codex-1",
        "kernel",
        "agent",
    )
    (filed,) = gate.records("filed")
    assert (filed.actor.name, filed.actor.assurance, filed.mode) == ("codex-1", "kernel", "enforced")
    clone.git("fetch", "-q", "origin", "+refs/gate/*:refs/gate/*")
    assert json.loads(gate.cli("status", "--json").stdout)["enforcement"] == "enforced"


def test_what_a_client_claims_counts_for_nothing(gate: Enforced) -> None:
    clone = gate.clone("codex-2")
    clone.env.update(GATE_AGENT="kim", GATE_DOOR='{"v":1,"agent":"kim","assurance":"kernel"}', SUDO_USER="kim")
    clone.env.update(GIT_COMMITTER_NAME="kim", GIT_CONFIG_COUNT="1")
    clone.env.update(GIT_CONFIG_KEY_0="core.hooksPath", GIT_CONFIG_VALUE_0="/dev/null")
    clone.commit({"sites/blog/index.html": "claims\n"})
    pushed = clone.push("--receive-pack=git -c core.hooksPath=/dev/null receive-pack", "HEAD:request/claims")
    assert pushed.machine["event"] == "filed"
    assert clone.push("--receive-pack=true", "HEAD:release").code == "GATE-101"
    assert clone.push("-o", "intent=x", "HEAD:request/other").code == "GATE-210"
    gate.tick()
    assert gate.result("claims").agent.name == "codex-2"


def test_only_its_agent_or_an_operator_touches_a_request(gate: Enforced) -> None:
    one, two, operator = gate.clone("codex-1"), gate.clone("codex-2"), gate.clone(OPERATOR)
    two.env["GIT_COMMITTER_NAME"] = "codex-2"
    for clone, words in ((one, "one"), (two, "two"), (operator, "three")):
        clone.commit({"sites/docs/index.html": f"{words} of them\n"})
    assert one.push("HEAD:request/mine").status == 0
    assert two.push("--force", "HEAD:request/mine").code == "GATE-302"
    assert two.push(":request/mine").code == "GATE-302"
    assert operator.push("--force", "HEAD:request/mine").machine["event"] == "updated"
    assert one.push(":request/mine").machine["event"] == "withdrawn"
    assert "mine" not in gate.open()


def test_strangers_and_root_are_told_why(gate: Enforced) -> None:
    name = gate.users[STRANGER].name
    done = gate.run(gate.users[STRANGER], "git", "ls-remote", gate.address)
    assert done.returncode == 128
    assert f"fatal: remote error: GATE-301 no agent of this gate has your Unix user, {name}" in done.stderr
    env = {**gate.env, "HOME": "/nonexistent"}
    root = subprocess.run(["git", "ls-remote", gate.address], env=env, capture_output=True, text=True, check=False)
    assert "remote error: GATE-301 the gate serves nobody as root" in root.stderr
    said = gate.cli("status", user=STRANGER)
    assert (said.returncode, said.stdout) == (11, "")
    assert "GATE-301" in said.stderr


def test_a_removed_agent_is_out_before_its_next_push(gate: Enforced) -> None:
    clone = gate.clone("codex-2")
    clone.commit({"sites/blog/index.html": "removed\n"})
    gate.write(gate.home.sites_toml, gate.toml.replace("[agents.codex-2]", "[agents.codex-9]"))
    try:
        assert clone.push("HEAD:request/out").status == 0
        assert clone.push(":request/out").status == 0
        gate.write(gate.home.sites_toml, gate.toml.replace(gate.users["codex-2"].name, "nobody"))
        pushed = clone.push("HEAD:request/out")
        assert pushed.status == 128
        assert "GATE-301" in pushed.text
        gate.write(gate.home.sites_toml, "[agents")
        assert "GATE-301" in clone.push("HEAD:request/out").text or gate.home.applied_toml.exists()
    finally:
        gate.write(gate.home.sites_toml, gate.toml)
    assert clone.push("HEAD:request/out").status == 0
    assert clone.push(":request/out").status == 0


def test_nothing_of_the_gate_can_be_read_or_written_past_the_door(gate: Enforced) -> None:
    user, home = gate.users["codex-1"], gate.home
    for path in (home.repo, home.var, home.key.parent, home.own_doors):
        assert not path.exists() or gate.run(user, "ls", str(path)).returncode != 0, path
    assert gate.run(user, "git", f"--git-dir={home.repo}", "log", "-1").returncode != 0
    assert gate.run(user, "touch", str(home.doors / "x")).returncode != 0
    assert gate.run(user, "rm", "-f", str(home.gate_socket)).returncode != 0


def test_the_looking_verbs_say_the_same_through_the_door(gate: Enforced) -> None:
    for argv in (("status", "--json"), ("show", "docs-1"), ("wait", "docs-1"), ("show", "docs-9"), ("wait", "docs-9")):
        here, there = gate.cli(*argv), gate.cli(*argv, user="codex-2")
        if argv[0] != "status":
            assert ageless(there.stdout) == ageless(here.stdout)
            assert there.stderr == here.stderr
        assert there.returncode == here.returncode
    assert gate.cli("show", "docs-9", user="codex-2").returncode == 3
    refused = gate.cli("log", user="codex-1")
    assert refused.returncode == 20
    assert "sudo -u" in refused.stderr


def test_operators_decide_through_the_door_and_nobody_else(gate: Enforced) -> None:
    alone = gate.cli("freeze", "-m", "no Librarian", user=OPERATOR)
    assert (alone.returncode, alone.stdout) == (1, "")
    with gate.running():
        assert gate.cli("freeze", "-m", "not mine", user="codex-1").returncode == 11
        frozen = gate.cli("freeze", "-m", "maintenance", "--json", user=OPERATOR)
        assert frozen.returncode == 0, frozen.stderr
        assert json.loads(frozen.stdout)["event"] == "frozen"
        thawed = gate.cli("thaw", user=OPERATOR)
        assert (thawed.returncode, thawed.stdout) == (0, "The gate ships again.\n")
    assert not [each for each in gate.records() if each.actor.name == "codex-1" and "decision" in each.data]
    (record,) = gate.records("frozen")
    assert (record.actor.name, record.actor.assurance, record.actor.role) == (OPERATOR, "kernel", "operator")


def test_root_leaves_nothing_in_the_librarians_gate(gate: Enforced) -> None:
    env = {**os.environ, "PYTHONPATH": gate.env["PYTHONPATH"], "SSH_ORIGINAL_COMMAND": "status"}
    for verb in (("tick",), ("socket", "--path", str(gate.root / "x")), ("shell", "codex-1")):
        argv = [sys.executable, "-m", "gatekeeper", "--gate", str(gate.home.path), *verb]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"sudo -u {gate.librarian.name}" in done.stderr
    owners = {path.lstat().st_uid for path in gate.home.var.rglob("*")}
    assert owners == {gate.librarian.uid}


def test_request_deploy_goes_through_the_door(gate: Enforced) -> None:
    clone = gate.clone("codex-1")
    clone.commit({"sites/docs/index.html": "by request-deploy\n"})
    ask = ("--surface", "docs", "--intent", "Say it", "--artifact", "docs-2", "--id", "by-tool", "--remote", "origin")
    assert clone.run("request-deploy", *ask).stdout.startswith("request by-tool is queued")
    gate.tick()
    status = json.loads(clone.run("request-deploy", "--status", "by-tool", "--json").stdout)
    assert (status["state"], status["exit"]) == ("shipped", 0)
    assert clone.run("request-deploy", "--wait", "by-tool").returncode == 0
    clone.commit({"sites/docs/index.html": "and back\n"})
    clone.run("request-deploy", "--surface", "docs", "--intent", "Back", "--artifact", "x", "--id", "back")
    assert clone.run("request-deploy", "--withdraw", "back").returncode == 0


def test_an_older_protocol_is_served_too(gate: Enforced) -> None:
    clone = gate.clone("codex-1")
    for version in ("0", "2"):
        refs = clone.git("-c", f"protocol.version={version}", "ls-remote", "origin", "refs/heads/release")
        assert refs.endswith("refs/heads/release")


def visit(gate: Enforced, sent: bytes, user: str = "codex-1") -> bytes:
    """Connect as a user with a program of somebody's own, send this, and return all that comes."""
    program = (
        "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
        "s.sendall(bytes.fromhex(sys.argv[2]));\nwhile d:=s.recv(65536): sys.stdout.write(d.hex())"
    )
    done = gate.run(gate.users[user], "python3", "-c", program, str(gate.home.gate_socket), sent.hex())
    return bytes.fromhex(done.stdout)


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        (b"[]\n", b""),
        (b"x\n", b""),
        (b"\xff\n", b""),
        (b'{"v":1,"argv":' + b"[" * 60_000 + b"\n", b""),
        (b'{"v":2,"service":"git-upload-pack"}\n', b""),
        (b'{"v":1,"service":"git-upload-archive"}\n', b"does not know that service"),
        (b'{"v":1,"argv":["log"]}\n', b"is not served here"),
        (b'{"v":1,"argv":["--","freeze","-m","x"]}\n', b"is not served here"),
        (b'{"v":1,"argv":["shell","kim"]}\n', b"is not served here"),
        (b'{"v":1,"argv":[]}\n', b"does not know that service"),
        (b'{"v":1,"argv":["status",1]}\n', b"does not know that service"),
        (b'{"v":1,"argv":["show","\\u001b[2J"]}\n', b"There is no request"),
        (b'{"v":1,"service":"git-receive-pack"}\nzzzz', b"refs/heads"),
        (b'{"v":1,"service":"git-upload-pack","protocol":"version=9; rm"}\n0000', b"refs/heads/release"),
    ],
)
def test_what_a_program_of_somebodys_own_may_send(gate: Enforced, sent: bytes, heard: bytes) -> None:
    answer = visit(gate, sent)
    assert heard in answer
    assert b"\x1b" not in answer


def test_a_silent_visitor_is_shown_out_and_too_many_are_turned_away(gate: Enforced) -> None:
    program = (
        "import socket,sys\nn=int(sys.argv[2]); all=[socket.socket(socket.AF_UNIX) for _ in range(n+1)]\n"
        "for s in all: s.connect(sys.argv[1])\n"
        "print(all[-1].recv(200).decode())\nfor s in all[:-1]: assert s.recv(1)==b''\nprint('shown out')"
    )
    user, address = gate.users["codex-2"], str(gate.home.gate_socket)
    done = gate.run(user, "python3", "-c", program, address, str(MOST_EACH))
    assert "GATE-304 8 connections of yours are open" in done.stdout, done.stderr
    assert "shown out" in done.stdout
    assert gate.run(user, "git", "ls-remote", gate.address).returncode == 0


def test_who_waits_for_much_can_still_push_and_a_wait_ends_with_its_visitor(gate: Enforced) -> None:
    clone = gate.clone("codex-2")
    clone.commit({"sites/blog/index.html": "never shipped\n"})
    assert clone.push("HEAD:request/pending").status == 0
    program = (
        "import socket,sys\nall=[socket.socket(socket.AF_UNIX) for _ in range(int(sys.argv[2]))]\n"
        "def ask(s): s.connect(sys.argv[1]); "
        's.sendall(b\'{"v":1,"argv":["wait","pending"]}\\n\'); return s.recv(4096)\n'
        "for s in all: assert b'pending is queued' in ask(s)\n"
        "print(ask(socket.socket(socket.AF_UNIX)).decode(), flush=True); input()"
    )
    argv = gate.users["codex-2"].command(["python3", "-c", program, str(gate.home.gate_socket), str(MOST_WAITS)])
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert f"error: GATE-304 {MOST_WAITS} of your waits are open" in child.stdout.readline()
        assert clone.push(":request/pending").status == 0
        child.communicate("leave\n")
    deadline = time.monotonic() + 30
    while "GATE-304" in (told := gate.cli("wait", "pending", "--timeout", "0s", user="codex-2")).stderr:
        assert time.monotonic() < deadline, told.stderr  # a visit ends when it notices


def counting(gate: Enforced, name: str, program: str) -> Path:
    """Return a folder with a program of that name that writes down what it was asked, and runs the real one."""
    folder = gate.root / f"counting-{name}"
    folder.mkdir()
    (folder / "asked").touch()
    (folder / "asked").chmod(0o666)
    (folder / name).write_text(f'#!/bin/sh\necho "$@" >>{folder}/asked\nexec {program} "$@"\n')
    (folder / name).chmod(0o755)
    return folder


def test_request_deploy_waits_on_one_connection(gate: Enforced) -> None:
    clone = gate.clone("codex-1")
    clone.commit({"sites/docs/index.html": "waited for\n"})
    folder = counting(gate, "git-remote-gate", f"{ROOT}/git-remote-gate")
    clone.env["PATH"] = f"{folder}:{clone.env['PATH']}"
    ask = ("--surface", "docs", "--intent", "Wait for it", "--artifact", "docs-3", "--id", "waited")
    argv = clone.user.command(["request-deploy", *ask, "--wait=90s"])
    ships_while_waited_for(gate, clone, argv, "waited")
    asked = (folder / "asked").read_text().splitlines()
    runs = [line for line in asked if line.startswith("--run")]
    assert [line.rsplit(" ", 2)[0] for line in runs] == [f"--run {gate.home.path} wait waited"]
    assert asked.index(runs[0]) == len(asked) - 3, "one look at the end, and the fetch of its result"


def test_a_verb_of_the_gate_through_git_alone(gate: Enforced) -> None:
    """Without the package: the helper that Git needs anyway."""
    user = gate.users["codex-1"]
    seen = gate.run(user, "git", "remote-gate", "--run", gate.address, "status", "--json", ok=True)
    assert json.loads(seen.stdout)["enforcement"] == "enforced"
    refused = gate.run(user, "git", "remote-gate", "--run", str(gate.home.path), "freeze", "-m", "x")
    assert (refused.returncode, refused.stdout) == (11, "")
    assert "only operators decide" in refused.stderr
    assert gate.run(user, "git-remote-gate", "--run").returncode == 2


def test_a_door_of_one_agent(gate: Enforced) -> None:
    """Whoever reaches the socket is the agent, whatever its uid: two agents in containers may share one."""
    with gate.door("--agent", "codex-1"):
        path = gate.home.own_doors / "codex-1" / "gate.sock"
        user = gate.users["codex-2"]
        assert gate.run(user, "git", "ls-remote", f"gate::{path}").returncode == 128, "nobody here gets to it"
        inside = f"mount --bind {path.parent} /mnt && exec setpriv --reuid {user.uid} --clear-groups -- "
        script = inside + "git -c safe.directory='*' -C CLONE push gate::/mnt/gate.sock HEAD:request/own"
        clone = gate.clone("codex-2")
        clone.commit({"sites/blog/index.html": "own door\n"})
        argv = ["unshare", "-m", "sh", "-c", script.replace("CLONE", str(clone.folder))]
        done = subprocess.run(argv, env={**clone.env}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert not path.exists(), "a door that ends takes its socket with it"
    gate.tick()
    assert gate.result("own").agent.name == "codex-1"
    unknown = gate.cli("socket", "--agent", "codex-9")
    assert unknown.returncode == 3


def test_a_live_socket_is_left_and_a_stale_one_replaced(gate: Enforced, tmp_path: Path) -> None:
    again = gate.cli("socket")
    assert again.returncode == 21
    assert "is open at" in again.stderr
    path = tmp_path / "doors" / "gate.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    path.parent.chmod(0o700)
    before = os.umask(0o077)
    with listen(tmp_path / "new" / "gate.sock", own=False):
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o755
    with listen(path, own=False), pytest.raises(GateError, match="open at"):
        listen(path, own=False)
    with pytest.raises(GateError, match="too long"):
        listen(tmp_path / ("x" * 120), own=False)


def test_a_socket_that_systemd_listens_on(gate: Enforced) -> None:
    """As systemd does it: descriptor 3, its own process id in LISTEN_PID, and nothing is unlinked at the end."""
    path = gate.home.doors / "activated.sock"
    line = socket.socket(socket.AF_UNIX)
    line.bind(str(path))
    path.chmod(0o666)
    line.listen()
    os.dup2(line.fileno(), 3) if line.fileno() != 3 else os.set_inheritable(3, True)
    argv = gate.librarian.command(["sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"', "sh", *gatekeeper(gate.home)])
    command = [*argv, "socket"]
    with subprocess.Popen(command, cwd="/", env=gate.env, pass_fds=(3,), stderr=subprocess.PIPE, text=True) as door:
        try:
            assert door.stderr is not None
            assert str(path) in door.stderr.readline()
            seen = gate.run(gate.users["codex-1"], "git", "ls-remote", f"gate::{path}")
            assert seen.returncode == 0, seen.stderr
        finally:
            door.terminate()
            assert door.wait(30) == 0
            line.close()
    assert path.exists()
    assert handed_over("1", "1") is None
    assert handed_over(None, None) is None


def test_the_helper_tells_a_gate_from_an_impostor(gate: Enforced, tmp_path: Path) -> None:
    user = gate.users["codex-1"]
    absent = gate.run(user, "git", "ls-remote", f"gate::{gate.root}/nowhere")
    assert "error: GATE-504 the gate does not answer" in absent.stderr
    assert "gatekeeper socket" in absent.stderr
    fake = gate.root / "fake"
    fake.mkdir(mode=0o755)
    os.chown(fake, gate.users["codex-2"].uid, -1)
    impostor = (
        "import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); "
        "print('ready',file=sys.stderr,flush=True)\nwhile 1: s.accept()"
    )
    argv = gate.users["codex-2"].command(["python3", "-c", impostor, str(fake / "gate.sock")])
    with serving(argv, gate.env, "ready"):
        (fake / "gate.sock").chmod(0o666)
        os.chown(fake, gate.librarian.uid, -1)
        seen = gate.run(user, "git", "ls-remote", f"gate::{fake}/gate.sock")
        assert f"error: GATE-502 uid {gate.users['codex-2'].uid} answers" in seen.stderr
        os.chown(fake, gate.users["codex-2"].uid, -1)
        fake.chmod(0o777)
        assert "others can write to the folder" in gate.run(user, "git", "ls-remote", f"gate::{fake}/gate.sock").stderr


def test_the_helper_needs_nothing_but_python_3_8(gate: Enforced) -> None:
    source = (Path(__file__).parents[2] / "git-remote-gate").read_text()
    compile(source, "git-remote-gate", "exec", dont_inherit=True)
    imported = {line.split()[1] for line in source.splitlines() if line.startswith("import ")}
    assert imported <= set(sys.stdlib_module_names)
