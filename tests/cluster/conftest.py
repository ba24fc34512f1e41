"""One gate and one crew of two honest workers for the tests of a file; whoever kills one hires another."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gatehouse import Gatehouse, build

from .crew import Crew, crew
from .site import Pipes


@pytest.fixture(scope="module")
def site() -> Iterator[Gatehouse]:
    with build(("web",)) as gate:
        yield gate


@pytest.fixture(scope="module")
def team(site: Gatehouse) -> Iterator[Crew]:
    with crew(site.root / "crew") as made:
        yield made


@pytest.fixture
def pipes(site: Gatehouse, request: pytest.FixtureRequest) -> Pipes:
    return Pipes(Path(site.root, f"pipes-{abs(hash(request.node.name))}"))
