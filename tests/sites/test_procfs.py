import os
import socket
import subprocess
import sys
from pathlib import Path

from gatekeeper.sites import procfs


def test_a_listener_is_found_on_both_families_and_only_while_it_listens() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 0))
        port = server.getsockname()[1]
        assert procfs.strangers([port], set()) == {}
        server.listen()
        assert procfs.strangers([port], set()) == {port: os.getpid()}
        assert procfs.strangers([port], {os.getpid()}) == {}
        with socket.create_server(("127.0.0.1", 0)) as other:
            second = other.getsockname()[1]
            assert set(procfs.strangers([port, second], set())) == {port, second}
    assert procfs.strangers([port], set()) == {}


def test_a_zombie_is_not_alive_and_a_strange_name_confuses_nobody(tmp_path: Path) -> None:
    odd = tmp_path / "a) Z 1 (b"
    odd.symlink_to("/bin/sleep")
    child = subprocess.Popen([odd, "60"], cwd=tmp_path)
    try:
        tree = procfs.parents()
        assert tree[child.pid] == os.getpid()
        assert child.pid in procfs.family(os.getpid(), tree)
        assert procfs.cwd(child.pid) == str(tmp_path)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert child.pid not in procfs.parents()
    finally:
        child.kill()
        child.wait()
    assert procfs.cwd(child.pid) is None
    assert procfs.title(child.pid) == ""


def test_a_folder_that_was_pruned_still_has_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "v1"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], cwd=folder, stdin=subprocess.PIPE) as child:
        folder.rmdir()
        assert procfs.cwd(child.pid) == str(folder)


def test_a_title_is_shown_without_control_or_bidi_characters() -> None:
    argv = ["/bin/cat", "-", "\x1b[31m\u202e"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"!")
        child.stdin.flush()
        child.stdout.read(1)  # the kernel shows the new command line a little after Popen returns
        assert procfs.title(child.pid) == "/bin/cat - ?[31m?"
