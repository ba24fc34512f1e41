"""Homes that earlier versions wrote, each unpacked where it can be worked on."""

import os
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from gatehouse import Gatehouse

OLD_HOMES = sorted(Path(__file__).parent.glob("home-*.tar.xz"))


def unpacked(archive: Path, root: Path) -> Gatehouse:
    """Unpack a home, with the paths that it has where it lies now."""
    with tarfile.open(archive) as tar:
        tar.extractall(root, filter="data")
    home = root / "gate"
    for name in ("var/live.json", "repo.git/config"):
        path = home / name
        path.write_text(path.read_text().replace("/srv/gate", str(home)))
    for name in ("pre-receive", "post-receive"):
        hook = home / "repo.git" / "hooks" / name
        hook.write_text(hook.read_text().replace("#!/usr/bin/python3", f"#!{sys.executable}"))
        hook.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GATE"))}
    return Gatehouse(root, {}, env | {"HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"})


@pytest.fixture
def old(request: pytest.FixtureRequest) -> Iterator[Gatehouse]:
    """Return a gate as an earlier version left it; the first that lies here unless a test names another."""
    with ExitStack() as stack:
        root = Path(tempfile.mkdtemp(prefix="gk-", dir="/tmp"))
        gate = unpacked(getattr(request, "param", OLD_HOMES[0]), root)
        stack.callback(gate.close)
        yield gate
