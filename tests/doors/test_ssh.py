"""The SSH door: a real sshd, the keys that the gate writes, and all that a key does not open."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from enforced import AGENTS, OPERATOR, ROOT, STRANGER, Enforced, ageless, build, ships_while_waited_for

from gatekeeper.config import keys
from gatekeeper.config.schema import Agent, Config
from gatekeeper.home import Home


@pytest.fixture(scope="module")
def gate() -> Iterator[Enforced]:
    with build(keys=True) as gate:
        yield gate


@pytest.fixture(scope="module")
def port(gate: Enforced) -> Iterator[int]:
    with gate.sshd() as port:
        yield port


def ssh(gate: Enforced, port: int, agent: str, *asked: str) -> "subprocess.CompletedProcess[str]":
    """Run a command over SSH with an agent's key, as its Unix user."""
    words = shlex.split(gate.ssh(agent, port))
    return gate.run(gate.users[agent], *words, f"{gate.librarian.name}@127.0.0.1", *asked)


def test_a_push_with_a_key(gate: Enforced, port: int) -> None:
    clone = gate.clone("codex-1")
    clone.env["GIT_SSH_COMMAND"] = gate.ssh("codex-1", port)
    clone.env.update(GATE_AGENT="kim", GIT_COMMITTER_NAME="kim")
    address = f"ssh://{gate.librarian.name}@127.0.0.1:{port}/whatever/path"
    clone.git("remote", "add", "remote", address)
    clone.commit({"sites/docs/index.html": "over ssh\n"})
    pushed = clone.run("git", "push", "remote", "HEAD:request/by-key", ok=False)
    assert pushed.returncode == 0, pushed.stderr
    assert clone.run("git", "push", "remote", "HEAD:release", ok=False).returncode == 1
    clone.git("fetch", "-q", "remote", "release")
    gate.tick()
    (filed,) = gate.records("filed")
    assert (filed.actor.name, filed.actor.assurance, filed.mode) == ("codex-1", "key", "enforced")
    assert clone.run("request-deploy", "--status", "by-key", "--remote", "remote").stdout.startswith("request by-key")


def test_request_deploy_waits_on_one_connection(gate: Enforced, port: int) -> None:
    clone = gate.clone("codex-2")
    asked = gate.root / "asked-by-ssh"
    asked.touch()
    asked.chmod(0o666)
    clone.env["GIT_SSH_COMMAND"] = f'counted() {{ echo "$@" >>{asked}; {gate.ssh("codex-2", port)} "$@"; }}; counted'
    clone.git("remote", "add", "remote", f"ssh://{gate.librarian.name}@127.0.0.1:{port}/gate")
    clone.commit({"sites/blog/index.html": "waited for over ssh\n"})
    ask = ("--surface", "blog", "--intent", "Wait", "--artifact", "b-1", "--id", "over-ssh", "--remote", "remote")
    argv = clone.user.command([f"{ROOT}/request-deploy", *ask, "--wait=90s"])
    ships_while_waited_for(gate, clone, argv, "over-ssh")
    lines = [line.split("@127.0.0.1 ")[1] for line in asked.read_text().splitlines() if "@127.0.0.1 " in line]
    (waited,) = [line for line in lines if line.startswith("wait over-ssh --timeout ")]
    assert lines.index(waited) == len(lines) - 3, "one look at the end, and the fetch of its result"


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "id",
        "sh -c id",
        "git-upload-archive /gate",
        "git-receive-pack",
        "git-receive-pack /x -c core.hooksPath=/dev/null",
        "git-receive-pack /x; id",
        "git-upload-pack --upload-pack=id /x",
        "git -c core.hooksPath=/dev/null receive-pack /x",
        "gatekeeper status",
        "status; id",
        "status $(id)",
        "'unbalanced",
        "log",
        "shell kim",
        "run",
        " -- freeze -m x",
        "scp -t /tmp",
        "/usr/lib/openssh/sftp-server",
        "rsync --server . /tmp",
        "\x1b[2J",
    ],
)
def test_what_a_key_does_not_open(gate: Enforced, port: int, asked: str) -> None:
    done = ssh(gate, port, "codex-1", asked)
    assert done.returncode not in (0, 255), (done.stdout, done.stderr)
    assert "uid=" not in done.stdout + done.stderr
    assert "\x1b" not in done.stderr
    assert done.stderr.startswith(("error: ", "Usage: ")), done.stderr


