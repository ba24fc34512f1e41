"""Who pushes is what the kernel or sshd says, whatever a client claims, borrows or leaves out."""

import subprocess

import pytest
from enforced import OPERATOR, STRANGER

from attacks.world import Attacker

_LEND = """import array, os, socket, subprocess, sys
address, uid, gid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
ours, theirs = socket.socketpair()
if os.fork() == 0:
    os.setgroups([]); os.setgid(gid); os.setuid(uid)
    line = socket.socket(socket.AF_UNIX); line.connect(address)
    socket.send_fds(theirs, [b"x"], [line.fileno()])
    os._exit(0)
os.wait()
_, (lent, *_), _, _ = socket.recv_fds(ours, 1, 1)
os.setgroups([]); os.setgid(int(sys.argv[5])); os.setuid(int(sys.argv[4]))
line = socket.socket(fileno=lent)
line.sendall(b'{"v":1,"argv":["freeze","-m","lent"]}\\n')
heard = b""
while part := line.recv(65536): heard += part
print(heard)
"""


def pushed_as(attacker: Attacker, id_: str) -> tuple[str, str]:
    """Return under whom a push was noted."""
    (note,) = (each for each in attacker.notes() if each.event == "pushing" and each.fields["id"] == id_)
    attacker.outcome.append(f"filed as {note.actor.name} ({note.actor.assurance})")
    return note.actor.name, note.actor.assurance


def test_68_another_name_on_the_commit(local: Attacker) -> None:
    local.clone.env.update(GIT_AUTHOR_NAME="kim", GIT_COMMITTER_NAME="kim", GIT_COMMITTER_EMAIL="kim@agents.example")
    try:
        local.commit()
    finally:
        local.clone.env.update(GIT_AUTHOR_NAME="codex-1", GIT_COMMITTER_NAME="codex-1")
        local.clone.env.update(GIT_COMMITTER_EMAIL="codex-1@agents.example")
    assert local.push("gate", "HEAD:request/named").returncode == 0
    assert pushed_as(local, "named") == ("codex-1", "kernel")


def test_69_names_in_the_environment(local: Attacker) -> None:
    local.commit()
    door = '{"v":1,"agent":"kim","assurance":"kernel","role":"operator"}'
    claimed = {"GATE_AGENT": "kim", "GATE_DOOR": door, "GATE_UID": "0", "SUDO_USER": "kim", "USER": "kim"}
    assert local.push("gate", "HEAD:request/claimed", **claimed).returncode == 0
    assert pushed_as(local, "claimed") == ("codex-1", "kernel")


def test_70_root_in_a_user_namespace_of_its_own(local: Attacker) -> None:
    local.commit()
    done = local.clone.run("unshare", "-Ur", "git", "push", "gate", "HEAD:request/spaced", ok=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("no user namespaces for plain users here")
    assert done.returncode == 0, done.stderr
    assert pushed_as(local, "spaced") == ("codex-1", "kernel")


def test_71_root_itself(local: Attacker) -> None:
    local.commit()
    env = {**local.clone.env, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    argv = ["git", "push", "gate", "HEAD:request/root"]
    done = subprocess.run(argv, cwd=local.clone.folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "GATE-301" in done.stderr, done.stderr
    local.outcome.append("refused, GATE-301")


@pytest.mark.parametrize("attacker", ["sshd"], indirect=True)
def test_73_offering_the_operators_public_key(attacker: Attacker) -> None:
    gate = attacker.gate
    public = gate.root / f"ssh-{OPERATOR}.pub"
    words = gate.ssh("codex-1", attacker.port).split()
    words[words.index("-i") : words.index("-i")] = ["-i", str(public)]
    done = gate.run(gate.users["codex-1"], *words, f"{gate.librarian.name}@127.0.0.1", "freeze -m mine")
    assert done.returncode == 11, (done.stdout, done.stderr)
    attacker.outcome.append("refused, GATE-301")


def test_75_a_connection_that_was_lent(local: Attacker) -> None:
    """codex-1 opens it, the operator's process speaks: what counts is who opened it."""
    gate = local.gate
    one, kim = gate.users["codex-1"], gate.users[OPERATOR]
    ids = (str(each) for each in (one.uid, one.gid, kim.uid, kim.gid))
    argv = ["python3", "-c", _LEND, str(gate.home.gate_socket), *ids]
    done = subprocess.run(argv, env=gate.env, capture_output=True, text=True, check=False)
    assert "codex-1 is not an operator" in done.stdout, (done.stdout, done.stderr)
    assert not gate.records("frozen")
    local.outcome.append("counts as who opened it")


def test_76_past_the_doors_with_no_name_at_all(local: Attacker) -> None:
    local.commit()
    repo = str(local.gate.home.repo)
    for more in ((), ("--receive-pack=git -c core.hooksPath=/dev/null receive-pack",)):
        done = local.clone.run("env", "-i", "git", "-c", "safe.directory=*", "push", *more, repo, "HEAD:x", ok=False)
        assert done.returncode, done.stderr
    local.outcome.append("the kernel says no")


def test_104_who_is_no_agent(local: Attacker) -> None:
    """A site's user, say."""
    done = local.gate.run(local.gate.users[STRANGER], "git", "push", local.gate.address, "HEAD:request/x")
    seen = local.gate.run(local.gate.users[STRANGER], "git", "ls-remote", local.gate.address)
    assert "GATE-301" in seen.stderr
    local.refused(None, done, seen)
    local.outcome.append("refused, GATE-301")
