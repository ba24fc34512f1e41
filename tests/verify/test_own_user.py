"""A user of its own for each job: as root, and as a plain user who has sub-uids."""

import contextlib
import os
import secrets
import select
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gatekeeper import process
from gatekeeper.model import Oid, SiteName, Version
from gatekeeper.sites.run import HealthCheck, SiteRun, Stamp
from gatekeeper.verify import own_user
from gatekeeper.verify.boot import BootSpec, boot
from gatekeeper.verify.box import Box
from gatekeeper.verify.sandbox import run

from .system import WITH_LIBRARIES

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(own_user.available() is None, reason="jobs cannot have users of their own here")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="users can be made by root only")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


@pytest.fixture
def plain() -> Iterator[tuple[str, Path]]:
    """A user with sub-uids, and a folder of its own that no other user may enter."""
    name = f"gk-{secrets.token_hex(4)}"
    ids = "2000000000-2000065535"
    process.run(("useradd", "--system", "--no-create-home", name))
    process.run(("usermod", "--add-subuids", ids, "--add-subgids", ids, name))
    try:
        with TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            home = Path(folder, "home")
            home.mkdir(mode=0o700)
            shutil.chown(home, name, name)
            yield name, home
    finally:
        process.run(("userdel", name))


def as_user(plain: tuple[str, Path], script: str) -> process.Done:
    """Run a script of ours in the system's own Python; `tree` is a folder in the user's home."""
    name, home = plain
    begin = (
        "from pathlib import Path; from gatekeeper.verify import limits, own_user; "
        f"from gatekeeper.verify.sandbox import Box, run; tree = Path({str(home)!r}, 'tree'); tree.mkdir(exist_ok=True)"
    )
    prefix = ("setpriv", "--reuid", name, "--regid", name, "--clear-groups")
    env = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return process.run((*prefix, *WITH_LIBRARIES, "-c", f"{begin}\n{script}"), cwd=REPOSITORY, env=env, merge=True)


def owners(marked: str) -> set[int]:
    """Return whom the kernel takes the processes with this mark in their command line for."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if marked.encode() in (folder / "cmdline").read_bytes():
                found.add(folder.stat().st_uid)
    return found


def fifo(path: Path) -> int:
    os.mkfifo(path)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def readable(fd: int) -> bool:
    ready = bool(select.select([fd], [], [], 30)[0])
    os.close(fd)
    return ready


def test_jobs_that_run_side_by_side_are_users_of_their_own(tmp_path: Path) -> None:
    """Each with a number that no account has, so that no other counts for its limits, or may end it."""
    cancel, marks = process.Cancel(), [f"1{secrets.randbelow(10**8):08d}" for _ in range(2)]
    trees = [tmp_path / mark for mark in marks]
    begun = []
    for tree in trees:
        tree.mkdir()
        begun.append(fifo(tree / "begun"))
    with own_user_jobs(trees, marks, cancel):
        assert all(readable(each) for each in begun)
        mine = [owners(mark) for mark in marks]
        cancel.throw()
    cancel.close()
    (first,), (second,) = mine
    assert first != second
    assert not {first, second} & {0, 65534, os.getuid()}


@contextlib.contextmanager
def own_user_jobs(trees: list[Path], marks: list[str], cancel: process.Cancel) -> Iterator[None]:
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(
                run, Box(tree=tree), ("sh", "-c", f"echo > begun; exec sleep {mark}"), timeout=60, cancel=cancel
            )
            for tree, mark in zip(trees, marks, strict=True)
        ]
        yield
        assert all(job.result().cancelled and job.result().own_user for job in jobs)


def test_all_that_it_left_in_its_tree_comes_back(tree: Path) -> None:
    (tree / "given").mkdir(mode=0o700)
    script = "touch given/x; mkdir closed; echo y >closed/y; ln -s /etc/passwd link; chmod 4755 given/x; chmod 0 closed"
    assert run(Box(tree=tree), ("sh", "-c", script), timeout=30).ok
    left = (tree, *tree.rglob("*"))
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in left} == {(os.getuid(), os.getgid())}
    assert Path("/etc/passwd").stat().st_uid == 0
    assert (tree / "given" / "x").stat().st_mode & 0o7777 == 0o755, "setuid would now be the Librarian's"


def test_it_can_open_what_it_prints_to(tree: Path) -> None:
    ran = run(Box(tree=tree), ("sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr"), timeout=30)
    assert ran.output == b"out\nerr\n"


def test_what_lies_in_closed_folders_is_lent_all_the_same(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "a file").write_text("lent\n")
    tmp_path.chmod(0o700)
    places = (str(tmp_path / "tools"), str(tmp_path / "tools" / "a file"))
    ran = run(Box(tree=tree, read_only=places), ("cat", places[1]), timeout=30)
    assert ran.output == b"lent\n"


def test_what_is_the_librarian_s_alone_stays_closed(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "key").touch(0o600)
    ran = run(
        Box(tree=tree, read_only=(str(tmp_path / "tools"),)), ("cat", str(tmp_path / "tools" / "key")), timeout=30
    )
    assert b"Permission denied" in ran.output


@as_root
def test_a_plain_user_with_sub_uids_has_the_same(plain: tuple[str, Path]) -> None:
    """Its tree in a folder that only it may enter; back in its own hands afterwards; bounded, with a network, ended."""
    script = """
