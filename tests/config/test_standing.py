"""When a gate may be called enforced: each fact by itself takes the word away."""

import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest

from gatekeeper.config import standing
from gatekeeper.config.schema import Agent, Config, Site
from gatekeeper.home import Home

NOBODY = pwd.getpwnam("nobody")
US = NOBODY.pw_uid if os.getuid() == 0 else os.getuid()
OURS = pwd.getpwuid(US).pw_name
STATIC = Site(path="docs", mode="static")
GOOD = Config(agents={"one": Agent(owner="kim", unix_user="root")}, sites={"docs": STATIC})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "gate")
    for place in (home.path, home.repo, home.var, home.key.parent):
        place.mkdir(mode=0o700)
        os.chown(place, US, -1)
    home.path.chmod(0o711)
    home.setup_record.write_text(json.dumps({"v": 1, "name": "gate"}))
    return home


def test_with_every_fact(home: Home) -> None:
    assert standing.shortfalls(home, GOOD, uid=US) == ()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda home: home.setup_record.unlink(), "has not made it"),
        (lambda home: home.setup_record.write_text('{"v": 2}'), "does not know"),
        (lambda home: home.setup_record.write_text("["), "does not know"),
        (lambda home: home.path.chmod(0o775), "open to other users (mode 0775)"),
        (lambda home: home.repo.chmod(0o710), "repo.git is open"),
        (lambda home: home.var.chmod(0o701), "var is open"),
        (lambda home: home.key.parent.chmod(0o750), "keys is open"),
        (lambda home: home.key.parent.rmdir(), "cannot be looked at"),
    ],
)
def test_without_one_of_the_disks(home: Home, spoil: Callable[[Home], None], said: str) -> None:
    spoil(home)
    (problem,) = standing.shortfalls(home, GOOD, uid=US)
    assert said in problem


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (Config(agents={"one": Agent(owner="kim", unix_user=OURS)}), "The agent one is the Librarian's own user"),
        (Config(sites={"shop": Site(path="shop", script="s.js")}), "The site shop has no `user`"),
        (Config(sites={"shop": Site(path="shop", script="s.js", user=OURS)}), "runs as the Librarian's own user"),
    ],
)
def test_without_one_of_the_files(home: Home, config: Config, said: str) -> None:
    (problem,) = standing.shortfalls(home, config, uid=US)
    assert said in problem


def test_a_folder_of_somebody_elses(home: Home) -> None:
    problems = standing.shortfalls(home, GOOD, uid=US + 1)
    assert len(problems) == 4
    assert all("does not belong to" in problem for problem in problems)


def test_root_is_never_enforced(home: Home) -> None:
    assert standing.shortfalls(home, GOOD, uid=0) == ("The Librarian runs as root.",)
    if os.geteuid() == 0:
        assert standing.mode(home, GOOD) == "advisory"


def test_without_a_sites_toml(home: Home) -> None:
    assert standing.shortfalls(home, uid=US) == ("There is no valid sites.toml.",)
    home.sites_toml.write_text('[sites.docs]\npath = "docs"\nmode = "static"\n')
    assert standing.shortfalls(home, uid=US) == ()
    home.sites_toml.write_text("[gate\n")
    home.applied_toml.write_text('[sites.shop]\npath = "shop"\nscript = "s.js"\n')
    assert "no `user`" in standing.shortfalls(home, uid=US)[0]
