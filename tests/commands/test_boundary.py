"""How an error of the machine's ends a command: in words and with a code, as long as it is no bug of ours."""

import errno
import os

import pytest

from gatekeeper.commands.boundary import status_of
from gatekeeper.errors import Exit


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM])
def test_what_the_disk_does_not_do_is_503_and_no_bug(capsys: pytest.CaptureFixture[str], number: int) -> None:
    def command() -> None:
        raise OSError(number, os.strerror(number), "/srv/gate/var")

    assert status_of(command) == Exit.FAILED
    said = capsys.readouterr().err
    assert said.startswith(f"error: GATE-503 The disk does not do what it should: [Errno {number}] ")
    assert said.endswith("'/srv/gate/var'.\nhint: gatekeeper doctor\n")
