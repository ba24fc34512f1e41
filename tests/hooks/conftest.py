"""Fixtures of the doorway."""

from pathlib import Path

import pytest

from hooks.doorway import Clone, Door, live_door


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return live_door(tmp_path)


@pytest.fixture
def clone(door: Door) -> Clone:
    return door.clone("work")
