from pathlib import Path

import pytest
from msgspec.structs import replace

from gatekeeper.model import SiteName
from gatekeeper.sites.run import HealthCheck, SiteRun

RUN = SiteRun(name=SiteName("shop"), cwd=Path("/g/current/shop"), script=Path("/g/current/shop/a.js"))


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://127.0.0.1:4101/health", 4101),
        ("http://127.8.0.1/", 80),
        ("https://localhost/", 443),
        ("http://[::1]:81/", 81),
        ("http://shop.example:4101/", None),
        ("http://10.127.0.1:4101/", None),
    ],
)
def test_only_a_loopback_address_says_which_port_is_ours(url: str, port: int | None) -> None:
    assert HealthCheck(url).local_port == port


def test_a_site_claims_the_port_it_is_told_and_the_one_it_is_asked_on() -> None:
    run = replace(RUN, env={"PORT": "4101"}, health=HealthCheck("http://127.0.0.1:4102/"))
    assert run.ports == {4101, 4102}
    assert replace(run, mode="static").ports == frozenset()
    assert replace(RUN, env={"PORT": "pipe:shop"}).ports == frozenset()