look = "cat /proc/self/uid_map; mkdir -m 700 closed; echo x >closed/x; echo err >/dev/stderr"
ran = run(Box(tree=tree), ("sh", "-c", look), timeout=30)
print(ran.own_user, ran.status, b"err" in ran.output, (tree / "closed" / "x").read_text().strip())
fill = "mkdir -m 700 hidden; cd hidden; i=0; while :; do head -c 4000000 /dev/zero >$i; i=$((i + 1)); sync $i; done"
print(run(Box(tree=tree, disk=20 << 20), ("sh", "-c", fill), timeout=60).stopped)
print(run(Box(tree=tree, network=True), ("ip", "-br", "-4", "address"), timeout=30).output.decode())
print(run(Box(tree=tree), ("sh", "-c", "setsid sleep 60 & sleep 60"), timeout=1).timed_out)
"""
    said = as_user(plain, script).text.splitlines()
    assert said[0] == "True 0 True x", said
    assert said[1] == "It wrote more than 20971520 bytes to disk."
    assert any("10.0.2.100/24" in line for line in said)
    assert said[-1] == "True"


@as_root
def test_a_folder_that_is_closed_to_the_librarian_is_no_place_to_hide(plain: tuple[str, Path]) -> None:
    """Below four times the limit the tree itself is measured, as its owner sees it."""
    script = """
with own_user.lent(tree) as own:
    ask = limits.disk_watch(tree, 1 << 20)
    import subprocess
    write = "mkdir -m 700 hidden; head -c 3000000 /dev/zero >hidden/x; sync hidden/x"
    hide = f"{write}; chown -R {own.uid}:{own.uid} hidden"
    subprocess.run((*own.users.enter, "sh", "-c", hide), cwd=tree, check=True)
    print((tree / "hidden").stat().st_uid != own.uid, ask())
"""
    assert as_user(plain, script).text == "True It wrote more than 1048576 bytes to disk."


@as_root
def test_what_a_killed_librarian_left_can_be_removed(plain: tuple[str, Path]) -> None:
    name, home = plain
    (home / "tree").mkdir()
    begun = fifo(home / "tree" / "begun")
    for path in (home / "tree", home / "tree" / "begun"):
        shutil.chown(path, name, name)
    script = (
        "from pathlib import Path; from gatekeeper.verify.sandbox import Box, run; "
        f"tree = Path({str(home / 'tree')!r}); "
        "run(Box(tree=tree), ('sh', '-c', 'mkdir -m 700 x; echo > begun; sleep 1000'), timeout=60)"
    )
    prefix = ("setpriv", "--reuid", name, "--regid", name, "--clear-groups")
    librarian = subprocess.Popen((*prefix, *WITH_LIBRARIES, "-c", script), cwd=REPOSITORY)
    assert readable(begun)
    librarian.kill()
    librarian.wait()
    assert (home / "tree" / "x").stat().st_uid > 65535
    left = "own_user.take_back(tree); import shutil; shutil.rmtree(tree); print(tree.exists())"
    assert as_user(plain, left).text == "False"


@as_root
def test_one_without_sub_uids_runs_jobs_as_itself_and_says_so(tmp_path: Path) -> None:
    with TemporaryDirectory() as folder:
        shutil.chown(folder, 54321, 54321)
        script = (
            "import sys; from pathlib import Path; from gatekeeper.verify.sandbox import Box, run; "
            "print(run(Box(tree=Path(sys.argv[1])), ('true',), timeout=30).own_user)"
        )
        prefix = ("setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups")
        done = process.run((*prefix, *WITH_LIBRARIES, "-c", script, folder), cwd=REPOSITORY, merge=True)
    assert done.text == "False"


def test_who_asks_a_booted_site_is_its_user_too(tree: Path) -> None:
    """It reads what an agent's program sends; the two are found while the one waits for the other."""
    (tree / "server.js").write_text(
        "require('http').createServer(() => require('fs').writeFileSync('asked', 'x')).listen(4101, '127.0.0.1')"
    )
    asked, mark = fifo(tree / "asked"), f"--mark-{secrets.token_hex(4)}"
    check = HealthCheck(f"http://127.0.0.1:4101/{mark}")
    site = SiteRun(SiteName("shop"), Path("/srv"), Path("/srv/server.js"), args=(mark,), health=check, health_timeout=2)
    spec = BootSpec(site=site, stamp=Stamp(Version("v1.0.0"), Oid("a" * 40)), tree=tree, at="/srv")
    with ThreadPoolExecutor(1) as pool:
        booted = pool.submit(boot, spec)
        assert readable(asked)
        both = owners(mark)
        assert not booted.result().passed
    assert len(both) == 1
    assert os.getuid() not in both
