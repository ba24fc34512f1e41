"""What is asked or built wrongly: a clear refusal, the sites on one version, the request kept."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gatehouse import PM2, Gatehouse

from gatekeeper.errors import Exit, GateError
from gatekeeper.model import State

Opener = Callable[..., Gatehouse]
SLEEP = f"sleep 9{os.getpid()}"  # no other run has it
MEAN = {
    "hangs": (SLEEP, "GATE-403"),
    "prints": ("yes this is a very long line of nothing | head -c 1000000000", None),
    "fills": ("head -c 1000000000 /dev/zero > big", "GATE-402"),
    "forks": (f"while :; do {SLEEP} & done", "GATE-402"),
    "murders": ("kill -9 $PPID; kill -9 -1; exit 1", "GATE-402"),
    "orphans": (f"({SLEEP} >/dev/null 2>&1 &) ; exit 0", None),
}


def processes(words: str) -> list[str]:
    """Return the command lines that hold `words`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if words in line:
            found.append(line)
    return found


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["frobnicate"], Exit.USAGE),
        (["status", "--frobnicate"], Exit.USAGE),
        (["show"], Exit.USAGE),
        (["rollback"], Exit.USAGE),
        (["wait", "x", "--timeout", "soon"], Exit.USAGE),
        (["show", "nobody"], Exit.NOT_FOUND),
        (["wait", "nobody"], Exit.NOT_FOUND),
    ],
)
def test_wrong_words_on_the_command_line(gate: Gatehouse, argv: list[str], status: Exit) -> None:
    done = gate.cli(*argv)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr


def test_no_gate_here(gate: Gatehouse) -> None:
    for verb in ("status", "tick", "run", "log"):
        done = gate.cli("--gate", str(gate.root), verb)
        assert (done.returncode, "There is no gate in" in done.stderr) == (Exit.NO_GATE, True), verb


def test_a_near_miss_is_named_and_never_taken(gate: Gatehouse) -> None:
    gate.decide("freeze")
    gate.clone().request("shop-fix", {"sites/shop/page.txt": f"near {gate.version}\n"})
    done = gate.cli("show", "shop-fi")
    assert (done.returncode, 'Did you mean "shop-fix"?' in done.stderr) == (Exit.NOT_FOUND, True)


def test_a_gate_without_any_valid_configuration(opener: Opener) -> None:
    gate = opener(("shop",))
    for text in ("", "not toml at all", "[gate]\nheartbeat = 15\n", "[sites.shop]\npath = 3\n"):
        gate.home.sites_toml.write_text(text)
        done = gate.cli("tick")
        assert (done.returncode, "sites.toml" in done.stderr) == (Exit.CONFIG, True), text
    gate.home.sites_toml.unlink()
    assert gate.cli("tick").returncode == Exit.CONFIG
    assert gate.refs("refs/tags/") == {}


def test_a_good_request_is_not_let_in_beside_another_ref(gate: Gatehouse) -> None:
    clone = gate.clone()
    clone.commit({"sites/shop/page.txt": f"beside {gate.version}\n"})
    refs = gate.refs()
    for other, code in (
        ("HEAD:refs/heads/release", "GATE-101"),
        ("HEAD:refs/tags/v9.9.9", "GATE-102"),
        ("HEAD:refs/notes/x", "GATE-103"),
        ("HEAD:refs/gate/log", "GATE-103"),
        ("HEAD:refs/heads/request/second", "GATE-105"),
    ):
        pushed = clone.push("--force", "HEAD:refs/heads/request/beside", other)
        assert (pushed.status, pushed.code) == (1, code), pushed.text
    for deleted in (":refs/heads/release", f":refs/tags/{gate.version}"):
        assert clone.push(deleted).status == 1
    assert gate.refs() == refs


@pytest.mark.parametrize("kind", list(MEAN))
def test_checks_that_misbehave_leave_nothing_behind(gate: Gatehouse, kind: str) -> None:
    before, (script, code) = gate.version, MEAN[kind]
    timeout = "1s" if kind == "hangs" else "60s"
    check = f'[[checks]]\nname = "mean"\nrun = ["sh", "mean.sh"]\npaths = ["mean.sh"]\ntimeout = "{timeout}"\n'
    limits = '[limits]\ndisk = "64M"\nprocesses = 32\noutput = "64K"\n'
    gate.configure(limits, check=check)
    gate.clone().request(f"mean-{kind}", {"mean.sh": f"{script}\n"})
    gate.tick()
    assert (gate.code(f"mean-{kind}"), gate.versions()) == (code, {gate.version})
    assert (gate.version == before) == (code is not None)
    assert processes(SLEEP) == []
    assert not list(gate.home.work.iterdir())
    assert max(path.stat().st_size for path in gate.home.logs.iterdir()) < 100_000


