"""Sites under users of their own: real users, real stewards, real pm2; the Librarian is a user like any other."""

import base64
import json
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gatekeeper.errors import Exit
from gatekeeper.model import SiteName
from gatekeeper.sites import procfs, remote, wire

from .household import Household, household

STEWARDED = ("shop", "blog")


@pytest.fixture(scope="module")
def shared() -> Iterator[Household]:
    with household(STEWARDED, ("web",)) as made:
        for site in STEWARDED:
            assert "nothing to start yet" in made.steward(site)
        made.gatekeeper("tick")
        yield made


@pytest.fixture
def house(shared: Household) -> Iterator[Household]:
    """The shared gate: every site is well, and so it must be left."""
    for site in STEWARDED:
        if site not in shared.stewards:
            shared.steward(site)
    yield shared
    released = shared.json("status")["release"]["version"]
    assert shared.versions() == {released}
    assert all(site["healthy"] for site in shared.states().values())


def page(site: str, text: str) -> dict[str, str]:
    return {f"sites/{site}/page.txt": f"{text}\n"}


@contextmanager
def stuck(house: Household, id_: str) -> Iterator["subprocess.Popen[str]"]:
    """Ship what never gets ready on `blog`; yields the Librarian while `shop` runs it already."""
    house.request(id_, page("blog", f"NEVER READY {id_}") | page("shop", id_))
    with house.start("librarian", "tick") as librarian:
        house.until(lambda: house.ask("shop").get("text") == id_)
        yield librarian


def ask(line: socket.socket, call: bytes) -> bytes:
    wire.send(line, call, timeout=5.0)
    return wire.receive(line, timeout=5.0)


def texts(house: Household) -> dict[str, str]:
    return {name: answer.get("text", "") for name, answer in house.answers().items()}


