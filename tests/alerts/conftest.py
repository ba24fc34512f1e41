"""What the tests of alerts share: a server that hears them."""

from collections.abc import Iterator

import pytest

from .listener import Heard, listening


@pytest.fixture
def heard() -> Iterator[Heard]:
    with listening() as found:
        yield found
