import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import World


@pytest.fixture
def world() -> Iterator[World]:
    made = World(Path(tempfile.mkdtemp(prefix="gk-", dir="/tmp")))
    yield made
    made.close()
