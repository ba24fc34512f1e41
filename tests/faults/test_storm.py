"""SIGKILL at random moments of the Librarian, of pm2, of sites and of pushes; the invariant after each."""

import pytest
from gatehouse import Gatehouse

from faults.storm import Storm


def test_nothing_is_lost_in_a_storm(struck: Gatehouse, request: pytest.FixtureRequest) -> None:
    storm = Storm(struck, request.config.getoption("--seed"))
    for _ in storm.rage(200 if request.config.getoption("--full") else 5):
        pass
    lines = storm.tally.lines(struck)
    print("\n".join(lines))  # noqa: T201
    assert lines[1].endswith("; lost 0")
