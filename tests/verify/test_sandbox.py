import contextlib
import os
import secrets
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gatekeeper import process
from gatekeeper.errors import GateError
from gatekeeper.verify import box as box_module
from gatekeeper.verify import limits
from gatekeeper.verify.box import Box, Kind, System, Wires, arguments
from gatekeeper.verify.sandbox import Ran, run

from .system import PYTHON, WITH_LIBRARIES

REPOSITORY = Path(__file__).parents[2]
CONNECT = """
const [,, where] = process.argv;
const socket = require('net').connect(/^\\d+$/.test(where) ? {port: +where, host: '127.0.0.1'} : {path: where});
socket.on('connect', () => { console.log('CONNECTED'); process.exit(0) });
socket.on('error', error => { console.log(error.code); process.exit(1) });
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


def sh(tree: Path, script: str, *words: str, timeout: float = 30, **more: object) -> Ran:
    return run(Box(tree=tree, **more), ("sh", "-c", script, "check", *words), timeout=timeout)  # type: ignore[arg-type]


def nap() -> str:
    """Seconds that no other process sleeps for: the mark by which what is left behind is found."""
    return f"1{secrets.randbelow(10**8):08d}"


def sleeping(nap: str) -> list[str]:
    lines = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(cmdline.read_bytes().replace(b"\0", b" ").decode())
    return [line for line in lines if f"sleep {nap}" in line]


def test_a_command_reports_its_status_and_both_its_streams_in_order(tree: Path) -> None:
    ran = sh(tree, "echo one; echo two >&2; echo three; exit 7")
    assert (ran.status, ran.output, ran.ok) == (7, b"one\ntwo\nthree\n", False)


def test_a_command_ended_by_a_signal_has_the_status_that_shells_give_it(tree: Path) -> None:
    assert sh(tree, "kill -SEGV $$").status == 139


def test_a_command_that_does_not_exist_is_its_own_failure_not_the_sandbox_s(tree: Path) -> None:
    ran = run(Box(tree=tree), ("no-such-program",), timeout=30)
    assert ran.status == 127
    assert b"no-such-program" in ran.output


def test_what_is_written_in_the_tree_stays_there(tree: Path) -> None:
    (tree / "sub").mkdir()
    assert (
        sh(tree, "pwd; echo built > out", cwd="sub", at="/srv/gate/live/current").output
        == b"/srv/gate/live/current/sub\n"
    )
    assert (tree / "sub" / "out").read_text() == "built\n"


def test_nothing_else_of_the_machine_is_there(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the host")
    places = ("/root", "/home", "/run", "/var", "/srv", "/sys", "/etc/shadow", "/etc/ssl/private")
    ran = sh(tree, 'ls -d "$@" 2>/dev/null; ls -A /tmp', *places, str(tmp_path / "secret"), str(REPOSITORY))
    assert ran.output == b""


def test_a_folder_of_the_operator_s_is_there_to_read_and_comes_first_on_the_path(tree: Path, tmp_path: Path) -> None:
    program = tmp_path / "opt" / "bin" / "node"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho the operator\\'s\n")
    program.chmod(0o755)
    ran = sh(tree, f"node; echo x > {program}", read_only=(str(tmp_path / "opt"),))
    assert ran.output.startswith(b"the operator's\n")
    assert b"Read-only file system" in ran.output


def test_the_environment_is_the_configured_one_and_nothing_of_the_librarian_s(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE_SECRET", "hunter2")
    monkeypatch.setenv("HOME", "/home/librarian")
    ran = sh(tree, "env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'", env={"PORT": "4101"})
    assert b"PORT=4101\n" in ran.output
    assert b"HOME=/tmp\n" in ran.output
    assert b"hunter2" not in ran.output
    assert b"librarian" not in ran.output


@pytest.mark.parametrize("place", ["/", "/usr", "/etc", "/dev", "/proc/sys/kernel/hostname", "/work/../x"])
def test_nothing_outside_the_tree_can_be_written(tree: Path, place: str) -> None:
    target = place if place.startswith(("/proc", "/work")) else f"{place}/x"
    ran = sh(tree, 'echo x > "$1"', target)
    assert ran.status != 0
    assert b"cannot create" in ran.output


def test_it_has_no_capability_no_privileged_user_and_cannot_get_another_namespace(tree: Path) -> None:
    look = "id -u; id -g; hostname; grep -E 'Cap(Prm|Eff|Bnd)' /proc/self/status; unshare -Ur true || echo barred"
    ran = sh(tree, look)
    lines = ran.output.decode().split()
    assert lines[:3] == ["65534", "65534", "gate-check"]
    assert [word for word in lines if set(word) == {"0"}] == ["0" * 16] * 3
    assert lines[-1] == "barred"


def test_listeners_of_the_machine_are_out_of_reach(tree: Path, tmp_path: Path) -> None:
    (tree / "connect.js").write_text(CONNECT)
    abstract = f"\0gate-{secrets.token_hex(4)}"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as named,
        socket.socket(socket.AF_UNIX) as unnamed,
    ):
        named.bind(str(tmp_path / "gate.sock"))
        named.listen()
        unnamed.bind(abstract)
        unnamed.listen()
        port = str(tcp.getsockname()[1])
        with socket.create_connection(("127.0.0.1", int(port))):
            assert sh(tree, 'node connect.js "$1"', port).output == b"ECONNREFUSED\n"
        assert sh(tree, 'node connect.js "$1"', str(tmp_path / "gate.sock")).output == b"ENOENT\n"
    script = "require('net').connect('\\0' + process.argv[1]).on('error', e => console.log(e.code))"
    assert run(Box(tree=tree), ("node", "-e", script, abstract[1:]), timeout=30).output == b"ECONNREFUSED\n"


def test_its_own_loopback_works(tree: Path) -> None:
    script = """
    const server = require('net').createServer(s => s.end()).listen(4101, 'localhost', () =>
        require('net').connect(4101, '127.0.0.1').on('connect', () => { console.log('up'); process.exit(0) }))"""
    assert run(Box(tree=tree), ("node", "-e", script), timeout=30).output == b"up\n"


@pytest.mark.parametrize(
    "script",
    [
        'sleep "$1" & exit 0',
        'setsid sh -c \'sleep "$1" & sleep "$1"\' check "$1" & (sleep "$1" &) ; exit 3',
        '(trap "" TERM HUP INT; sleep "$1") & kill -9 $PPID $$',
    ],
    ids=["exits before its children", "leaves daemons", "kills its parent"],
)
def test_nothing_is_left_of_it(tree: Path, script: str) -> None:
    mark = nap()
    sh(tree, script, mark)
    assert sleeping(mark) == []


def test_it_returns_when_the_last_of_its_processes_is_gone(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One with much memory takes its time to end; a cgroup would be waited for as well."""
    monkeypatch.setattr(limits, "_ROOT", tmp_path)
    mark = nap()
    hog = (
        "import time; from pathlib import Path; held = b'x' * (800 << 20); "
        f"Path('/proc/self/comm').write_text('{mark}'); Path('held').touch(); time.sleep(1000)"
    )
    (tree / "hog.py").write_text(hog)
    ran = sh(tree, "/usr/bin/python3 -I -S hog.py & while ! test -e held; do sleep 0.01; done")
    assert ran.ok
    assert not [comm for comm in Path("/proc").glob("[0-9]*/comm") if comm.exists() and mark in comm.read_text()]


