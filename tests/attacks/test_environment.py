"""Past the doors: files, options, settings, libraries, signals. The kernel says no, or nothing comes of it."""

import pytest

from attacks.world import Attacker

_PROBES = {
    "var": ["ls", "{home}/var"],
    "the key": ["cat", "{home}/keys/librarian"],
    "a hook": ["cat", "{home}/repo.git/hooks/pre-receive"],
    "release": ["sh", "-c", "echo x >{home}/repo.git/refs/heads/release"],
    "packed-refs": ["sh", "-c", "echo x >>{home}/repo.git/packed-refs"],
    "config": ["git", "config", "-f", "{home}/repo.git/config", "x.y", "z"],
    "alternates": ["sh", "-c", "echo /tmp >{home}/repo.git/objects/info/alternates"],
    "hooks off": ["chmod", "-x", "{home}/repo.git/hooks/pre-receive"],
    "sites.toml": ["sh", "-c", "echo >>{home}/sites.toml"],
    "the link": ["ln", "-sfn", "/tmp", "{home}/live/current"],
    "a release": ["sh", "-c", "echo x >>{home}/live/current/sites/docs/index.html"],
    "the doors": ["mv", "{home}/doors/gate.sock", "{home}/doors/other.sock"],
    "a link in the doors": ["ln", "-s", "/tmp", "{home}/doors/x"],
    "a hard link": ["ln", "{home}/sites.toml", "/tmp/gk-linked"],
    "the Librarian's door": ["python3", "-c", "import socket; socket.socket(1).connect('{home}/var/door.sock')"],
    "the bell": ["python3", "-c", "import socket; socket.socket(1, 2).sendto(b'', '{home}/var/bell.sock')"],
    "a symbolic ref": [
        "git",
        "--git-dir={home}/repo.git",
        "symbolic-ref",
        "refs/heads/request/x",
        "refs/heads/release",
    ],
    "sudo": ["sh", "-c", "sudo -n -u {librarian} true"],
    "su": ["su", "{librarian}", "-c", "true"],
    "setpriv": ["setpriv", "--reuid", "{librarian}", "true"],
}


@pytest.mark.parametrize("what", _PROBES)
def test_107_files_and_users(local: Attacker, what: str) -> None:
    """Rows 106, 107 and 112."""
    words = {"home": str(local.gate.home.path), "librarian": local.gate.librarian.name}
    done = local.gate.run(local.gate.users["codex-1"], *(word.format(**words) for word in _PROBES[what]))
    assert done.returncode, done.stdout
    local.outcome.append("the kernel says no")


def test_108_signals_and_processes_of_the_gate(local: Attacker) -> None:
    assert local.gate.doors is not None
    pid, user = local.gate.doors.pid, local.gate.users["codex-1"]
    for argv in (["kill", "-9", f"{pid}"], ["cat", f"/proc/{pid}/environ"], ["ls", f"/proc/{pid}/fd"]):
        assert local.gate.run(user, *argv).returncode, argv
    attach = f"import ctypes,sys; sys.exit(ctypes.CDLL(None).ptrace(16, {pid}, 0, 0) == -1)"
    assert local.gate.run(user, "python3", "-c", attach).returncode
    assert local.gate.doors.poll() is None
    local.outcome.append("the kernel says no")


def test_109_another_receive_pack(attacker: Attacker) -> None:
    attacker.commit()
    program = "--receive-pack=git -c core.hooksPath=/dev/null receive-pack"
    done = attacker.push(program, "gate", "HEAD:release")
    attacker.refused("GATE-101" if attacker.door == "socket" else None, done)


def test_110_settings_and_libraries_from_the_environment(attacker: Attacker) -> None:
    attacker.commit()
    set_ = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": "/dev/null"}
    more = {"GIT_NAMESPACE": "x", "LD_PRELOAD": "/tmp/x.so", "LD_LIBRARY_PATH": "/tmp"}
    attacker.refused("GATE-101", attacker.push("gate", "HEAD:release", **set_, **more))


def test_111_other_programs_than_git_push_and_fetch(attacker: Attacker) -> None:
    clone = attacker.clone
    fetched = clone.run("git", "fetch", "-q", "--upload-pack=id", "gate", "release", ok=False)
    assert "uid=" not in fetched.stdout + fetched.stderr
    assert clone.run("git", "archive", "--remote=gate", "HEAD", ok=False).returncode
    assert clone.run("git", "fetch", "-q", "gate", "1" * 40, ok=False).returncode
    assert "refs/gate/log" in clone.git("ls-remote", "gate", "refs/gate/*"), "for everybody to read"
    attacker.refused(None, clone.run("git", "archive", "--remote=gate", "HEAD", ok=False))


def test_120_the_log_is_whole_after_all_this(local: Attacker) -> None:
    gate = local.gate
    gate.tick()
    done = gate.cli("audit", "verify")
    assert done.returncode == 0, done.stdout + done.stderr
    told = gate.records("refused")
    assert {record.actor.assurance for record in told} <= {"kernel", "key"}
    assert all(str(record.data["ref"]).isprintable() for record in told if "ref" in record.data)
    assert gate.git("fsck", "--connectivity-only", "--no-dangling") == ""
    local.outcome.append("whole")
