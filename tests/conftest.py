"""The fixtures that whole-gate tests share. Each gate has a pm2 daemon of its own, ended by process id."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from gatehouse import Gatehouse, build
from hypothesis import HealthCheck, settings

Opener = Callable[..., Gatehouse]

settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


@pytest.fixture(scope="module")
def shared() -> Iterator[Gatehouse]:
    """Three live sites, for all the tests of one file: each leaves the queue empty."""
    with build() as gate:
        gate.tick()
        yield gate


@pytest.fixture
def gate(shared: Gatehouse) -> Gatehouse:
    """The shared gate with an empty queue, thawed, and with the sites.toml it was made with."""
    shared.tidy()
    return shared


@pytest.fixture
def opener() -> Iterator[Opener]:
    """Makes a gate for one test alone."""
    with ExitStack() as stack:

        def make(*args: Any, **options: Any) -> Gatehouse:
            return stack.enter_context(build(*args, **options))

        yield make


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a person ask for every fault there is, and for other ones than yesterday."""
    parser.addoption("--full", action="store_true", help="every kill of the crash matrix, 200 blows of the storm")
    parser.addoption("--seed", type=int, default=4, help="which kills the crash matrix samples, and the storm's seed")
