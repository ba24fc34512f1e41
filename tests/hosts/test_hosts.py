"""Six sites on three hosts: shipped, failed, rolled back as one, and each loss of a host."""

from collections.abc import Iterator

import pytest

from hosts.machines import Farm, farm

WHERE = {"one": "web1", "two": "web2", "three": "web3"}


@pytest.fixture(scope="module")
def hosts() -> Iterator[Farm]:
    with farm(WHERE) as made:
        yield made


def test_a_ship_reaches_every_host(hosts: Farm) -> None:
    gate = hosts.gate
    assert hosts.versions() == {"v0.1.0"}
    gate.clone().request("first", {"sites/one/page.txt": "one, changed\n"})
    gate.tick()
    assert gate.result("first").state == "shipped", gate.told
    assert hosts.versions() == {gate.version}
    assert hosts.answers()["one"]["text"] == "one, changed"
