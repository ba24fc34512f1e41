"""What a door is told of agents without parsing sites.toml is, at every moment, what parsing it would say."""

import json
import os
from pathlib import Path

import pytest

from gatekeeper.config import standing
from gatekeeper.doors import visitor
from gatekeeper.doors.visitor import Listed
from gatekeeper.home import Home
from gatekeeper.repo.create import create

SITE = '[sites.docs]\npath = "docs"\nmode = "static"\n'
ONE = '[agents.one]\nowner = "kim"\nunix_user = "agent-a"\n'
TWO = '[agents.two]\nowner = "kim"\nrole = "operator"\n'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.var.mkdir(mode=0o700)
    (tmp_path / "keys").mkdir()
    with create(home.repo) as git:
        git.run("symbolic-ref", "HEAD", "refs/heads/release")
    home.sites_toml.write_text(SITE + ONE)
    return home


def parsed(home: Home) -> dict[str, Listed]:
    return {name: Listed(agent.role, agent.unix_user) for name, agent in visitor.in_force(home).agents.items()}


def forbid_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Home) -> None:
        raise AssertionError("it was parsed")

    monkeypatch.setattr(visitor, "in_force", refuse)


def test_every_change_counts_at_once(home: Home) -> None:
    for text in (SITE + ONE, SITE + ONE + TWO, SITE + TWO, SITE + TWO.replace("operator", "agent"), SITE):
        home.sites_toml.write_text(text)
        assert visitor.listed(home) == parsed(home)
        assert visitor.listed(home) == parsed(home), "the second time the policy says it"


def test_an_invalid_file_lets_nobody_back_in(home: Home) -> None:
    home.sites_toml.write_text(SITE + ONE + TWO)
    visitor.listed(home)
    home.sites_toml.write_text(SITE + TWO)
    assert visitor.listed(home).keys() == {"two"}
    home.applied_toml.write_text(SITE + ONE + TWO)
    home.sites_toml.write_text("[gate\n")
    assert visitor.listed(home) == parsed(home)
    assert visitor.listed(home).keys() == {"two"}


def test_an_unchanged_file_is_not_parsed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = parsed(home)
    forbid_parsing(monkeypatch)
    assert visitor.listed(home) == expected == {"one": Listed("agent", "agent-a")}


@pytest.mark.parametrize("key", ["gatekeeper", "source", "mode", "users"])
def test_a_policy_of_another_moment_is_not_believed(home: Home, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    visitor.listed(home)
    file = home.var / "policy.json"
    policy = json.loads(file.read_bytes())
    changed = {**policy, key: "another"} if key != "users" else {k: v for k, v in policy.items() if k != key}
    file.write_text(json.dumps(changed))
    forbid_parsing(monkeypatch)
    with pytest.raises(AssertionError, match="parsed"):
        visitor.listed(home)


def test_another_set_up_is_noticed_though_no_file_changed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Librarian's own user becomes an agent's when somebody gives that name to it."""
    monkeypatch.setattr(os, "geteuid", lambda: home.path.stat().st_uid or 4711)
    monkeypatch.setattr(standing, "_ownership", lambda *_: ())
    monkeypatch.setattr(standing, "_set_up", lambda *_: ())
    visitor.listed(home)
    assert json.loads((home.var / "policy.json").read_bytes())["mode"] == "enforced"
    monkeypatch.setattr(standing, "uid_of", lambda _: os.geteuid())
    visitor.listed(home)
    assert json.loads((home.var / "policy.json").read_bytes())["mode"] == "advisory"