def test_a_hanging_command_is_ended_with_all_that_it_started(tree: Path) -> None:
    mark = nap()
    ran = sh(tree, 'echo begun; setsid sh -c "sleep $1" & trap "" TERM; sleep "$1"', mark, timeout=0.5)
    assert ran.timed_out
    assert not ran.ok
    assert ran.output.startswith(b"begun\n[gate] It was ended after")
    assert sleeping(mark) == []


def test_a_cancelled_command_is_ended_at_once(tree: Path) -> None:
    mark, cancel = nap(), process.Cancel()
    begun = fifo(tree / "begun")

    def throw() -> None:
        assert readable(begun)
        cancel.throw()

    thrower = threading.Thread(target=throw)
    thrower.start()
    ran = run(Box(tree=tree), ("sh", "-c", f"echo > begun; sleep {mark}"), timeout=60, cancel=cancel)
    thrower.join()
    cancel.close()
    assert (ran.cancelled, ran.timed_out, ran.ok) == (True, False, False)
    assert sleeping(mark) == []


def test_it_dies_with_the_librarian(tree: Path) -> None:
    mark = nap()
    begun = fifo(tree / "begun")
    script = (
        "from pathlib import Path; from gatekeeper.verify.sandbox import Box, run; "
        f"run(Box(tree=Path({str(tree)!r})), ('sh', '-c', 'echo > begun; sleep {mark}'), timeout=60)"
    )
    librarian = subprocess.Popen([sys.executable, "-c", script], cwd=REPOSITORY)
    assert readable(begun)
    bwrap = next(pid for pid in _descendants(librarian.pid) if Path(f"/proc/{pid}/comm").read_text() == "bwrap\n")
    (init,) = _descendants(bwrap)[-1:]
    ended = os.pidfd_open(init)
    librarian.kill()
    librarian.wait()
    assert readable(ended)
    assert sleeping(mark) == []


