"""Every finding of the doctor, from facts that were changed in one place."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gatekeeper.config.load import from_tables
from gatekeeper.config.schema import Config
from gatekeeper.doctor.finding import Facts, Finding, Level, Programs, Reach
from gatekeeper.doctor.judge import CHECKS, examine
from gatekeeper.doctor.people import may_connect
from gatekeeper.home import Home
from gatekeeper.setup.facts import Account, Running, Seen

TOML = """
[sites.docs]
path = "sites/docs"
mode = "static"
[sites.shop]
path = "sites/shop"
script = "server.js"
user = "site-shop"
env_file = "var/env/shop"
[agents.codex-1]
owner = "kim"
unix_user = "agent-a"
"""
HOME = Home(Path("/srv/gate"))
GATE, AGENT, SITE = 990, 1001, 991
ENV, ALERTS, PM2 = HOME.var / "env" / "shop", HOME.var / "alerts", HOME.var / "pm2"
NOW = 1_800_000_000.0


def config(toml: str = TOML) -> Config:
    return from_tables(tomllib.loads(toml), file="sites.toml")


def seen(mode: int, uid: int = GATE) -> Seen:
    return Seen(uid, uid, mode, link=False)


def reach(*chain: Seen) -> Reach:
    return Reach(PM2 / "rpc.sock", chain)


PLACES = {HOME.path: seen(0o711), HOME.repo: seen(0o700), HOME.var: seen(0o700), HOME.key.parent: seen(0o700)}
PLACES |= {
    HOME.key: seen(0o600),
    HOME.sites_toml: seen(0o644),
    HOME.www: seen(0o755),
    ENV: seen(0o600),
    ALERTS: seen(0o600),
}
PROGRAMS = Programs({"git": "2.39.5", "node": "v20.1.0", "pm2": "7.0.4"}, (), None, own_users=True)
WELL = Facts(
    home=HOME,
    config=config(),
    now=NOW,
    config_problem=None,
    set_up="gate",
    shortfalls=(),
    todo=(),
    programs=PROGRAMS,
    hooks=(),
    settings=(),
    seen=PLACES,
    owner=Account(GATE, GATE, "/srv/gate", ""),
    owner_uid=GATE,
    above={Path("/srv"): seen(0o755, 0), Path("/"): seen(0o755, 0)},
    addressees=1,
    alert_problems=(),
    space=None,
    free=1 << 40,
    librarian=Running(77, GATE),
    last_beat=NOW - 60,
    next_beat=NOW + 840,
    hosts={"web2": None},
    stewards={"shop": None},
    door=None,
    systemd=True,
    kernel={"fs.protected_symlinks": "1", "fs.protected_hardlinks": "1"},
    users={"agent-a": Account(AGENT, AGENT, "/home/agent-a", ""), "gatekeeper": Account(GATE, GATE, "/srv/gate", "")},
    groups={"agent-a": frozenset({"agent-a"})},
    gids={"agent-a": frozenset({AGENT})},
    reaches=(reach(seen(0o711), seen(0o700), seen(0o775)),),
    keys_differ=False,
)


def on(executor: str, more: str = "") -> Config:
    return config(f'[verify]\nexecutor = "{executor}"\n{more}\n{TOML}')


TLS = ("tls://10.0.0.5:8786", 'tls_ca = "var/ca"\ntls_cert = "var/ca"\ntls_key = "var/key"')
KEY = HOME.var / "key"


def found(facts: Facts, level: Level) -> list[Finding]:
    return [finding for finding in examine(facts) if finding.level is level]


def test_a_healthy_gate_has_one_fine_line_a_check() -> None:
    whole = replace(WELL, config=on("tcp://127.0.0.1:8786"))
    assert [finding.level for finding in examine(whole)] == [Level.FINE] * sum(check.applies(whole) for check in CHECKS)
    assert [check.about for check in CHECKS if not check.applies(whole)] == ["engine"]
    assert any("git 2.39.5, node v20.1.0, pm2 7.0.4" in finding.text for finding in examine(WELL))


def places(changed: dict[Path, Seen | None]) -> dict[str, Any]:
    return {"seen": {path: one for path, one in {**PLACES, **changed}.items() if one is not None}}


def programs(**versions: str | None) -> dict[str, Any]:
    return {"programs": replace(PROGRAMS, versions={**PROGRAMS.versions, **versions})}


WRONG: list[tuple[dict[str, Any], str, str]] = [
    (
        {"hosts": {"web2": 'Host "web2" cannot be reached: it said nothing for 12 seconds.'}},
        "web2",
        "gatekeeper --gate /srv/gate host add web2",
    ),
    ({"shortfalls": ("The Librarian runs as root.",)}, "is advisory now. The Librarian runs as root", "setup --apply"),
    ({"todo": ("user site-shop",)}, "Not as setup made it: user site-shop", "sudo gatekeeper --gate /srv/gate setup"),
    ({"todo": ("x",), "set_up": "two"}, "Not as setup made it", "setup --name two --apply"),
    ({"config_problem": "bad"}, "sites.toml is not valid, so the last valid one is in force", "config check"),
    ({"config_problem": "bad", "config": Config()}, "and none was before it: nothing ships", "config check"),
    (places({HOME.key: None}), "signing key is gone", "from a backup"),
    ({"programs": replace(PROGRAMS, missing=("uidmap",))}, "Missing: uidmap.", "apt-get install"),
    (programs(git="2.30.2"), "git is 2.30.2; 2.38 or newer", "apt-get install git"),
    (programs(git=None), "git is not there", "apt-get install git"),
    (programs(node=None), "node is not there", "apt-get install nodejs"),
    (programs(pm2="5.4.2"), "pm2 is 5.4.2; 7.0.4 or newer", "npm install --global pm2@latest"),
    ({"programs": replace(PROGRAMS, sandbox="The sandbox does not hold.")}, "does not hold", "bubblewrap"),
    ({"programs": replace(PROGRAMS, own_users=False)}, "Checks run as the Librarian's own Unix user", "uidmap && sudo"),
    ({"hooks": ("pre-receive was altered",)}, "Hooks: pre-receive was altered.", "repair"),
    ({"settings": ("receive.hiderefs",)}, "setting receive.hiderefs was changed", "repair"),
    (places({HOME.var: seen(0o755)}), "/srv/gate/var is open to other users (mode 0755)", "chmod go-rwx /srv/gate/var"),
    (places({HOME.repo: seen(0o700, 0)}), "repo.git does not belong to the owner", "chown 990:990 /srv/gate/repo.git"),
    (places({HOME.path: seen(0o777)}), "/srv/gate is open", "chmod go-w /srv/gate"),
    (places({HOME.sites_toml: seen(0o664)}), "sites.toml is open", "chmod go-w"),
    (places({HOME.key: seen(0o644)}), "keys/librarian is open", "chmod 0600 /srv/gate/keys/librarian"),
    (places({ENV: seen(0o640)}), "var/env/shop is open", "chmod 0600 /srv/gate/var/env/shop"),
    (places({ALERTS: seen(0o644)}), "var/alerts is open", "chmod 0600"),
    ({"alert_problems": ("var/alerts, line 2: level is one of info.",)}, "line 2: level is one of", "alert test"),
    ({"config": on("tcp://10.0.0.5:8786")}, "Whoever reaches tcp://10.0.0.5:8786 can run code", "a tls:// executor"),
    ({"config": on("tcp://127.0.0.1:8786"), "extra": "It needs Dask."}, "It needs Dask.", "pip install"),
    ({"config": on("tcp://127.0.0.1:8786"), "cluster": ("GATE-504 It is away.",)}, "GATE-504 It is away.", "tick"),
    ({"config": on(*TLS)} | places({KEY: seen(0o600)}), "/srv/gate/var/ca is not there", "Certificates"),
    ({"config": on(*TLS)} | places({KEY: seen(0o640)}), "var/key is open", "chmod 0600 /srv/gate/var/key"),
    (places({ENV: None}), 'env_file of site "shop" is not there', "install -m 0600"),
    ({"above": {Path("/srv"): seen(0o777, 0)}}, "Others may write to /srv", "chmod go-w /srv"),
    ({"free": 5 << 20}, "5 MiB are free, fewer than limits.free_disk (1024 MiB)", "du -xh"),
    ({"librarian": None}, "No Librarian runs", "systemctl restart gatekeeper-gate.service"),
    ({"librarian": None, "systemd": False}, "No Librarian runs", "prints how `run` is started"),
    ({"librarian": Running(77, 0)}, "process 77) does not run as the owner", "kill 77"),
    ({"next_beat": NOW - 600}, "10 minutes late (GATE-506)", "systemctl restart"),
    ({"last_beat": NOW + 600}, "the clock was set back", "timedatectl"),
    ({"stewards": {"shop": "Connection refused"}}, 'site "shop" cannot be reached: Connection refused', "-site-shop"),
    ({"door": "No such file"}, "Nobody opens the local door: No such file", "gatekeeper-gate-door.service"),
    (
        {"home": Home(Path("/srv/" + "a" * 99)), "seen": {}, "config": config(TOML.replace("env_file", "# "))},
        "longer than",
        "shorter",
    ),
    ({"users": {"agent-a": Account(GATE, GATE, "", "")}}, "agent-a, which is the Librarian's own user", "unix_user ="),
    ({"users": {"agent-a": Account(0, 0, "", "")}}, "agent-a, which is root", "unix_user ="),
    ({"groups": {"agent-a": frozenset({"docker"})}}, "in the group docker", "gpasswd --delete agent-a docker"),
    ({"groups": {"agent-a": frozenset({"lxd"})}}, "in the group lxd", "gpasswd --delete agent-a lxd"),
    ({"keys_differ": True}, "authorized_keys does not hold", "tick"),
    ({"reaches": (reach(seen(0o755), seen(0o777)),)}, "can connect to /srv/gate/var/pm2/rpc.sock", "chmod go-rwx"),
    ({"kernel": {"fs.protected_symlinks": "0"}}, "fs.protected_symlinks is 0", "sysctl -w fs.protected_symlinks=1"),
    ({"kernel": {"fs.protected_hardlinks": "0"}}, "fs.protected_hardlinks is 0", "sysctl -w"),
]


@pytest.mark.parametrize(
    ("changed", "text", "fix"), WRONG, ids=lambda value: value[:30] if isinstance(value, str) else ""
)
def test_what_is_wrong_is_said_with_what_puts_it_right(changed: dict[str, Any], text: str, fix: str) -> None:
    wrong = found(replace(WELL, **changed), Level.WRONG)
    assert any(text in finding.text and fix in finding.fix for finding in wrong), wrong


NOTES: list[tuple[dict[str, Any], str, str]] = [
    ({"set_up": None, "shortfalls": ("The Librarian runs as root.",)}, "The set-up is advisory", "setup"),
    ({"set_up": None, "shortfalls": ("x",), "librarian": None}, "No Librarian runs", "--gate /srv/gate run"),
    ({"set_up": None, "shortfalls": ("x",), "kernel": {"fs.protected_symlinks": "0"}}, "protected_symlinks", "sysctl"),
    ({"config": config(TOML + '[verify]\nsandbox = "none"\n')}, "without a sandbox", 'sandbox = "bubblewrap"'),
    (
        {"programs": replace(PROGRAMS, own_users=False), "set_up": None, "shortfalls": ("x",)},
        "Checks run as the Librarian's own Unix user",
        "uidmap",
    ),
    ({"users": {}}, "and there is no such user", "setup --apply"),
    ({"config": config(TOML.split("[agents", maxsplit=1)[0])}, "names no agent, so nobody can push", "--agents"),
    ({"config": config(TOML.replace('unix_user = "agent-a"', ""))}, "neither a Unix user nor an SSH key", "unix_user"),
    ({**places({ALERTS: None}), "addressees": 0}, "something needs a person: there is no /srv/gate/var", "alert test"),
    ({"addressees": 0}, "something needs a person: no address in /srv/gate/var/alerts is used", "alert test"),
    (places({HOME.www: seen(0o700)}), "No web server can read /srv/gate/www", "chmod 0755"),
]


@pytest.mark.parametrize(
    ("changed", "text", "fix"), NOTES, ids=lambda value: value[:30] if isinstance(value, str) else ""
)
def test_what_is_only_worth_knowing_is_a_note(changed: dict[str, Any], text: str, fix: str) -> None:
    facts = replace(WELL, **changed)
    assert any(text in finding.text and fix in finding.fix for finding in found(facts, Level.NOTE)), examine(facts)
    assert found(facts, Level.WRONG) == []


def test_what_this_gate_does_not_use_need_not_be_there() -> None:
    static = config(TOML.split("[sites.shop]", maxsplit=1)[0])
    none = Programs({"git": "2.39.5", "node": None, "pm2": None}, ("slirp4netns",), None, own_users=True)
    assert found(replace(WELL, config=static, programs=none, stewards={}), Level.WRONG) == []
    advisory = replace(WELL, set_up=None, shortfalls=("x",), programs=replace(PROGRAMS, missing=("uidmap",)))
    assert found(advisory, Level.WRONG) == []
    building = config(TOML + '[[builds]]\nname = "deps"\nrun = ["npm", "ci"]\nper_site = true\nnetwork = true\n')
    missing = replace(WELL, config=building, programs=replace(PROGRAMS, missing=("slirp4netns",)))
    assert found(missing, Level.WRONG)


def test_nothing_is_called_fine_that_does_not_apply() -> None:
    advisory = replace(WELL, set_up=None, shortfalls=("x",), door="No such file", stewards={})
    advisory = replace(advisory, config=config(TOML.replace('unix_user = "agent-a"', "")))
    said = " ".join(finding.text for finding in examine(advisory))
    assert "local door" not in said
    assert "steward" not in said
    assert "No agent" not in said, "no agent has a user that could be told apart"


def test_a_folder_like_tmp_may_lie_above() -> None:
    assert found(replace(WELL, above={Path("/tmp"): seen(0o1777, 0)}), Level.WRONG) == []


@pytest.mark.parametrize(
    ("chain", "may"),
    [
        ((seen(0o755), seen(0o777)), True),
        ((seen(0o755), seen(0o775)), False),
        ((seen(0o700), seen(0o777)), False),
        ((seen(0o711), seen(0o766)), True),
        ((Seen(GATE, AGENT, 0o710, link=False), seen(0o777)), True),
        ((Seen(AGENT, GATE, 0o077, link=False), seen(0o777)), False),
        ((seen(0o755), Seen(GATE, AGENT, 0o660, link=False)), True),
    ],
)
def test_a_socket_is_reached_as_the_kernel_judges_it(chain: tuple[Seen, ...], *, may: bool) -> None:
    assert may_connect(reach(*chain), AGENT, frozenset({AGENT})) is may


def test_what_is_wrong_comes_first() -> None:
    levels = [finding.level for finding in examine(replace(WELL, free=0, users={}))]
    assert levels == sorted(levels, key=list(Level).index)
    assert levels[:2] == [Level.WRONG, Level.NOTE]
