"""The judgement of a set-up without a machine: what is wanted, what holds, what makes the rest, what is in the way."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gatekeeper.config.load import from_tables
from gatekeeper.home import Home
from gatekeeper.setup import judge
from gatekeeper.setup.blockers import Blocker, blockers
from gatekeeper.setup.facts import Account, Facts, Running, Seen
from gatekeeper.setup.names import Names, fits
from gatekeeper.setup.plan import plan, undo
from gatekeeper.setup.record import Made
from gatekeeper.setup.wishes import Folder, Ground, HomeOf, NoDaemon, Service, Sshd, SubIds, Tree, User, starts, wishes

TOML = """
[sites.docs]
path = "sites/docs"
mode = "static"
[sites.shop]
path = "sites/shop"
script = "server.js"
user = "site-shop"
[agents.codex-1]
owner = "kim"
unix_user = "agent-a"
"""
KEY = 'ssh_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2fUHIrwRxJlTq9Pj9cNPP/DMYoP2fRvbNR6wXJYV1H"\n'
HOME = Home(Path("/srv/gate"))
NOTHING = Facts(
    uid=0,
    users={"root": Account(0, 0, "/root", "root")},
    seen={},
    strays={},
    homes={},
    texts={},
    subuid="",
    subgid="",
    services=frozenset(),
    missing=(),
    barred={},
    librarian=None,
    daemons={},
    hooks_differ=False,
)


def ground(toml: str = TOML, name: str = "gate", *, systemd: bool = True, home: Home = HOME) -> Ground:
    config = from_tables(tomllib.loads(toml), file="sites.toml")
    program = ("/opt/gatekeeper/bin/python", "-P", "-m", "gatekeeper")
    return Ground(home, Names(name), config, program, program[0], "/usr/bin", systemd)


def account(uid: int, comment: str = "", home: str = "/srv/gate") -> Account:
    return Account(uid, uid, home, comment)


def complete(place: Ground) -> Facts:
    """Return the facts of a machine on which every wish was just carried out."""
    wanted = tuple(wishes(place))
    users = {
        wish.name: account(900 + at, wish.comment, str(wish.home))
        for at, wish in enumerate(wanted)
        if isinstance(wish, User)
    }
    files = [wish.file for wish in wanted if isinstance(wish, Sshd | Service)]
    seen = {file.path: Seen(0, 0, file.mode, link=False) for file in files}
    strays = {}
    for wish in wanted:
        if isinstance(wish, Folder | Tree):
            uid = users[wish.owner].uid
            seen[wish.path] = Seen(uid, uid, wish.mode or 0o644, link=False)
            strays[wish.path] = frozenset({(uid, uid)})
    return replace(
        NOTHING,
        users={**NOTHING.users, **users},
        seen=seen,
        strays=strays,
        homes={wish.path: users[wish.owner].uid for wish in wanted if isinstance(wish, HomeOf)},
        texts={file.path: file.content for file in files},
        subuid=f"{place.names.user}:200000:65536\n",
        subgid=f"{place.names.user}:200000:65536\n",
        services=frozenset(wish.name for wish in wanted if isinstance(wish, Service)),
    )


def test_on_a_bare_machine_everything_is_to_do_in_an_order_that_can_be_cut_off() -> None:
    steps = plan(ground(TOML + KEY), NOTHING, None).todo
    kinds = [type(step.wish) for step in steps]
    assert kinds.index(SubIds) > kinds.index(User)
    owners = {
        step.wish.owner: at for at, step in reversed(list(enumerate(steps))) if isinstance(step.wish, Folder | Tree)
    }
    made = {step.wish.name: at for at, step in enumerate(steps) if isinstance(step.wish, User)}
    assert all(made[owner] < at for owner, at in owners.items()), "users come before what they own"
    own = [step.wish for step in steps if isinstance(step.wish, Folder | Tree)]
    assert own[-1] == Folder(HOME.path, "gatekeeper", 0o711), "the gate changes hands last"
    services = [step.wish.name for step in steps if isinstance(step.wish, Service)]
    assert services == ["gatekeeper-gate-site-shop.service", "gatekeeper-gate-door.service", "gatekeeper-gate.service"]
    assert kinds[-3:] == [Service] * 3


def test_what_was_carried_out_holds_and_each_thing_that_goes_wrong_is_seen() -> None:
    place = ground(TOML + KEY)
    facts = complete(place)
    assert plan(place, facts, None).todo == ()
    librarian = facts.users["gatekeeper"].uid
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"users": {name: one for name, one in facts.users.items() if name != "agent-a"}}, "user agent-a"),
        ({"homes": {Path("/home/agent-a"): 0}}, "home /home/agent-a: agent-a"),
        ({"subgid": "gatekeeper:200000:1000\n"}, "sub-ids of gatekeeper"),
        ({"seen": {**facts.seen, HOME.path: Seen(librarian, librarian, 0o755, link=False)}}, "folder /srv/gate:"),
        ({"seen": {**facts.seen, HOME.path: Seen(0, 0, 0o711, link=False)}}, "folder /srv/gate:"),
        ({"strays": {**facts.strays, HOME.var: frozenset({(librarian, librarian), (0, 0)})}}, "all of /srv/gate/var"),
        ({"seen": {**facts.seen, HOME.var: Seen(librarian, librarian, 0o750, link=False)}}, "all of /srv/gate/var"),
        ({"hooks_differ": True}, "the hooks of repo.git"),
        ({"texts": {**facts.texts, place.names.sshd: "AcceptEnv *\n"}}, "/etc/ssh/sshd_config.d/gatekeeper-gate.conf"),
        ({"seen": {**facts.seen, place.names.sshd: Seen(librarian, 0, 0o644, link=False)}}, "/etc/ssh/sshd_config.d"),
        ({"services": frozenset()}, "gatekeeper-gate-site-shop.service"),
        ({"daemons": {HOME.var / "pm2": Running(7, 0)}}, "no other user's pm2 in /srv/gate/var/pm2"),
    )
    for changed, wanted in cases:
        todo = plan(place, replace(facts, **changed), None).todo
        assert todo, changed
        assert todo[0].what.startswith(wanted)


def test_the_home_of_a_user_who_was_there_before_is_left_alone() -> None:
    place, facts = ground(), complete(ground())
    theirs = {**facts.users, "agent-a": account(1000, "Kim", "/home/agent-a")}
    changed = replace(facts, users=theirs, homes={Path("/home/agent-a"): 0})
    assert plan(place, changed, None).todo == ()


def test_a_site_that_changes_its_user_takes_its_data_along_and_ends_the_pm2_before() -> None:
    place, facts = ground(TOML.replace("site-shop", "shop-2")), complete(ground())
    pm2, old = HOME.path / "sites" / "shop" / "pm2", facts.users["site-shop"].uid
    todo = plan(place, replace(facts, daemons={pm2: Running(8, old)}), None).todo
    said = [step.what.split(":")[0] for step in todo]
    assert said[:5] == [
        "user shop-2",
        f"no other user's pm2 in {pm2}",
        "all of /srv/gate/sites/shop",
        f"folder {pm2}",
        "all of /srv/gate/data/shop",
    ]
    kill, data = todo[1].actions, todo[4].actions
    assert kill[0][:3] == ("setpriv", "--reuid", str(old))  # type: ignore[index]
    assert kill[0][-1] == "kill"  # type: ignore[index]
    assert data[-1] == ("chown", "-R", "-h", "shop-2:shop-2", "/srv/gate/data/shop")
    assert "User=shop-2" in str(todo[-1].actions)


def test_a_librarian_s_own_pm2_may_run() -> None:
    facts = complete(ground())
    wish = NoDaemon(HOME.var / "pm2", ("pm2",), "gatekeeper")
    ours = Running(7, facts.users["gatekeeper"].uid)
    assert judge.holds(wish, replace(facts, daemons={wish.home: ours}))
    (argv,) = judge.actions(wish, replace(facts, daemons={wish.home: Running(7, 1000)}))
    assert argv[:6] == ("setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups")  # type: ignore[index]


@pytest.mark.parametrize(
    ("subuid", "wanted"),
    [("", "200000-265535"), ("kim:100000:65536\n", "200000-265535"), ("kim:300000:65536\n", "365536-431071")],
)
def test_sub_ids_come_behind_all_that_are_given_away(subuid: str, wanted: str) -> None:
    (argv,) = judge.actions(SubIds("gatekeeper"), replace(NOTHING, subgid=subuid))
    assert argv == ("usermod", "--add-subuids", wanted, "--add-subgids", wanted, "gatekeeper")


def test_without_systemd_a_person_starts_the_same_programs() -> None:
    found = plan(ground(systemd=False), NOTHING, None)
    assert not [step for step in found.steps if isinstance(step.wish, Service)]
    assert [(start.user, start.argv[-2:]) for start in found.starts] == [
        ("site-shop", ("steward", "shop")),
        ("gatekeeper", ("/srv/gate", "socket")),
        ("gatekeeper", ("/srv/gate", "run")),
    ]
    assert plan(ground(), NOTHING, None).starts == ()


def test_no_name_of_two_gates_is_the_same() -> None:
    def names(place: Ground) -> set[str]:
        users = {wish.name for wish in wishes(place) if isinstance(wish, User) and wish.role == "the Librarian"}
        return users | {start.service for start in starts(place)} | {str(place.names.sshd)}

    assert not names(ground()) & names(ground(name="two"))
    assert [name for name in ("two", "x", "gate-two", "Two", "", "2", "a" * 22) if fits(name)] == ["two", "x"]


def said(place: Ground, facts: Facts = NOTHING, recorded: str | None = None) -> tuple[Blocker, ...]:
    return tuple(blockers(place, facts, recorded=recorded))


def test_nothing_stands_in_the_way_of_a_good_gate() -> None:
    assert said(ground()) == said(ground(), complete(ground()), "gate") == ()


SHOP = "[sites.shop]"
LONG = Home(Path("/srv/" + "a" * 90))


@pytest.mark.parametrize(
    ("place", "facts", "text", "fix"),
    [
        (
            ground(TOML.replace('user = "site-shop"\n', "")),
            NOTHING,
            'Site "shop" has no user',
            f'In {SHOP}: user = "site-shop"',
        ),
        (ground(TOML.replace("agent-a", "gatekeeper")), NOTHING, "may do everything", 'unix_user = "codex-1"'),
        (ground(), replace(NOTHING, missing=("bubblewrap", "uidmap")), "missing: bubblewrap uidmap", "apt-get install"),
        (ground(), replace(NOTHING, barred={HOME.path: Path("/srv")}), "/srv bars them", "chmod o+x /srv"),
        (
            ground(),
            replace(NOTHING, barred={Path("/root/venv/bin/python"): Path("/root")}),
            "cannot run /root/venv/bin/python",
            "pip install git-gatekeeper",
        ),
        (ground(), replace(NOTHING, barred={Path("/root/bin/pm2"): Path("/root")}), "/root/bin/pm2", "for all users"),
        (ground(home=LONG), NOTHING, "No socket can have a path", "shorter path"),
        (ground(home=Home(Path("/srv/my gate"))), NOTHING, "cannot stand in a unit", "plain letters"),
        (ground(), replace(NOTHING, librarian=Running(77, 0)), "process 77", "kill 77"),
        (ground(), replace(NOTHING, seen={HOME.var: Seen(0, 0, 0o777, link=True)}), "is a link", "ls -l"),
        (
            ground(),
            replace(NOTHING, users={"gatekeeper": account(990, home="/srv/other")}),
            "its home is /srv/other",
            "setup --name gate",
        ),
        (
            ground(),
            replace(NOTHING, users={"site-shop": account(990, "Gatekeeper two (site shop)")}),
            "Gatekeeper two (site shop)",
            'user = "gate-shop"',
        ),
        (ground(), replace(NOTHING, users={"site-shop": account(0)}), "of something else", "In [sites.shop]"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_what_stands_in_the_way_is_named_with_the_way_out(place: Ground, facts: Facts, text: str, fix: str) -> None:
    found = [one for one in said(place, facts) if text in one.text]
    assert len(found) >= 1, said(place, facts)
    assert fix in found[0].fix


def test_a_gate_that_has_another_name_already_keeps_it() -> None:
    assert said(ground(), recorded="two")[0].fix == "gatekeeper setup --name two"


def test_undo_trusts_no_name_that_the_record_only_claims() -> None:
    place = ground()
    facts = complete(place)
    users = {**facts.users, "kim": account(1000, "Kim"), "site-two": account(997, "Gatekeeper two (site shop)")}
    made = Made(
        "gate",
        "gatekeeper",
        (0, 0),
        users=("gatekeeper", "site-shop", "kim", "site-two", "gone"),
        services=("gatekeeper-gate.service", "ssh.service", "../x.service", "gatekeeper-two.service"),
    )
    unit = place.names.unit_file("gatekeeper-gate.service")
    seen = {unit: Seen(0, 0, 0o644, link=False), unit.with_name("ssh.service"): Seen(0, 0, 0o644, link=False)}
    steps = undo(place, replace(facts, users=users, seen=seen), made).steps
    commands = [action for _, actions in steps for action in actions]
    assert [words[1] for words in commands if isinstance(words, tuple) and words[0] == "userdel"] == [
        "gatekeeper",
        "site-shop",
    ]
    assert [words for words in commands if isinstance(words, tuple) and words[0] == "systemctl"] == [
        ("systemctl", "disable", "--now", "gatekeeper-gate.service"),
        ("systemctl", "daemon-reload"),
    ]


def test_undo_ends_every_pm2_before_its_user_goes() -> None:
    place = ground()
    site = HOME.path / "sites" / "shop" / "pm2"
    facts = replace(complete(place), daemons={HOME.var / "pm2": Running(7, 900), site: Running(8, 901)})
    way = undo(place, facts, Made("gate", "gatekeeper", (1000, 1000), users=("gatekeeper", "site-shop")))
    said = [what for what, _ in way.steps]
    assert said[:3] == [
        "the gate itself: its pm2 ends",
        "site shop: its pm2 ends",
        "/srv/gate goes back to its owner before",
    ]
    assert way.steps[1][1][0][2] == "901"  # type: ignore[index]
    assert way.steps[2][1] == (("chown", "-R", "-h", "1000:1000", "/srv/gate"),)
    assert any("sites have users (shop)" in line for line in way.remains)
