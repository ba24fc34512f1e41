"""Fixtures of the doorway: built once, copied for each test."""

from pathlib import Path

import pytest

from hooks.doorway import Clone, Door, build, copied


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    build(folder)
    return folder


@pytest.fixture
def both(built: Path, tmp_path: Path) -> tuple[Door, Clone]:
    return copied(built, tmp_path)


@pytest.fixture
def door(both: tuple[Door, Clone]) -> Door:
    return both[0]


@pytest.fixture
def clone(both: tuple[Door, Clone]) -> Clone:
    return both[1]
