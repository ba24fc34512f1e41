"""A machine of one's own as far as `gatekeeper setup` sees it: private /etc, /home and /run in a mount namespace.

Users that are made in it are nobody outside; their numbers lie where no other test's do.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import randbelow

import pytest
from enforced import ROOT, python

_ENTER = (
    "mount --bind {0}/etc /etc && mount --bind {0}/home /home && mount -t tmpfs run /run && echo in && exec sleep 3600"
)
_RANGES = {"SYS_UID": (0, 199), "SYS_GID": (0, 199), "UID": (200, 399), "GID": (200, 399)}
_WIDTH = 400
_DYING = """
import os, sys
from gatekeeper import fault
from gatekeeper.cli import main
left = int(sys.argv.pop(1))
def count(name):
    global left
    left -= name == "after setup: one action"
    if left < 0:
        os._exit(99)
fault.hook = count
main()
"""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Machine:
    """What is run on it finds its users; `python` is an installation of this gatekeeper that they all may run."""

    root: Path
    pid: int
    python: str

    def run(self, *argv: str, user: str | None = None, ok: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a program on the machine, as root or as one of its users."""
        done = subprocess.run(
            self.command(argv, user=user), cwd="/", env={"PATH": PATH}, capture_output=True, text=True, check=False
        )
        assert not ok or done.returncode == 0, (argv, done.stdout, done.stderr)
        return done

    def command(self, argv: Sequence[str], *, user: str | None = None) -> list[str]:
        """Return what runs a program on the machine."""
        become = ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--"] if user else []
        return ["nsenter", "-t", str(self.pid), "-m", "--", *become, *argv]

    def gate(
        self, home: Path, *args: str, user: str | None = None, ok: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run gatekeeper on the machine."""
        return self.run(self.python, "-P", "-m", "gatekeeper", "--gate", str(home), *args, user=user, ok=ok)

    def dying(self, after: int, home: Path, *args: str) -> bool:
        """Run gatekeeper as root and kill it right after its n-th action; return whether it came to that."""
        argv = (self.python, "-P", "-c", _DYING, str(after - 1), "--gate", str(home), *args)
        done = self.run(*argv, ok=False)
        assert done.returncode in (0, 99), done.stderr
        return done.returncode == 99

    def make_gate(self, name: str, toml: str) -> Path:
        """Make a gate in the advisory set-up, as root."""
        app, home = self.root / f"app-{name}", self.root / name
        (app / "sites" / "docs").mkdir(parents=True)
        (app / "sites" / "docs" / "index.html").write_text("hello\n")
        who = ("-c", "user.name=kim", "-c", "user.email=kim@agents.example")
        for argv in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "Start")):
            self.run("git", "-C", str(app), *who, *argv)
        self.gate(home, "init", str(home), "--from", str(app))
        (home / "sites.toml").write_text(toml)
        return home

    def lines(self, path: str) -> set[str]:
        """Return the lines of a file of this machine."""
        return set(self.run("cat", path).stdout.splitlines())


@contextmanager
def build() -> Iterator[Machine]:
    """Make the machine. It needs root."""
    if os.geteuid() != 0:
        pytest.skip("it needs root, to make users")
    interpreter = python()
    root = Path(tempfile.mkdtemp(prefix="gk-", dir="/tmp"))
    root.chmod(0o755)
    try:
        _furnish(root)
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER.format(root)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as inside:
            try:
                assert inside.stdout is not None
                assert inside.stdout.readline() == "in\n"
                yield Machine(root, inside.pid, _installed(root, interpreter))
            finally:
                inside.kill()
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _furnish(root: Path) -> None:
    shutil.copytree("/etc", root / "etc", symlinks=True)
    (root / "home").mkdir()
    defs = root / "etc" / "login.defs"
    start = 20_000 + _WIDTH * randbelow(50)
    numbers = {
        f"{name}_{end}": start + at
        for name, pair in _RANGES.items()
        for end, at in zip(("MIN", "MAX"), pair, strict=True)
    }
    text = re.sub(rf"(?m)^#?({'|'.join(numbers)})\s.*$", "", defs.read_text())
    defs.write_text(text + "".join(f"{name} {number}\n" for name, number in numbers.items()))


def _installed(root: Path, interpreter: str) -> str:
    """Install this checkout for all users: a virtual environment that points at it."""
    subprocess.run([interpreter, "-m", "venv", "--without-pip", str(root / "py")], check=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    place = root / "py" / "lib" / version / "site-packages" / "gatekeeper.pth"
    place.write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
    return str(root / "py" / "bin" / "python")