def test_a_sweep_takes_the_cgroups_of_the_dead_alone() -> None:
    with limits.bounded(limits.Limits(memory=1 << 30, processes=9, file_size=1)) as bounds:
        dead = [group.with_name("gate-check-4194305-0") for group in bounds.groups]  # more than pid_max
        for group in dead:
            group.mkdir()
        limits.sweep()
        assert all(group.exists() for group in bounds.groups)
        assert not any(group.exists() for group in dead)


def _descendants(pid: int) -> list[int]:
    children = [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    deeper = [grandchild for child in children for grandchild in _descendants(child)]
    return deeper + children


def fifo(path: Path) -> int:
    os.mkfifo(path)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def readable(fd: int) -> bool:
    ready = bool(select.select([fd], [], [], 30)[0])
    os.close(fd)
    return ready


def test_a_gigabyte_of_output_is_cut_and_says_so(tree: Path) -> None:
    ran = run(Box(tree=tree), ("sh", "-c", "head -c 1000000000 /dev/zero"), timeout=60, output_limit=1000)
    assert ran.status == 0
    assert ran.output == b"\0" * 1000 + b"\n[gate] The output was cut here: it went on after 1000 bytes.\n"


def test_a_gigabyte_of_output_takes_no_memory(tree: Path) -> None:
    """Beyond what is kept of it: the peak of a process that does nothing else."""
    script = (
        "import resource, sys; from pathlib import Path; from gatekeeper.verify.sandbox import Box, run\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "box = Box(tree=Path(sys.argv[1]))\n"
        "def said(count): return len(run(box, ('head', '-c', str(count), '/dev/zero'), timeout=60).output)\n"
        "few = said(2 << 20); before = peak(); many = said(1000 << 20)\n"
        "print(few, many, peak() - before)"
    )
    done = process.run((sys.executable, "-c", script, str(tree)), cwd=REPOSITORY)
    few, many, grown = map(int, done.text.split())
    assert few == many < (1 << 20) + 100
    assert grown < 8 << 10, "kilobytes"


@pytest.mark.parametrize("kind", ["bubblewrap", "none"])
@pytest.mark.parametrize(("many", "cut"), [(9, False), (10, False), (11, True), (12, True)])
def test_output_is_cut_exactly_at_the_limit(tree: Path, kind: Kind, many: int, *, cut: bool) -> None:
    ran = run(Box(tree=tree, kind=kind), ("printf", "x" * many), timeout=30, output_limit=10)
    assert (ran.output.split(b"\n")[0], b"cut here" in ran.output) == (b"x" * min(many, 10), cut)


def test_a_fork_bomb_is_bounded(tree: Path) -> None:
    script = "i=0; while test $i -lt 100; do sleep 20 & i=$((i + 1)); done; echo all started"
    ran = sh(tree, script, processes=20)
    assert b"annot fork" in ran.output
    assert b"all started" not in ran.output
    assert (b"[gate] The limit of 20 processes was reached." in ran.output) == (ran.limits == "cgroup")


def test_memory_is_bounded(tree: Path) -> None:
    script = (
        "const kept = []; for (let i = 0; i < 100; i++) kept.push(Buffer.alloc(10 << 20, 1)); console.log('all kept')"
    )
    ran = run(Box(tree=tree, memory=256 << 20), ("node", "-e", script), timeout=60)
    assert not ran.ok
    assert b"all kept" not in ran.output


def test_a_file_that_is_too_large_is_refused(tree: Path) -> None:
    ran = sh(tree, "head -c 3000000 /dev/zero > big", file_size=1 << 20)
    assert not ran.ok
    assert (tree / "big").stat().st_size == 1 << 20


def test_its_temporary_folder_is_bounded(tree: Path) -> None:
    ran = sh(tree, "head -c 3000000 /dev/zero > ~/big", tmp=1 << 20)
    assert b"No space left on device" in ran.output


def test_many_files_that_fill_the_disk_end_it(tree: Path) -> None:
    script = "i=0; while :; do head -c 4000000 /dev/zero > $i; i=$((i + 1)); sync $i 2>/dev/null; done"
    ran = sh(tree, script, disk=20 << 20, timeout=60)
    assert ran.stopped == "It wrote more than 20971520 bytes to disk."
    assert not ran.ok
    assert ran.output.endswith(b"[gate] It wrote more than 20971520 bytes to disk.\n")


def test_others_who_fill_the_disk_do_not_end_it(tree: Path, tmp_path: Path) -> None:
    ask = limits.disk_watch(tree, 8 << 20)
    (tmp_path / "others").write_bytes(b"x" * (12 << 20))
    os.sync()
    assert ask() is None
    for number in range(50):  # others may free what these take
        (tree / str(number)).write_bytes(b"x" * (12 << 20))
        os.sync()
        if ask():
            return
    pytest.fail("600 MB were written and nobody minded")


def test_a_frozen_tree_can_be_written_in_its_scratch_folders_only(tree: Path) -> None:
    (tree / "site").mkdir()
    box = Box(tree=tree, at="/srv/current", cwd="site", frozen=True, scratch=("/srv/current/site/uploads",))
    ran = run(box, ("sh", "-c", "echo x > uploads/x && echo kept; echo x > y || echo refused"), timeout=30)
    assert ran.output.split()[0] == b"kept"
    assert ran.output.split()[-1] == b"refused"
    assert list((tree / "site" / "uploads").iterdir()) == []


def test_a_folder_that_is_not_there_is_the_gate_s_trouble(tree: Path) -> None:
    with pytest.raises(GateError) as caught:
        run(Box(tree=tree, read_only=("/no/such/folder",)), ("true",), timeout=30)
    assert caught.value.code == "GATE-505"
    assert "/no/such/folder" in caught.value.text


def test_a_missing_bubblewrap_names_the_command_that_installs_it(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GateError) as caught:
        run(Box(tree=tree), ("true",), timeout=30)
    assert (caught.value.code, caught.value.hints[0]) == ("GATE-505", "apt-get install bubblewrap util-linux")


def test_a_bubblewrap_that_is_replaced_is_asked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A door lives for months, and what it once heard must not outlive an upgrade."""
    program = tmp_path / "bwrap"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def install(*options: str) -> None:
        draft = tmp_path / "draft"
        draft.write_text(f"#!/bin/sh\necho called >>{tmp_path}/calls\necho {' '.join(options)}\n")
        draft.chmod(0o755)
        draft.rename(program)

    install("--size", "--json-status-fd")
    assert [box_module.system().bars_userns for _ in range(2)] == [False, False]
    assert (tmp_path / "calls").read_text() == "called\n"
    install("--size", "--json-status-fd", "--disable-userns")
    assert box_module.system().bars_userns
    install("--json-status-fd")
    with pytest.raises(GateError, match="too old"):
        box_module.system()


def test_a_cgroup_lives_as_long_as_its_run(tree: Path) -> None:
    with limits.bounded(limits.Limits(memory=1 << 30, processes=9, file_size=1)) as bounds:
        assert all(group.is_dir() for group in bounds.groups)
    assert not [group for group in bounds.groups if group.exists()]
    assert sh(tree, "true").limits == bounds.kind == ("cgroup" if bounds.groups else "rlimit")


@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [
        ("0::/a.slice/gate.service/librarian", "cpu memory pids", "a.slice/gate.service"),
        ("0::/a.slice/gate.service/librarian", "cpu", None),
        ("0::/", "memory pids", "."),
    ],
)
def test_with_cgroups_v2_groups_stand_beside_the_librarian_s_own(
    tmp_path: Path, own: str, given: str, expected: str | None
) -> None:
    place = tmp_path / (expected or "a.slice/gate.service")
    place.mkdir(parents=True, exist_ok=True)
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    (place / "cgroup.subtree_control").write_text(given)
    assert limits._places(f"{own}\n", tmp_path) == ((place,) if expected else ())  # noqa: SLF001


def test_without_a_sandbox_it_has_a_home_of_its_own_and_a_clean_environment(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE_SECRET", "hunter2")
    (tree / "sub").mkdir()
    ran = sh(tree, "pwd; echo $HOME; env", kind="none", cwd="sub", env={"PORT": "4101"})
    where, home, *lines = ran.output.decode().split("\n")
    assert where == str(tree / "sub")
    assert f"TMPDIR={home}" in lines
    assert "PORT=4101" in lines
    assert "hunter2" not in ran.output.decode()
    assert not Path(home).exists()


def test_without_a_sandbox_its_process_group_is_ended(tree: Path) -> None:
    for timeout, script in ((30.0, "sleep {0} & exit 4"), (0.5, "sleep {0} & sleep {0}")):
        mark = nap()
        ran = sh(tree, script.format(mark), kind="none", timeout=timeout)
        assert (ran.status == 4) != ran.timed_out
        until = time.monotonic() + 30
        while sleeping(mark) and time.monotonic() < until:  # killed, but nobody waits for them without a sandbox
            time.sleep(0.01)
        assert sleeping(mark) == []


def test_the_arguments_follow_from_the_values_alone() -> None:
    box = Box(tree=Path("/t"), at="/a", env={"K": "v"}, network=True)
    words = arguments(box, Wires(3, 4, 5, {}), System("/usr/bin/bwrap", bars_userns=False, links=(), folders=()))
    assert {"--unshare-all", "--unshare-user", "--die-with-parent", "--as-pid-1", "--clearenv"} < set(words)
    assert "--disable-userns" not in words
    assert "--share-net" not in words
    assert words[words.index("--block-fd") + 1] == "5"
    assert words[-3:] == ("--setenv", "K", "v")
    assert words[words.index("--chdir") + 1] == "/a"


@pytest.mark.skipif(os.getuid() != 0, reason="a plain user already")
def test_a_plain_user_is_served_as_well(tree: Path) -> None:
    """The system's own Python, since the tests' may live in a home; rlimits stand in for cgroups."""
    script = (
        "import sys; from pathlib import Path; from gatekeeper.verify.sandbox import Box, run\n"
        "tree = Path(sys.argv[1])\n"
        "bomb = 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do sleep 20 & done; echo all'\n"
        "a = run(Box(tree=tree, processes=10), ('sh', '-c', bomb), timeout=30)\n"
        "print(a.limits, b'annot fork' in a.output, b'all' in a.output)\n"
        "hog = 'x = bytearray(400 << 20); print(1)'\n"
        "b = run(Box(tree=tree, memory=200 << 20), ('/usr/bin/python3', '-c', hog), timeout=30)\n"
        "print(b.status, b'MemoryError' in b.output)\n"
        "print(run(Box(tree=tree), ('sh', '-c', 'id -u; echo x > y; unshare -U true'), timeout=30))\n"
    )
    if not Path(PYTHON).exists() or not all(folder.stat().st_mode & 0o5 == 0o5 for folder in REPOSITORY.parents):
        pytest.skip("another user cannot run this code here")
    tree.chmod(0o777)
    for folder in (tree.parent, tree.parent.parent, tree.parent.parent.parent):
        folder.chmod(0o755)
    user = ("setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups")
    done = process.run(
        (*user, *WITH_LIBRARIES, "-c", script, str(tree)), cwd=REPOSITORY, env={"PATH": os.environ["PATH"]}, merge=True
    )
    lines = done.text.splitlines()
    assert lines[:2] == ["rlimit True False", "1 True"], done.text
    assert "status=1" in lines[2]
    assert "65534" in lines[2]
