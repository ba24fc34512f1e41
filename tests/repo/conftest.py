from collections.abc import Iterator
from pathlib import Path

import pytest

from gatekeeper.repo import lock as locks
from gatekeeper.repo.lock import Lock


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[Lock]:
    (tmp_path / "var").mkdir(exist_ok=True)
    with locks.hold(tmp_path) as held:
        yield held
