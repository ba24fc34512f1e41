import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gatekeeper import process
from gatekeeper.errors import GateError
from gatekeeper.verify import own_user
from gatekeeper.verify.selftest import self_test

from .system import PYTHON, WITH_LIBRARIES

REPOSITORY = Path(__file__).parents[2]
NO_SANDBOX = f"""#!{PYTHON}
import os, subprocess, sys
if sys.argv[1:] == ["--help"]:
    print("--size --json-status-fd")
    sys.exit()
words = os.read(int(sys.argv[2]), 1 << 20).decode().split(chr(0))
status = subprocess.run(sys.argv[4:], cwd="/").returncode
os.write(int(words[words.index("--json-status-fd") + 1]), b'{{"exit-code": %d}}' % status)
"""


@pytest.fixture
def fake_bwrap(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where everybody gets at it: a job's own user starts it."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        yield Path(folder, "bwrap")


def test_the_sandbox_of_this_machine_holds() -> None:
    assert self_test() is None


def verdict_as(*user: str) -> str:
    """Return what the self-test says in the system's own Python, which every user can start."""
    script = "from gatekeeper.verify.selftest import self_test; print(self_test())"
    return process.run((*user, *WITH_LIBRARIES, "-c", script), cwd=REPOSITORY, merge=True).text


def test_one_that_does_not_hold_is_found_out(fake_bwrap: Path) -> None:
    """A user of its own is held back by that alone from what is the Librarian's, though not from the network."""
    fake_bwrap.write_text(NO_SANDBOX)
    fake_bwrap.chmod(0o755)
    said = verdict_as()
    for reach in ("a TCP port of this machine", "an abstract socket"):
        assert reach in said
    apart = own_user.available() is not None
    for reach in ("a socket file", "the Librarian itself"):
        assert (reach in said) != apart, said


@pytest.mark.skipif(os.getuid() != 0, reason="cannot become a user without sub-uids")
def test_one_that_runs_as_the_librarian_and_does_not_hold_is_found_out(fake_bwrap: Path) -> None:
    fake_bwrap.write_text(NO_SANDBOX)
    fake_bwrap.chmod(0o755)
    said = verdict_as("setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups")
    for reach in ("a TCP port of this machine", "a socket file", "a file of the Librarian's", "the Librarian itself"):
        assert reach in said


def test_one_that_cannot_make_a_box_says_what_to_do(fake_bwrap: Path) -> None:
    helpful = NO_SANDBOX.partition("words =")[0]
    fake_bwrap.write_text(helpful + "sys.exit('bwrap: setting up uid map: Permission denied')")
    fake_bwrap.chmod(0o755)
    with pytest.raises(GateError, match="setting up uid map: Permission denied") as caught:
        self_test()
    assert caught.value.code == "GATE-505"


def test_one_that_is_too_old_to_bound_its_memory_is_refused(fake_bwrap: Path) -> None:
    fake_bwrap.write_text("#!/bin/sh\necho --json-status-fd\n")
    fake_bwrap.chmod(0o755)
    with pytest.raises(GateError, match="too old"):
        self_test()


def test_a_killed_one_leaves_what_it_left_in_the_gate_s_own_folder(fake_bwrap: Path, tmp_path: Path) -> None:
    begun = fake_bwrap.with_name("begun")
    os.mkfifo(begun)
    begun.chmod(0o666)
    fake_bwrap.write_text(
        f"{NO_SANDBOX.partition('words =')[0]}open('{begun}', 'w').close()\nimport time; time.sleep(60)"
    )
    fake_bwrap.chmod(0o755)
    work, elsewhere = tmp_path / "work", tmp_path / "tmp"
    for folder in (work, elsewhere):
        folder.mkdir()
    script = (
        f"from pathlib import Path; from gatekeeper.verify.selftest import self_test; self_test(Path({str(work)!r}))"
    )
    env = {**os.environ, "TMPDIR": str(elsewhere)}
    librarian = subprocess.Popen([sys.executable, "-c", script], cwd=REPOSITORY, env=env)
    begun.read_text()
    librarian.kill()
    librarian.wait()
    assert [each.name.startswith("gate-self-test-") for each in work.iterdir()] == [True]
    assert list(elsewhere.iterdir()) == []
