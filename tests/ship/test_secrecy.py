"""What is secret is masked, in each form in which it may be written; what sites.toml says in the open is not."""

import json
from pathlib import Path

import pytest

from gatekeeper.config.schema import Config, Gate, Site
from gatekeeper.home import Home
from gatekeeper.ship import secrecy

TOML = '[sites.shop]\nenv = { NODE_ENV = "production" }\n'
CONFIG = Config(
    gate=Gate(alerts_file="var/alerts"), sites={"shop": Site(path="shop", script="x.js", env_file="var/env/shop")}
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    for folder in (home.var / "env", home.key.parent):
        folder.mkdir(parents=True)
    home.sites_toml.write_text(TOML)
    (home.var / "env" / "shop").write_text(
        "TOKEN=hunter2-of-shop\nQUOTED='a \"word\" & more'\nMODE=production\nPIN=1234\n"
    )
    (home.var / "alerts").write_text(
        "# not a secret line\nmailto://kim:mail-pass@mail.example.com/?to=ops&x=query-token level=error\n"
        "tgram://123456:bot-token/chat-4711\n"
    )
    home.key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----\n")
    return home


@pytest.mark.parametrize(
    "secret",
    [
        "hunter2-of-shop",
        'a "word" & more',
        json.dumps('a "word" & more')[1:-1],
        "a%20%22word%22%20%26%20more",
        "mail-pass",
        "query-token",
        "123456:bot-token",
        "chat-4711",
        "tgram://123456:bot-token/chat-4711",
        "b3BlbnNzaC1rZXk",
    ],
)
def test_a_secret_is_masked_wherever_it_stands(home: Home, secret: str) -> None:
    assert secrecy.known(home, CONFIG)(f"it said [{secret}], twice: {secret}") == (
        f"it said [{secrecy.MASK}], twice: {secrecy.MASK}"
    )


@pytest.mark.parametrize(
    "text",
    ["mode production, pin 1234", "mail.example.com", "-----BEGIN OPENSSH PRIVATE KEY-----", "mailto", "error"],
)
def test_what_is_public_or_too_short_stays(home: Home, text: str) -> None:
    assert secrecy.known(home, CONFIG)(text) == text


def test_one_secret_in_another_leaves_nothing_of_the_longer(home: Home) -> None:
    (home.var / "env" / "shop").write_text("SHORT=top-secret\nLONG=top-secret-word\n")
    assert secrecy.known(home, CONFIG)("top-secret-word") == secrecy.MASK


def test_files_that_are_missing_or_wrong_hide_nothing(tmp_path: Path) -> None:
    assert secrecy.known(Home(tmp_path), CONFIG)("as it is") == "as it is"
