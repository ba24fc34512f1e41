"""What a changed sites.toml changes, and that secrets are named only."""

import tomllib

from gatekeeper.config.changes import changes
from gatekeeper.config.load import from_tables
from gatekeeper.config.schema import Config

HEAD = '[sites.shop]\npath = "sites/shop"\nscript = "server.js"\n'
CHECK = '[[checks]]\nname = "unit"\nrun = ["node", "--test"]\nper_site = true\n'


def config(text: str) -> Config:
    return from_tables(tomllib.loads(text), file="sites.toml")


def lines(old: str, new: str) -> list[str]:
    return [change.line for change in changes(config(old), config(new))]


def test_only_what_differs_is_told() -> None:
    assert lines(HEAD, HEAD) == []
    assert lines(HEAD, HEAD + "instances = 2\n") == ["  sites.shop.instances: 1 -> 2"]
    assert lines(HEAD + 'env = { A = "1" }\n', HEAD + 'env = { B = "1" }\n') == [
        '- sites.shop.env.A = "1"',
        '+ sites.shop.env.B = "1"',
    ]


def test_a_check_goes_by_its_name() -> None:
    added = lines(HEAD, HEAD + CHECK)
    assert '+ checks[unit].run = ["node","--test"]' in added
    assert lines(HEAD + CHECK, HEAD + CHECK.replace('"--test"', '"--test", "x"')) == [
        '  checks[unit].run: ["node","--test"] -> ["node","--test","x"]'
    ]


def test_a_changed_secret_is_seen_to_change_and_not_shown() -> None:
    old, new = (HEAD + f'env = {{ API_TOKEN = "{value}" }}\n' for value in ("hunter2", "hunter3"))
    (line,) = lines(old, new)
    assert line.startswith("  sites.shop.env.API_TOKEN: ")
    assert "hunter" not in line
