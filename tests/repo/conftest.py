from collections.abc import Iterator
from pathlib import Path

import pytest

from gatekeeper.repo import lock as locks
from gatekeeper.repo.create import create
from gatekeeper.repo.git import Git
from gatekeeper.repo.lock import Lock


@pytest.fixture
def git(tmp_path: Path) -> Iterator[Git]:
    """An empty repository with the gate's settings."""
    with create(tmp_path / "repo.git") as git:
        yield git


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[Lock]:
    (tmp_path / "var").mkdir(exist_ok=True)
    with locks.hold(tmp_path) as held:
        yield held
