"""What sites.toml changes about a site is shipped as a version is: all of it or nothing, with its way back."""

import json
import re
import subprocess
from collections.abc import Callable

import gatehouse
import pytest
from gatehouse import Gatehouse

from faults.crash import start_again, strike
from faults.whole import assert_whole
from gatekeeper.model import State
from gatekeeper.sites import procfs

Edit = Callable[[Gatehouse, str], str]


def _section(name: str, edit: Callable[[str], str]) -> Callable[[str], str]:
    """Return what edits one site's section of sites.toml."""

    def edited(text: str) -> str:
        start = text.index(f"[sites.{name}]")
        end = text.find("[sites.", start + 1)
        return text[:start] + edit(text[start:end] if end > 0 else text[start:]) + (text[end:] if end > 0 else "")

    return edited


def _moved(gate: Gatehouse, text: str) -> str:
    """Another port, in the environment and in the health address."""
    (port,) = gatehouse.free_ports(1)
    return text.replace(str(gate.ports["one"]), str(port))


def _with_secrets(gate: Gatehouse, text: str) -> str:
    (gate.home.var / "env").mkdir(exist_ok=True)
    (gate.home.var / "env" / "one").write_text("TOLD=hush\n")
    return f'{text}env_file = "var/env/one"\n'


CHANGES: dict[str, Edit] = {
    "path": lambda _, text: text.replace('path = "sites/one"', 'path = "sites/other"'),
    "script": lambda _, text: text.replace("server.js", "second.js"),
    "mode": lambda _, text: text.replace('"cluster"', '"fork"'),
    "port": _moved,
    "env file": _with_secrets,
    "name": lambda _, text: text.replace("[sites.one]", "[sites.uno]"),
    "gone": lambda _gate, _text: "",
}


@pytest.fixture
def site_gate(site_gate: Gatehouse) -> Gatehouse:
    """The module's gate, with a second script, and a second place, of the first site's."""
    if "second.js" not in site_gate.git("ls-tree", "--name-only", "release", "sites/one/"):
        text = gatehouse.SERVER.replace("process.env.EXTRA", "'second'")
        other = {"sites/other/server.js": gatehouse.SERVER.replace("process.env.EXTRA", "'other'")}
        site_gate.clone().request("second", {"sites/one/second.js": text, **other, "sites/other/test.sh": "true\n"})
        start_again(site_gate)
        assert site_gate.result("second").state is State.SHIPPED
    return site_gate


def _daemon(gate: Gatehouse) -> int:
    return int((gate.home.var / "pm2" / "pm2.pid").read_text())


def _children(gate: Gatehouse) -> list[str]:
    daemon, folder = _daemon(gate), str(gate.home.current.resolve())
    there = [procfs.cwd(pid) or "?" for pid, parent in procfs.parents().items() if parent == daemon]
    return sorted(where.removeprefix(folder) for where in there)


def _asked(gate: Gatehouse, text: str) -> dict[str, dict[str, object]]:
    """Ask every site of a sites.toml at the port that it names there."""
    found = re.findall(r'\[sites\.(\w+)\].*?PORT = "(\d+)"', text, re.DOTALL)
    ports, before = dict(found), dict(gate.ports)
    try:
        gate.ports = {name: int(port) for name, port in ports.items()}
        return dict(gate.answers())
    finally:
        gate.ports = before


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_shipped_without_a_version_and_goes_back_when_it_fails(site_gate: Gatehouse, what: str) -> None:
    version, before = site_gate.version, len(site_gate.records("reconfigured"))
    changed = _section("one", lambda text: CHANGES[what](site_gate, text))(site_gate.toml)
    sick = _section("two", lambda text: re.sub(r'health = ".*?"', 'health = "http://127.0.0.1:1/"', text))(changed)

    site_gate.home.sites_toml.write_text(sick)
    assert strike(site_gate, (), "tick") == 1, "two cannot be well"
    assert "GATE-404" in site_gate.told[-1]
    assert_whole(site_gate)

    site_gate.home.sites_toml.write_text(changed)
    start_again(site_gate)
    answers = _asked(site_gate, changed)
    assert {answer["version"] for answer in answers.values()} == {version} == {site_gate.version}
    assert {name: answer["site"] for name, answer in answers.items()} == {name: name for name in answers}
    assert len(_children(site_gate)) == len(answers)
    assert len(site_gate.records("reconfigured")) == before + 1
    shown = {"script": ("extra", "second"), "path": ("extra", "other"), "env file": ("told", "hush")}
    if what in shown:
        key, value = shown[what]
        assert answers["one"][key] == value
    if what in ("port", "gone"):
        assert not site_gate.ask("one").get("version"), "its old port is not served any more"


@pytest.mark.parametrize("first", ["sites.toml", "its path"])
def test_a_site_is_added_before_or_after_its_path(site_gate: Gatehouse, first: str) -> None:
    name = "late" if first == "sites.toml" else "early"
    (port,) = gatehouse.free_ports(1)
    section = site_gate.toml[site_gate.toml.index("[sites.one]") : site_gate.toml.index("[sites.two]")]
    section = section.replace("sites.one", f"sites.{name}").replace("sites/one", f"sites/{name}")
    with_it = site_gate.toml + section.replace(str(site_gate.ports["one"]), str(port))
    steps: dict[str, Callable[[], object]] = {
        "sites.toml": lambda: site_gate.home.sites_toml.write_text(with_it),
        "its path": lambda: site_gate.clone().request(name, _files(name)),
    }
    steps.pop(first)()
    start_again(site_gate)
    assert name not in {site["name"] for site in site_gate.json("status")["sites"]}
    for step in steps.values():
        step()
    start_again(site_gate)
    assert _asked(site_gate, with_it)[name]["version"] == site_gate.version
    assert len(_children(site_gate)) == 4


def _files(name: str) -> dict[str, str | None]:
    return {f"sites/{name}/server.js": gatehouse.SERVER, f"sites/{name}/test.sh": "true\n"}


def test_a_site_that_gives_itself_another_name_is_still_found(site_gate: Gatehouse) -> None:
    """Its title is what the kernel and pm2 show of it; what counts is whose child it is, and where it stands."""
    own = f"process.title = 'two';\n{gatehouse.SERVER}"
    site_gate.clone().request("renames", {"sites/one/server.js": own})
    start_again(site_gate)
    assert site_gate.result("renames").state is State.SHIPPED
    assert_whole(site_gate)
    site_gate.clone().request("again", {"sites/two/page.txt": "again\n"})
    start_again(site_gate)
    assert_whole(site_gate)


def test_a_site_that_pm2_was_told_another_name_for_is_put_right(site_gate: Gatehouse) -> None:
    listed = json.loads(_pm2(site_gate, "jlist"))
    one = next(process["pm_id"] for process in listed if process["name"] == "one")
    _pm2(site_gate, "restart", str(one), "--name", "someone")
    assert "someone" in {process["name"] for process in json.loads(_pm2(site_gate, "jlist"))}
    start_again(site_gate)
    assert_whole(site_gate)


def _pm2(gate: Gatehouse, *words: str) -> str:
    env = {**gate.env, "PM2_HOME": str(gate.home.var / "pm2")}
    argv = [str(gatehouse.PM2), *words]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout
