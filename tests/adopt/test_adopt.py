"""Sites of a foreign pm2 taken over on a real machine: what is written, one at a time, a failure, a kill, the end."""

import socket
import stat
import tomllib
from collections.abc import Iterator

import pytest
from faults.crash import strike

from adopt.foreign import Foreign, app, foreign, server
from gatekeeper.adopt.theirs import take_apart
from gatekeeper.config import load

pytestmark = pytest.mark.usefixtures("drafted")
NAMES = ("shop", "shop-admin", "web")


@pytest.fixture(scope="module")
def place() -> Iterator[Foreign]:
    """Three repositories; shop has uploads and a `.env`, shop-admin dies under a gate while a file says so."""
    with foreign(*NAMES) as place:
        head = f"if (process.env.GATE_SITE && fs.existsSync('{place.root}/dies')) process.exit(3);"
        shop = place.repository(
            "shop",
            {"server.js": "require('./lib/words');" + server(), "lib/words.js": "", "uploads/.gitkeep": ""},
        )
        admin = place.repository("shop-admin", {"server.js": server(head=head)})
        web = place.repository("web", {"app/server.js": "require('../lib/shared');" + server(), "lib/shared.js": ""})
        (shop / "uploads" / "a.jpg").write_text("a")
        (shop / ".env").write_text("MAIL_TOKEN=mail secret\n")
        (admin / "error.log").write_text("x")
        (web / "app" / "by-hand.json").write_text("{}")
        (web / "lib" / "shared.js").write_text("// changed on the machine\n")
        place.start(
            [
                app(
                    "shop", shop, place.ports["shop"], exec_mode="cluster", instances=2, wait_ready=True, args="--fast"
                ),
                app("shop-admin", admin, place.ports["shop-admin"], exec_mode="cluster", watch=["nothing"]),
                app("web", web / "app", place.ports["web"], max_memory_restart="200M", kill_timeout=3000),
            ]
        )
        place.init()
        yield place


@pytest.fixture(scope="module")
def drafted(place: Foreign) -> str:
    done = place.adopt("--pm2-home", str(place.pm2_home))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_sections_say_what_runs(place: Foreign) -> None:
    sites = load.load(place.gate.home.sites_toml).sites
    shop, admin, web = (sites[name] for name in NAMES)
    assert (shop.path, shop.script, shop.args, shop.mode, shop.instances) == (
        "sites/shop",
        "server.js",
        ("--fast",),
        "cluster",
        2,
    )
    assert shop.wait_ready
    assert shop.data == ("uploads",)
    assert shop.health is not None
    assert shop.health.url == f"http://127.0.0.1:{place.ports['shop']}/health"
    assert shop.env == {"PORT": str(place.ports["shop"]), "NODE_ENV": "production"}
    assert (web.path, web.mode, web.uses, web.max_memory_restart, web.kill_timeout) == (
        "sites/web/app",
        "fork",
        ("sites/web/lib",),
        200 << 20,
        3.0,
    )
    assert admin.data == ()


def test_secrets_are_in_env_files_and_nowhere_else(place: Foreign, drafted: str) -> None:
    files = {name: place.gate.home.path / "var" / "env" / name for name in NAMES}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files.values()} == {0o600}
    assert files["shop"].read_text() == "MAIL_TOKEN=mail secret\nSESSION_SECRET=top secret of shop\n"
    told = drafted + place.gate.home.sites_toml.read_text() + place.gate.git("log", "--format=%B", "refs/gate/log")
    assert "secret of" not in told
    assert "mail secret" not in told
    boot = load.load(place.gate.home.sites_toml).sites["shop"].boot_env
    assert boot == dict.fromkeys(("MAIL_TOKEN", "SESSION_SECRET"), "only-for-the-boot-check")


def test_what_could_not_be_known_is_said(drafted: str) -> None:
    assert "shop-admin: pm2 restarts it when files change (`watch`); the gate does not." in drafted
    assert "web: by-hand.json lies beside the code, where a boot check can have none" in drafted
    assert "OF_THE_SHELL" in drafted.replace("\n", " ") or "more (of the shell that started it)" in drafted
    assert "OF_THE_SHELL" not in drafted.partition("Could not be known")[2]


def test_the_plan_names_each_step(place: Foreign, drafted: str) -> None:
    plan = drafted.partition("The cut-over.")[2]
    for name in NAMES:
        assert f"adopt --apply {name} " in plan
    assert plan.count("# online in its old pm2") == 3
    assert place.states() == dict.fromkeys(NAMES, "online")


def test_drafting_again_leaves_what_a_person_wrote(place: Foreign) -> None:
    toml = place.gate.home.sites_toml
    toml.write_text(toml.read_text().replace("[sites.web]", "# mine\n[sites.web]"))
    before = toml.read_text()
    again = place.adopt()
    assert "sites.toml has a section for each of them already" in again.stdout
    assert toml.read_text() == before


def test_a_name_is_matched_whole(place: Foreign) -> None:
    done = place.adopt("--apply", "shop-admi")
    assert done.returncode == 3
    assert 'Did you mean "shop-admin"? Names are matched whole.' in done.stderr


