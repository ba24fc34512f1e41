"""SIGKILL at random moments of the Librarian, of pm2, of sites and of pushes; the invariant after each."""

import pytest
from gatehouse import Gatehouse

from faults.storm import Storm


def test_nothing_is_lost_in_a_storm(struck: Gatehouse, request: pytest.FixtureRequest) -> None:
    storm = Storm(struck, request.config.getoption("--seed"))
    for number in range(200 if request.config.getoption("--full") else 6):
        storm.blow(number)
    print("\n".join(storm.tally.lines(struck)))  # noqa: T201
