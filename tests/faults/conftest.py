"""The gates that faults are tried on: live sites, and checks that take no time."""

from collections.abc import Iterator

import pytest
from gatehouse import Gatehouse

from faults.crash import clear, faulty_gate, start_again


@pytest.fixture(scope="module")
def struck() -> Iterator[Gatehouse]:
    with faulty_gate() as gate:
        yield gate


@pytest.fixture
def site_gate(struck: Gatehouse) -> Gatehouse:
    """The module's gate, at rest and with nothing open."""
    struck.home.sites_toml.write_text(struck.toml)
    clear(struck)
    start_again(struck)
    struck.told.clear()
    return struck