def test_what_is_stopped_in_pm2_is_said_to_be() -> None:
    entry = {
        "name": "old",
        "pm_id": 4,
        "pm2_env": {"status": "stopped", "pm_cwd": "/srv/old", "pm_exec_path": "/srv/old/a.js"},
    }
    sites, passed_over = take_apart([entry], {})
    assert (sites[0].running, passed_over) == (False, [])
    assert "it is stopped in pm2; the gate will run it." in sites[0].remarks[0]


def test_a_foreign_port_is_refused_before_anything_is_touched(place: Foreign) -> None:
    toml = place.gate.home.sites_toml
    before = toml.read_text()
    with socket.socket() as foreign_one:
        foreign_one.bind(("127.0.0.1", 0))
        foreign_one.listen()
        port = foreign_one.getsockname()[1]
        toml.write_text(before.replace(str(place.ports["web"]), str(port)))
        done = place.adopt("--apply")
    toml.write_text(before)
    assert done.returncode == 1
    assert f'GATE-501 Port {port} of site "web" is held by process' in done.stderr
    assert place.states() == dict.fromkeys(NAMES, "online")
    assert [record.event for record in place.gate.records()] == ["imported"]


def test_a_frozen_gate_takes_nothing_over(place: Foreign) -> None:
    assert place.gate.cli("freeze", "-m", "not tonight").returncode == 0
    done = place.adopt("--apply", "web")
    assert (done.returncode, "GATE-408" in done.stderr) == (1, True)
    assert place.gate.cli("thaw").returncode == 0
    assert place.states() == dict.fromkeys(NAMES, "online")


def test_one_site_is_taken_and_nothing_else_touched(place: Foreign) -> None:
    done = place.adopt("--apply", "shop")
    assert done.returncode == 0, done.stderr
    assert "shop is the gate's own and healthy" in done.stdout
    assert place.states() == {"shop": "stopped", "shop-admin": "online", "web": "online"}
    shop = place.gate.ask("shop")
    assert (shop["version"], shop["secret"], shop["args"]) == ("v0.1.0", "top secret of shop", ["--fast"])
    assert shop["uploads"] == [".gitkeep", "a.jpg"]
    assert (place.root / "srv" / "shop" / "uploads").readlink() == place.gate.home.data / "shop" / "uploads"
    assert place.gate.ask("web")["version"] == "theirs"
    beat = place.gate.cli("tick")
    assert beat.returncode == 0, beat.stderr
    assert place.states() == {"shop": "stopped", "shop-admin": "online", "web": "online"}


def test_a_site_that_fails_here_runs_again_there(place: Foreign) -> None:
    ours = place.gate.target().pm2.processes()
    (place.root / "dies").touch()
    done = place.adopt("--apply")
    (place.root / "dies").unlink()
    assert done.returncode == 1
    assert "GATE-404" in done.stderr
    assert "shop-admin runs as before, in its old pm2." in done.stderr
    assert place.states() == {"shop": "stopped", "shop-admin": "online", "web": "online"}
    place_until_answers(place, "shop-admin")
    assert place.gate.ask("shop-admin")["version"] == "theirs"
    assert place.gate.target().pm2.processes() == ours


def place_until_answers(place: Foreign, name: str) -> None:
    """Wait until a site that was started again listens: pm2 says online before it does."""
    while "problem" in place.gate.ask(name):
        assert place.states()[name] == "online"


@pytest.mark.parametrize("step", ["after pm2: stopProcessId", "after pm2: prepare"])
def test_a_killed_adoption_goes_on(place: Foreign, step: str) -> None:
    name = "shop-admin" if "stop" in step else "web"
    assert strike(place.gate, [{"at": step, "do": "kill"}], "adopt", "--apply", name) < 0, place.gate.told[-1]
    assert "# stopped in its old pm2" in place.adopt().stdout
    again = place.adopt("--apply", name)
    assert again.returncode == 0, again.stderr
    assert place.gate.ask(name)["version"] == "v0.1.0"


def test_the_rest_and_then_nothing_is_left(place: Foreign) -> None:
    if place.gate.home.adoption.exists():
        assert place.adopt("--apply").returncode == 0
    assert place.states() == dict.fromkeys(NAMES, "stopped")
    assert place.gate.versions() == {"v0.1.0"}
    assert not place.gate.home.adoption.exists()
    assert "Nothing is left to be taken over." in place.adopt("--apply").stderr
    assert "Every site is the gate's own." in place.adopt("--pm2-home", str(place.pm2_home)).stdout
    assert tomllib.loads(place.gate.home.sites_toml.read_text())["sites"].keys() == set(NAMES)


def test_what_is_pushed_then_ships_to_all(place: Foreign) -> None:
    place.gate.clone().request("first", {"sites/shop/lib/words.js": "// better\n"})
    place.gate.tick()
    assert place.gate.result("first").state == "shipped"
    assert place.gate.versions() == {"v0.1.1"}
