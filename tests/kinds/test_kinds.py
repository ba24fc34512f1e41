"""Every kind of site on docs/sites.md, through a real gate: first version, a push to live, a rollback.

The sections of sites.toml are taken from the page itself, so that it cannot tell anything that does not work.
"""

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from gatehouse import PM2, ROOT, Gatehouse, build, free_ports

from gatekeeper.model import State

APP = Path(__file__).parent / "app"
PAGE = (ROOT / "docs" / "sites.md").read_text("utf-8")
EDITS = {
    "api": ("sites/api/server.js", "one route", "another route"),
    "store": ("packages/prices/index.js", "one price", "another price"),
    "front": ("sites/front/pages/index.txt", "one page", "another page"),
    "hello": ("sites/hello/server.py", "one snake", "another snake"),
    "pages": ("sites/pages/index.html", "one leaf", "another leaf"),
    "mailer": ("sites/mailer/worker.js", "one letter", "another letter"),
    "legacy": ("sites/legacy/server.js", "one relic", "another relic"),
}
"""For each kind: a file, what it says, and what it is to say after the push."""
ADDRESSES = ("api", "store", "front", "hello", "pages", "legacy")
"""The sites whose ports are 4101 and so on, on the page."""
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or "nginx"


def test_every_section_of_the_page_is_tried() -> None:
    assert set(re.findall(r"^\[sites\.(\S+)]$", PAGE, re.MULTILINE)) == set(EDITS)


@dataclass(frozen=True)
class Story:
    """What each site answered in the first version, after the push and after the rollback, and which process it was."""

    first: Mapping[str, str]
    pushed: Mapping[str, str]
    back: Mapping[str, str]
    before: Mapping[str, int]
    after: Mapping[str, int]
    """The processes before and after a ship that changed one site."""


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    """One gate with every kind; all of them change with one push, go back, and then one changes alone."""
    with kinds() as gate, nginx(gate):
        ship(gate, "all", {})
        first = answers(gate)
        ship(gate, "changes", EDITS)
        pushed = answers(gate)
        gate.cli("rollback", "-m", "as it was", ok=True)
        back, before = answers(gate), pids(gate)
        ship(gate, "one-site", {"legacy": EDITS["legacy"]})
        yield Story(first, pushed, back, before, pids(gate))


@pytest.mark.parametrize("kind", EDITS)
def test_push_to_live_and_back(story: Story, kind: str) -> None:
    _, was, becomes = EDITS[kind]
    if kind == "front":
        was, becomes = was.upper(), becomes.upper()
    assert was in story.first[kind]
    assert becomes in story.pushed[kind]
    assert was in story.back[kind]


def test_a_virtual_environment_is_the_sites_own(story: Story) -> None:
    assert story.first["hello"] == "200 hello from a wheel one snake True"


def test_a_cache_begins_empty_in_each_release(story: Story) -> None:
    assert "OLD CACHE" not in story.pushed["front"]


def test_a_worker_is_told_its_version_and_keeps_its_folder(story: Story) -> None:
    assert story.first["mailer"] == "one letter as v0.1.1"
    assert story.pushed["mailer"] == "another letter as v0.1.2"


def test_secrets_uploads_and_the_table_of_health(story: Story) -> None:
    assert story.first["legacy"] == "203 one relic, well, start 1, token of 12"
    assert story.back["legacy"].startswith("203 one relic, well, start 3")


def test_a_site_that_did_not_change_keeps_its_process(story: Story) -> None:
    assert {name for name, pid in story.before.items() if story.after[name] != pid} == {"legacy"}


@contextmanager
def kinds() -> Iterator[Gatehouse]:
    """Make an empty gate, and a sites.toml out of the page, on free ports."""
    with build((), empty=True) as gate:
        gate.ports = dict(zip(ADDRESSES, free_ports(len(ADDRESSES)), strict=True))
        text = "\n".join(re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
        for number, port in enumerate(gate.ports.values(), 4101):
            text = text.replace(str(number), str(port))
        gate.home.sites_toml.write_text(f'[pm2]\ncommand = ["{PM2}"]\n\n{text}')
        secrets = gate.home.var / "env" / "legacy"
        secrets.parent.mkdir(mode=0o700)
        secrets.write_text("API_TOKEN=very secret!\n")
        secrets.chmod(0o600)
        gate.tick()
        yield gate


def ship(gate: Gatehouse, id_: str, edits: Mapping[str, tuple[str, str, str]]) -> None:
    """Push these edits, or with none the whole tree, and see them live."""
    clone = gate.clone()
    if not edits:
        shutil.copytree(APP, clone.folder, dirs_exist_ok=True)
        wheel(clone.folder / "sites" / "hello" / "wheels")
    for path, was, becomes in edits.values():
        file = clone.folder / path
        file.write_text(file.read_text().replace(was, becomes))
    clone.commit({}, f"Do {id_}")
    pushed = clone.push(f"HEAD:request/{id_}")
    assert pushed.status == 0, pushed.text
    beat = gate.tick()
    assert gate.result(id_).state is State.SHIPPED, (gate.result(id_).reason, beat.alarms, gate.told)


def wheel(folder: Path) -> None:
    """Write a package as small as one can be, for a machine without a registry."""
    folder.mkdir()
    about = "greeting-1.0.dist-info"
    with zipfile.ZipFile(folder / "greeting-1.0-py3-none-any.whl", "w") as file:
        file.writestr("greeting.py", 'TEXT = "hello from a wheel"\n')
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")


@contextmanager
def nginx(gate: Gatehouse) -> Iterator[None]:
    """Run nginx as the page has it, as a process of our own."""
    told = re.search(r"^```nginx\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert told is not None
    server = told[1].replace("4105", str(gate.ports["pages"])).replace("/srv/gate", str(gate.home.path))
    folder = gate.root / "nginx"
    folder.mkdir()
    scratch = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    conf = f"daemon off; {user} pid {folder}/pid; events {{}} http {{ access_log off; {scratch} {server} }}"
    (folder / "nginx.conf").write_text(conf)
    argv = [NGINX, "-c", f"{folder}/nginx.conf", "-p", str(folder), "-e", f"{folder}/errors"]
    with subprocess.Popen(argv) as process:
        try:
            until(lambda: hears(gate.ports["pages"]), (folder / "errors").read_text)
            yield
        finally:
            process.terminate()


def answers(gate: Gatehouse) -> dict[str, str]:
    """Ask every site; the worker is not asked but looked at."""
    said = {name: ask(port, name) for name, port in gate.ports.items()}
    sent = gate.home.data / "mailer" / "outbox" / "sent"
    until(lambda: sent.exists() and gate.version in sent.read_text(), lambda: f"no letter of {gate.version}")
    return {**said, "mailer": sent.read_text()}


def ask(port: int, name: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Host": f"{name}.example"})
    with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - http, as written above
        return f"{reply.status} {reply.read().decode().strip()}"


def hears(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(holds: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.05)


def pids(gate: Gatehouse) -> dict[str, int]:
    return {one.name: one.pid for one in gate.target().pm2.processes()}
