import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from gatehouse import Gatehouse, build

from audit.history import History, live_through


@pytest.fixture(scope="session")
def lived() -> Iterator[Gatehouse]:
    """A gate that has a past; it is only looked at."""
    with build(("shop", "web")) as gate:
        live_through(gate)
        yield gate


@pytest.fixture(scope="session")
def past(lived: Gatehouse, tmp_path_factory: pytest.TempPathFactory) -> History:
    """Its repository and keys, for all tests."""
    folder = tmp_path_factory.mktemp("past") / "gate"
    folder.mkdir()
    for name in ("repo.git", "keys"):
        shutil.copytree(lived.home.path / name, folder / name)
    return History(folder)


@pytest.fixture
def history(past: History, tmp_path: Path) -> History:
    """A copy for one test to tamper with."""
    return past.copy(tmp_path / "gate")