def test_pm2_is_missing_or_too_old(gate: Gatehouse) -> None:
    version = gate.version
    gate.clone().request("waits-for-pm2", {"sites/web/page.txt": f"waits {version}\n"})
    old = gate.root / "old-pm2"
    old.write_text("#!/bin/sh\necho 5.4.3\n")
    old.chmod(0o755)
    same = gate.root / "same-pm2"  # new enough when it is asked first, and replaced later under its name
    same.symlink_to(PM2)
    gate.home.sites_toml.write_text(gate.toml.replace(str(PM2), str(same)))
    gate.tick()
    assert gate.result("waits-for-pm2").state is State.SHIPPED
    gate.clone().fresh()
    gate.clone().again("waits-for-pm2", {"sites/web/page.txt": f"waits again {version}\n"})
    version = gate.version
    same.unlink()
    same.write_text("#!/bin/sh\necho 5.4.2\n")
    same.chmod(0o755)
    for command, words in (("/nowhere/pm2", "/nowhere/pm2"), (str(old), "5.4.3"), (str(same), "5.4.2")):
        gate.home.sites_toml.write_text(gate.toml.replace(str(PM2), command))
        with pytest.raises(GateError) as problem:
            gate.tick()
        assert (problem.value.code, words in problem.value.text) == ("GATE-504", True)
        assert gate.open() == {"waits-for-pm2"}
        assert gate.code("waits-for-pm2") == "GATE-504"
        assert gate.versions() == {version}
    gate.home.sites_toml.write_text(gate.toml)
    gate.tick()
    assert gate.result("waits-for-pm2").state is State.SHIPPED


def test_what_this_version_does_not_do_is_said_and_not_passed_over(gate: Gatehouse) -> None:
    version = gate.version
    host = '[hosts.web2]\nssh = "gate@web2"\nhome = "/srv/gate"\n'
    gate.configure(host, sites={"web": 'host = "web2"\nuser = "site-web"\n'})
    done = gate.cli("config", "check", "--json")
    said = [problem["key"] for problem in json.loads(done.stdout)["problems"]]
    assert (done.returncode, said) == (Exit.CONFIG, ["sites.web.user"])
    gate.clone().request("afar", {"sites/web/page.txt": f"afar {version}\n"})
    with pytest.raises(GateError) as problem:
        gate.tick()
    assert (problem.value.code, problem.value.exit) == ("GATE-501", Exit.CONFIG)
    assert ("afar" in gate.open(), gate.versions()) == (True, {version})


def test_nothing_ships_while_too_little_disk_is_free(gate: Gatehouse) -> None:
    version = gate.version
    gate.configure('[limits]\nfree_disk = "900000G"\n')
    gate.clone().request("wide", {"sites/web/page.txt": f"wide {version}\n"})
    with pytest.raises(GateError) as problem:
        gate.tick()
    assert (problem.value.code, "limits.free_disk" in problem.value.text) == ("GATE-503", True)
    assert (gate.code("wide"), gate.versions(), gate.open()) == ("GATE-503", {version}, {"wide"})
    gate.home.sites_toml.write_text(gate.toml)
    gate.tick()
    assert gate.result("wide").state is State.SHIPPED


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    """Put a tiny disk where the releases lie, with what was there."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "small", str(place)], check=True)
    (place / "releases").mkdir()
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk takes root")
def test_a_disk_that_fills_while_a_release_is_staged(opener: Opener) -> None:
    gate = opener(("shop",))
    gate.configure('[limits]\nfree_disk = "64K"\n')
    with small_disk(gate.home.releases.parent, "2M"):
        gate.tick()
        assert gate.versions() == {"v0.1.0"}
        gate.clone().request("big", {"sites/shop/big.bin": "x" * 3_000_000})
        with pytest.raises(GateError) as problem:
            gate.tick()
        assert problem.value.code == "GATE-503"
        assert (gate.code("big"), gate.open(), gate.versions()) == ("GATE-503", {"big"}, {"v0.1.0"})
        assert [path.name for path in gate.home.releases.iterdir()] == [gate.home.current.readlink().name]
        assert gate.refs("refs/gate/bad/") == {}
        subprocess.run(["mount", "-o", "remount,size=16M", str(gate.home.releases.parent)], check=True)
        gate.tick()
        assert (gate.result("big").state, gate.versions()) == (State.SHIPPED, {"v0.1.1"})
        gate.target().stop_all()
