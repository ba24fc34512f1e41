import contextlib
import json
import os
import secrets
import select
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gatekeeper import process
from gatekeeper.errors import GateError
from gatekeeper.verify.box import Box
from gatekeeper.verify.sandbox import run

REPOSITORY = Path(__file__).parents[2]
DATA = Path(__file__).parent / "data"
CONNECT = """
const places = process.argv.slice(1);
for (const place of places) {
  const [host, port] = place.split(':');
  const socket = require('net').connect({host, port: +port, timeout: 5000});
  socket.on('connect', () => { console.log('CONNECTED', place); socket.destroy() });
  socket.on('timeout', () => { console.log('silence', place); socket.destroy() });
  socket.on('error', error => console.log('refused', place));
}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


def slirps() -> set[str]:
    found = set()
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if cmdline.read_bytes().startswith(b"slirp4netns\0"):
                found.add(cmdline.parent.name)
    return found


def fifo(path: Path) -> int:
    os.mkfifo(path)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def readable(fd: int) -> bool:
    ready = bool(select.select([fd], [], [], 30)[0])
    os.close(fd)
    return ready


def own_address() -> str | None:
    links = json.loads(process.run(("ip", "-j", "-4", "address")).output)
    found = [a["local"] for link in links for a in link["addr_info"] if not a["local"].startswith("127.")]
    return found[0] if found else None


@pytest.mark.registry
def test_a_build_installs_from_the_registry(tree: Path) -> None:
    shutil.copytree(DATA, tree, dirs_exist_ok=True)
    box = Box(tree=tree, network=True, env={"npm_config_update_notifier": "false"})
    ran = run(box, ("npm", "ci", "--omit=dev", "--ignore-scripts"), timeout=120)
    assert ran.ok, ran.output.decode()
    assert run(Box(tree=tree), ("node", "-e", "require('express')(); console.log('up')"), timeout=30).output == b"up\n"


def test_the_network_is_there_before_the_command(tree: Path) -> None:
    ran = run(Box(tree=tree, network=True), ("ip", "-br", "-4", "address"), timeout=30)
    assert b"10.0.2.100/24" in ran.output
    assert run(Box(tree=tree, network=True), ("cat", "/etc/resolv.conf"), timeout=30).output == b"nameserver 10.0.2.3\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can name a network")
def test_what_is_mounted_on_this_machine_stays_mounted(tree: Path) -> None:
    """slirp4netns unmounts all but its own; below a shared mount (`ip netns` makes one) that would spread."""
    name = f"gk-{secrets.token_hex(4)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        assert run(Box(tree=tree, network=True), ("true",), timeout=30).ok
        subprocess.run(["ip", "netns", "exec", name, "true"], check=True)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def test_without_network_there_is_loopback_alone(tree: Path) -> None:
    ran = run(Box(tree=tree), ("ip", "-br", "link"), timeout=30)
    assert [line.split()[0] for line in ran.output.splitlines()] == [b"lo"]


def test_this_machine_is_out_of_reach(tree: Path) -> None:
    own = own_address()
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        places = [f"{host}:{port}" for host in ("127.0.0.1", "10.0.2.2", "169.254.169.254", *([own] if own else []))]
        with socket.create_connection((own or "127.0.0.1", port)):
            listener.accept()[0].close()
        ran = run(Box(tree=tree, network=True), ("node", "-e", CONNECT, *places), timeout=60)
        assert sorted(line.split()[1].decode() for line in ran.output.splitlines()) == sorted(places)
        assert b"CONNECTED" not in ran.output
        assert select.select([listener], [], [], 0)[0] == []


def test_the_command_cannot_open_the_closed_routes_again(tree: Path) -> None:
    ran = run(Box(tree=tree, network=True), ("ip", "route", "del", "unreachable", "169.254.0.0/16"), timeout=30)
    assert b"Operation not permitted" in ran.output


def test_it_ends_with_the_box(tree: Path) -> None:
    before = slirps()
    assert run(Box(tree=tree, network=True), ("true",), timeout=30).ok
    assert run(Box(tree=tree, network=True), ("sleep", "1000"), timeout=0.5).timed_out
    assert slirps() <= before


def test_a_cancelled_build_ends_with_its_network(tree: Path) -> None:
    before, cancel = slirps(), process.Cancel()
    cancel.throw()
    ran = run(Box(tree=tree, network=True), ("sleep", "1000"), timeout=60, cancel=cancel)
    cancel.close()
    assert ran.cancelled
    assert not ran.timed_out
    assert slirps() <= before


def test_it_ends_with_the_librarian(tree: Path) -> None:
    begun = fifo(tree / "begun")
    before = slirps()
    script = (
        "from pathlib import Path; from gatekeeper.verify.sandbox import Box, run; "
        f"run(Box(tree=Path({str(tree)!r}), network=True), ('sh', '-c', 'echo > begun; sleep 1000'), timeout=60)"
    )
    librarian = subprocess.Popen([sys.executable, "-c", script], cwd=REPOSITORY)
    assert readable(begun)
    mine = [os.pidfd_open(int(pid)) for pid in slirps() - before]
    librarian.kill()
    librarian.wait()
    for handle in mine:
        assert readable(handle)


def test_a_missing_slirp4netns_names_the_command_that_installs_it(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bwrap", "ip", "nsenter", "unshare"):
        (programs / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(GateError) as caught:
        run(Box(tree=tree, network=True), ("touch", "ran"), timeout=30)
    assert (caught.value.code, caught.value.hints[0]) == ("GATE-505", "apt-get install slirp4netns iproute2")
    assert not (tree / "ran").exists()


def test_a_box_that_cannot_be_made_says_why_with_a_network_too(tree: Path) -> None:
    with pytest.raises(GateError, match="/no/such/folder"):
        run(Box(tree=tree, network=True, read_only=("/no/such/folder",)), ("true",), timeout=30)


def test_a_failing_slirp4netns_is_the_gate_s_trouble_and_nothing_runs(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "slirp4netns"
    broken.write_text("#!/bin/sh\necho no tun device here\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(GateError, match="no tun device here"):
        run(Box(tree=tree, network=True), ("touch", "ran"), timeout=30)
    assert not (tree / "ran").exists()