@pytest.mark.parametrize("option", [("-L", "0:127.0.0.1:22"), ("-R", "0:127.0.0.1:22"), ("-N",), ("-tt",), ("-s",)])
def test_what_ssh_itself_could_open(gate: Enforced, port: int, option: tuple[str, ...]) -> None:
    words = shlex.split(gate.ssh("codex-1", port))
    address = f"{gate.librarian.name}@127.0.0.1"
    extra = ("-o", "ExitOnForwardFailure=yes", "-o", "ConnectTimeout=5")
    done = gate.run(gate.users["codex-1"], "timeout", "3", *words, *extra, *option, address, "sftp")
    assert done.returncode != 0
    assert "uid=" not in done.stdout


def test_the_environment_of_a_client_counts_for_nothing(gate: Enforced, port: int) -> None:
    words = shlex.split(gate.ssh("codex-1", port))
    sent = {"GATEKEEPER_HOME": "/nowhere", "PYTHONPATH": "/tmp", "GIT_DIR": "/tmp", "LC_ALL": "C"}
    options = [word for name in sent for word in ("-o", f"SendEnv={name}")]
    address = f"{gate.librarian.name}@127.0.0.1"
    done = gate.run(gate.users["codex-1"], *words, *options, address, "status", "--json", env=sent)
    assert json.loads(done.stdout)["enforcement"] == "enforced", done.stderr


def test_the_looking_verbs(gate: Enforced, port: int) -> None:
    there, here = ssh(gate, port, "codex-2", "status").stdout, gate.cli("status").stdout
    assert "release " in there
    assert ageless(there) == ageless(here)
    assert ssh(gate, port, "codex-2", "show", "nothing").returncode == 3
    assert ssh(gate, port, "codex-2", "wait", "nothing").returncode == 3


def test_operators_decide_with_their_key(gate: Enforced, port: int) -> None:
    assert ssh(gate, port, "codex-1", "freeze", "-m", "x").returncode == 11
    with gate.running():
        done = ssh(gate, port, OPERATOR, "freeze -m 'the $(id) of it'")
        assert (done.returncode, done.stderr) == (0, "")
        assert ssh(gate, port, OPERATOR, "thaw").returncode == 0
    (record,) = gate.records("frozen")
    assert (record.actor.name, record.actor.assurance, record.actor.role) == (OPERATOR, "key", "operator")
    assert "the $(id) of it" in str(record.data)


def test_a_key_that_is_not_listed_or_no_longer(gate: Enforced, port: int) -> None:
    assert ssh(gate, port, STRANGER, "status").returncode == 255
    gate.write(gate.home.sites_toml, gate.toml.replace("[agents.codex-2]", "[agents.codex-9]"))
    try:
        done = ssh(gate, port, "codex-2", "status")
        assert done.returncode == 11
        assert 'GATE-301 this gate lists no agent "codex-2"' in done.stderr
        assert ssh(gate, port, "codex-2", "status").returncode == 0, "its key is codex-9's now"
        gate.write(gate.home.sites_toml, gate.toml.replace(gate.keys["codex-2"], gate.keys[STRANGER]))
        assert ssh(gate, port, "codex-1", "status").returncode == 0, "any visit has the file written anew"
        assert ssh(gate, port, "codex-2", "status").returncode == 255
        assert ssh(gate, port, "codex-1", "status").returncode == 0
    finally:
        gate.write(gate.home.sites_toml, gate.toml)
    assert ssh(gate, port, "codex-1", "status").returncode == 0
    assert ssh(gate, port, "codex-2", "status").returncode == 0


def test_the_file_of_keys(gate: Enforced) -> None:
    lines = gate.home.authorized_keys.read_text().splitlines()
    assert [line.split()[-1] for line in lines] == [*AGENTS, OPERATOR]
    assert all(line.startswith('restrict,command="') for line in lines)
    assert gate.home.authorized_keys.stat().st_mode & 0o777 == 0o600
    assert gate.home.authorized_keys.stat().st_uid == gate.librarian.uid


def test_a_path_with_spaces_and_quotes_stays_one_word() -> None:
    config = Config(agents={"codex-1": Agent(owner="kim", ssh_key="ssh-ed25519 AAAA a comment")})
    (line,) = keys.authorized(config, Home(Path('/srv/a "b" $(c)'))).splitlines()
    assert line.endswith(" ssh-ed25519 AAAA codex-1")
    command = line.removeprefix('restrict,command="').partition('" ssh-')[0].replace('\\"', '"')
    assert shlex.split(command)[4:] == ["--gate", '/srv/a "b" $(c)', "shell", "codex-1"]
    with pytest.raises(ValueError, match="no way"):
        keys.authorized(config, Home(Path('/srv/\\"')))