def test_each_site_runs_as_its_user_with_its_secrets_and_its_data(house: Household) -> None:
    answers = house.answers()
    uids = {"shop": house.uid("shop"), "blog": house.uid("blog"), "web": house.uid("librarian")}
    assert {name: answer["uid"] for name, answer in answers.items()} == uids
    assert {name: answer["secret"] for name, answer in answers.items()} == {n: f"secret-of-{n}" for n in uids}
    assert all(answer["seeded"] for answer in answers.values())
    assert {name: state["pm2"] for name, state in house.states().items()} == dict.fromkeys(uids, "online")
    release = (house.gate / "live" / "current").resolve()
    shop = house.gate / "sites" / "shop"
    assert (house.gate / "live" / "published").resolve() == release
    cache = release / "sites" / "shop" / "cache"
    assert cache.resolve() == shop / "scratch" / release.name / "cache"
    for path in (cache.resolve(), house.gate / "data" / "shop" / "data" / "seed.txt", shop / "ecosystem.json"):
        assert path.stat().st_uid == uids["shop"]
    assert stat.S_IMODE((shop / "ecosystem.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.resolve().stat().st_mode) == 0o700
    assert {path.stat().st_uid for path in (release, release / "sites" / "shop" / "server.js")} == {uids["web"]}


def test_a_bad_release_goes_back_on_all_sites_whoever_runs_them(house: Household) -> None:
    before = house.versions()
    house.request("dies", page("blog", "DIES") | page("web", "new"))
    said = house.gatekeeper("tick", ok=False)
    assert "rolled back" in said.stdout, said
    assert house.json("show", "dies")["reason"]["code"] == "GATE-404"
    assert "site blog" in house.json("show", "dies")["reason"]["text"]
    assert house.versions() == before


def test_a_ship_and_a_rollback(house: Household) -> None:
    house.request("second", page("shop", "shop two") | page("web", "web two"))
    house.gatekeeper("tick")
    assert [house.ask(name)["text"] for name in ("shop", "blog", "web")] == ["shop two", "blog one", "web two"]
    house.gatekeeper("rollback", "-m", "back")
    assert [house.ask(name)["text"] for name in ("shop", "blog", "web")] == ["shop one", "blog one", "web one"]


def test_without_its_steward_a_site_goes_on_and_nothing_ships(house: Household) -> None:
    before = house.answers()
    house.stewards["shop"].send_signal(signal.SIGSTOP)
    assert (house.states()["shop"]["pm2"], house.states()["blog"]["pm2"]) == ("unreachable", "online")
    house.end("shop")
    assert (house.states()["shop"]["pm2"], house.states()["shop"]["healthy"]) == ("unreachable", False)
    house.request("waits", page("blog", "waits"))
    said = house.gatekeeper("tick", ok=False).stderr
    assert "GATE-504" in said
    assert f"runuser -u {house.users['shop']} -- gatekeeper --gate {house.gate} steward shop" in said
    assert house.answers() == before
    assert "it runs already" in house.steward("shop")
    house.gatekeeper("tick")
    assert house.ask("blog")["text"] == "waits"


def test_a_steward_killed_in_the_middle_of_a_ship(house: Household) -> None:
    before, version = texts(house), house.ask("web")["version"]
    with stuck(house, "no-steward") as librarian:
        house.end("shop")
        said = librarian.communicate()[0]
    assert "STRANDED" in said
    assert 'failed on site shop (The steward of site "shop" cannot be asked' in said
    assert house.ask("web")["version"] == version, "the others are back all the same"
    assert "cut short" in house.steward("shop")
    assert "recovered" in house.gatekeeper("tick", ok=False).stdout
    assert texts(house) == before


def test_the_librarian_killed_in_the_middle_of_a_ship(house: Household) -> None:
    before = texts(house)
    with stuck(house, "no-librarian") as librarian:
        librarian.kill()
    assert "recovered" in house.gatekeeper("tick", ok=False).stdout
    assert texts(house) == before


def test_after_a_boot_what_was_published_starts_without_the_librarian(house: Household) -> None:
    before = texts(house)
    house.power_off()
    assert set(texts(house).values()) == {""}
    for site in STEWARDED:
        assert "started from v" in house.steward(site)
    house.until(lambda: all(texts(house)[site] == before[site] for site in STEWARDED))
    pids = {name: state["pid"] for name, state in house.states().items() if name in STEWARDED}
    assert "bringing back web" in house.gatekeeper("tick").stdout
    assert {name: house.states()[name]["pid"] for name in STEWARDED} == pids
    assert texts(house) == before


def test_after_a_power_cut_in_the_middle_of_a_ship_nothing_unpublished_starts(house: Household) -> None:
    before = texts(house)
    with stuck(house, "no-power"):
        house.power_off()
    for site in STEWARDED:
        assert "cut short" in house.steward(site)
    assert house.states()["shop"]["pm2"] == "down"
    assert "recovered" in house.gatekeeper("tick", ok=False).stdout
    assert texts(house) == before


def test_what_a_ship_wrote_before_it_went_back_does_not_boot(house: Household) -> None:
    """The link is back and the file is not yet: a power cut between two lines of the way back."""
    before, current = texts(house), house.gate / "live" / "current"
    with stuck(house, "half-way"):
        house.power_off()
    draft = current.with_name("by-hand")
    draft.symlink_to((house.gate / "live" / "published").readlink())
    draft.rename(current)
    for site in STEWARDED:
        assert "cut short" in house.steward(site)
    assert "recovered" in house.gatekeeper("tick", ok=False).stdout
    assert texts(house) == before


def test_a_migration_runs_as_the_site_and_ends_with_the_call(house: Household) -> None:
    more = 'migrate = ["node", "migrate.js"]\nmigrate_paths = ["sites/shop/migrations"]\n'
    users = {name: house.users[name] if name in STEWARDED else "" for name in house.ports}
    house.configure(users, {"shop": more})
    house.request("schema", {"sites/shop/migrations/1.sql": "create\n"})
    house.gatekeeper("tick")
    version = house.ask("shop")["version"]
    noted = house.gate / "data" / "shop" / "data" / "migrated"
    assert noted.read_text() == f"{house.uid('shop')} {version} secret-of-shop\n"
    assert (
        f"migrated as {house.uid('shop')}" in (house.gate / "var" / "logs" / f"migrate-{version}-shop.log").read_text()
    )
    house.request("endless", {"sites/shop/migrations/1.sql": "NEVER ENDS\n"})
    with house.start("librarian", "tick") as librarian:
        house.until(lambda: house.runs("shop", "node migrate.js"))
        librarian.kill()
    house.until(lambda: not house.runs("shop", "node migrate.js"))
    house.git("push", "-q", "origin", ":request/endless")
    assert "recovered" in house.gatekeeper("tick").stdout


def test_scratch_is_pruned_with_its_release(house: Household) -> None:
    kept = {folder.name for folder in (house.gate / "live" / "releases").iterdir()}
    scratch = {folder.name for folder in (house.gate / "sites" / "shop" / "scratch").iterdir()}
    assert len(kept) == 3
    assert len(scratch - kept) <= 1, "what a ship prunes is seen to be gone at the next one"


def test_a_steward_answers_the_librarian_alone(house: Household) -> None:
    path = house.gate / "sites" / "shop" / remote.SOCKET
    dismiss = wire.encode(wire.Call(wire.FORMAT, SiteName("shop"), ("pm2",), wire.Dismiss()))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.connect(str(path))
        with pytest.raises(OSError, match=r"closed|reset|pipe"):
            ask(line, dismiss)
    argv = (house.python, "-m", "gatekeeper", "--gate", str(house.gate), "steward")
    assert house.run("blog", *argv, "shop", ok=False).returncode == Exit.USAGE
    assert house.run("librarian", *argv, "web", ok=False).returncode == Exit.USAGE
    assert house.run("shop", *argv, "../shop", ok=False).returncode == Exit.USAGE
    twice = house.run("shop", *argv, "shop", ok=False)
    assert (twice.returncode, "Another steward" in twice.stderr) == (Exit.LOCKED, True)


def test_what_the_code_of_a_site_tries_against_gate_and_neighbour(house: Household) -> None:
    gate, release = house.gate, (house.gate / "live" / "current").resolve()
    blog = gate / "sites" / "blog"
    call = wire.encode(wire.Call(wire.FORMAT, SiteName("blog"), ("pm2",), wire.Dismiss()))
    tries = {
        "write": {
            "its own release": release / "sites" / "shop" / "page.txt",
            "a new file in its release": release / "sites" / "shop" / "new.js",
            "a link beside current": gate / "live" / "next",
            "the data of the other": gate / "data" / "blog" / "data" / "seed.txt",
            "sites.toml": gate / "sites.toml",
            "a door of the other": blog / "new.sock",
            "a ref": gate / "repo.git" / "refs" / "heads" / "release",
        },
        "read": {
            "secrets of the other": blog / "ecosystem.json",
            "its environment": Path(f"/proc/{house.stewards['blog'].pid}/environ"),
            "the live plan": gate / "var" / "live.json",
            "its own env file": gate / "var" / "env-shop",
            "the key": gate / "keys" / "librarian",
        },
        "list": {"data of the other": gate / "data" / "blog", "var": gate / "var", "pm2 of the other": blog / "pm2"},
        "connect": {
            "pm2 of the other": blog / "pm2" / "rpc.sock",
            "pm2 of the gate": gate / "var" / "pm2" / "rpc.sock",
            "the gate's door": gate / "var" / "door.sock",
            "the steward of the other": blog / remote.SOCKET,
            "its own steward": gate / "sites" / "shop" / remote.SOCKET,
        },
    }
    named = {kind: {f"{kind} {name}": str(path) for name, path in paths.items()} for kind, paths in tries.items()}
    told = json.dumps(named | {"call": base64.b64encode(len(call).to_bytes(4, "big") + call).decode()})
    house.write(gate / "var" / "env-shop", f"SECRET=secret-of-shop\nTRIES={told}\n")
    house.gatekeeper("tick")
    house.until(lambda: len(house.ask("shop")["said"]) == sum(map(len, tries.values())))
    said = house.ask("shop")["said"]
    stewards = {name: said.pop(name) for name in ("connect the steward of the other", "connect its own steward")}
    assert set(stewards.values()) <= {"closed", "ECONNRESET", "EPIPE"}, stewards
    assert said == dict.fromkeys(said, "EACCES")
    house.write(gate / "var" / "env-shop", "SECRET=secret-of-shop\n")
    house.gatekeeper("tick")


def test_what_a_site_keeps_is_never_read_by_the_librarian(house: Household) -> None:
    """The file has the name of one in the tree, so that a ship could take it for what the last release has."""
    kept = house.gate / "data" / "shop" / "data"
    house.run("shop", "sh", "-c", f"chmod 755 {kept.parent} {kept} && truncate -s 4T {kept}/seed.txt")
    house.request("after-a-huge-file", page("shop", "after a huge file"))
    house.gatekeeper("tick")
    house.run("shop", "rm", str(kept / "seed.txt"))
    assert house.ask("shop")["text"] == "after a huge file"


def test_a_port_that_the_user_of_another_site_holds_is_named_before_anything_is_touched(house: Household) -> None:
    house.power_off()
    (house.gate / "sites" / "shop" / "ecosystem.json").unlink()
    program = f"import socket,time; s=socket.create_server(('127.0.0.1', {house.ports['shop']})); time.sleep(600)"
    squatter = subprocess.Popen(house.argv("blog", house.python, "-c", program))
    for site in STEWARDED:
        house.steward(site)
    house.until(lambda: bool(procfs.owners(house.ports["shop"])))
    house.request("squatted", page("web", "squatted"))
    said = house.gatekeeper("tick", ok=False).stderr
    squatter.kill()
    squatter.wait()
    assert f'Port {house.ports["shop"]} of site "shop" is held by a process of user {house.users["blog"]}' in said
    assert "GATE-501" in said
    house.gatekeeper("tick")
    assert house.ask("web")["text"] == "squatted"


def test_a_site_gets_a_user_and_loses_it_again(house: Household) -> None:
    users = {name: house.users[name] if name in STEWARDED else "" for name in house.ports}
    house.furnish("web")
    assert "nothing to start yet" in house.steward("web")
    house.configure({**users, "web": house.users["web"]})
    house.gatekeeper("tick")
    assert house.ask("web")["uid"] == house.uid("web")
    assert (house.gate / "sites" / "web" / "ecosystem.json").exists()
    log = (house.gate / "sites" / "web" / "pm2" / "logs" / "web-error.log").read_text()
    assert "EADDRINUSE" not in log, "the old one ends before the new one starts"
    house.give(house.gate / "data" / "web", "librarian")
    house.configure(users)
    house.gatekeeper("tick")
    assert house.ask("web")["uid"] == house.uid("librarian")
    assert not (house.gate / "sites" / "web" / "ecosystem.json").exists()
    assert house.json("log")["records"][0]["event"] != "ship_failed"


def test_a_site_whose_user_is_gone_runs_as_sites_toml_has_it_now_also_on_the_way_back(house: Household) -> None:
    """As `setup --undo` leaves a gate: the site's folders with the Librarian, and nobody to run it."""
    users = {name: house.users[name] if name in STEWARDED else "" for name in house.ports}
    before, named = house.ask("shop")["version"], house.users["shop"]
    house.end("shop")
    house.dismiss_user("shop")
    house.configure({**users, "shop": ""}, {"web": 'node_args = ["--no-such-option"]'})
    said = house.gatekeeper("tick", ok=False).stdout
    assert "STRANDED" not in said
    assert (house.ask("shop")["uid"], house.ask("shop")["version"]) == (house.uid("librarian"), before)
    assert not (house.gate / "sites" / "shop" / "ecosystem.json").exists()
    house.configure({**users, "shop": ""})
    house.gatekeeper("tick")
    assert house.ask("shop")["uid"] == house.uid("librarian")
    house.add_user("shop", named)
    house.furnish("shop")
    assert "nothing to start yet" in house.steward("shop")
    house.configure(users)
    house.gatekeeper("tick")
    assert house.ask("shop")["uid"] == house.uid("shop")


def test_the_gate_s_own_user_is_no_site_s(house: Household) -> None:
    users = {name: house.users[name] if name in STEWARDED else "" for name in house.ports}
    for user, words in ((house.users["librarian"], "the gate's own user"), ("nobody-at-all", "no such user")):
        house.configure({**users, "web": user})
        said = house.gatekeeper("tick", ok=False).stderr
        assert ("GATE-501" in said, words in said) == (True, True)
    house.configure(users)
    house.gatekeeper("tick")
