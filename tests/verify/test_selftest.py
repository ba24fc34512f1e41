import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatekeeper.errors import GateError
from gatekeeper.verify.box import system
from gatekeeper.verify.selftest import self_test

NO_SANDBOX = f"""#!{sys.executable}
import os, subprocess, sys
if sys.argv[1:] == ["--help"]:
    print("--size --json-status-fd")
    sys.exit()
words = os.read(int(sys.argv[2]), 1 << 20).decode().split(chr(0))
status = subprocess.run(sys.argv[4:], cwd="/").returncode
os.write(int(words[words.index("--json-status-fd") + 1]), b'{{"exit-code": %d}}' % status)
"""


@pytest.fixture
def fake_bwrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    system.cache_clear()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    yield tmp_path / "bwrap"
    system.cache_clear()


def test_the_sandbox_of_this_machine_holds() -> None:
    assert self_test() is None


def test_one_that_does_not_hold_is_found_out(fake_bwrap: Path) -> None:
    fake_bwrap.write_text(NO_SANDBOX)
    fake_bwrap.chmod(0o755)
    said = self_test()
    assert said is not None
    for reach in ("a TCP port of this machine", "a socket file", "an abstract socket", "a file of the Librarian's"):
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
