"""The second part of docs/operating.md, carried out: every command of every page, in their order, on a real gate."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from gatehouse import PM2, ROOT, Gatehouse, build

_BOOK = (ROOT / "docs" / "operating.md").read_text("utf-8").partition("\n## The calendar\n")[2]
PAGES = {page.partition("\n")[0]: page for page in _BOOK.split("\n### ")[1:]}
_STAND_INS = {
    "pip": "exit 0",  # what it would install is what runs
    "editor": 'cp "$WANTED" "$1"',
}


def fences(title: str) -> list[list[str]]:
    """Return the commands of a page, those of each block apart."""
    blocks = re.findall(r"^```console\n(.*?)^```", PAGES[title], re.DOTALL | re.MULTILINE)
    return [re.findall(r"^\$ (.*)$", block, re.MULTILINE) for block in blocks]


class Year:
    """One gate through all that happens to it; a page's commands are run as a person types them."""

    def __init__(self, gate: Gatehouse) -> None:
        self.gate, self.said = gate, ""
        self.wanted = gate.root / "wanted"
        tools = gate.root / "tools"
        tools.mkdir()
        for name, body in _STAND_INS.items():
            (tools / name).write_text(f"#!/bin/sh\n{body}\n")
            (tools / name).chmod(0o755)
        path = os.pathsep.join((str(tools), str(Path(sys.executable).parent), str(PM2.parent), os.environ["PATH"]))
        self.env = {**gate.env, "PATH": path, "EDITOR": "editor", "WANTED": str(self.wanted)}

    def write(self, text: str) -> None:
        """Let the person at the editor write this."""
        self.wanted.write_text(text)

    def run(self, commands: list[str], **words: str) -> str:
        """Run each command with the page's places made this machine's; every one must succeed."""
        here = {"/srv/gate": str(self.gate.home.path), "/srv/app": str(self.gate.root / "app"), **words}
        here |= {"/mnt/backup/gate": str(self.gate.root / "backup")} if "/mnt/backup/gate" not in words else {}
        self.said = ""
        for command in commands:
            line = command
            for place, real in here.items():
                line = line.replace(place, real)
            env = {**self.env, "GATEKEEPER_HOME": str(self.gate.home.path)}
            done = subprocess.run(["bash", "-c", line], env=env, capture_output=True, text=True, check=False, cwd="/")
            assert done.returncode == 0, (command, done.stdout, done.stderr)
            self.said += done.stdout
        return self.said

    def sites(self, change: Mapping[str, str] | None = None) -> str:
        """Return sites.toml with texts of it changed."""
        text = self.gate.toml
        for old, new in (change or {}).items():
            assert old in text
            text = text.replace(old, new)
        return text


@pytest.fixture(scope="module")
def year() -> Iterator[Year]:
    with build(("shop", "web"), absent=("docs",)) as gate:
        text = gate.configure(sites={"shop": 'env_file = "var/env/shop"'}, check="")
        node = gate.root / "node-version"
        node.write_text("v1\n")
        gate.toml = f'{text}\n[verify]\nsandbox = "none"\ntoolchain = [["cat", "{node}"]]\n[limits]\nfree_disk = "1M"\n'
        gate.toml = gate.toml.replace(text[text.index("[sites.docs]") :], "") if "[sites.docs]" in text else gate.toml
        shutil.rmtree(gate.home.path)
        yield Year(gate)


def live(gate: Gatehouse) -> set[str | None]:
    return {gate.ask(name)["version"] for name in ("shop", "web")}


def test_every_page_is_carried_out_as_it_is_written(year: Year) -> None:  # noqa: PLR0915 - a year, in its order
    done = set[str]()

    def page(title: str) -> list[list[str]]:
        done.add(title)
        assert len(PAGES[title].splitlines()) <= 40
        return fences(title)

    gate = year.gate
    (first,) = page("The first day")
    year.write(year.sites({'env_file = "var/env/shop"': ""}))
    assert "release" in year.run(first)
    assert live(gate) == {"v0.1.0"}

    (change,) = page("A new site, and one that changes or goes")
    (gate.home.var / "env").mkdir()
    (gate.home.var / "env" / "shop").write_text("TOLD=old\n")
    (gate.home.var / "env" / "shop").chmod(0o600)
    year.write(year.sites())
    year.run(change)
    assert gate.ask("shop")["told"] == "old"

    (secret,) = page("A secret")
    year.write("TOLD=new\n")
    year.run(secret)
    assert gate.ask("shop")["told"] == "new"

    new_node, daemon = page("A new Node")
    (gate.root / "node-version").write_text("v2\n")
    year.run(new_node)
    year.run(daemon)
    assert live(gate) == {"v0.1.0"}
    gate.clone().request("two", {"sites/shop/page.txt": "shop two\n"})
    gate.tick()
    assert live(gate) == {"v0.1.1"}

    (reboot,) = page("A reboot")
    gate.target().pm2.end()
    assert "2 of 2 healthy" in year.run(reboot)

    (disk,) = page("The disk")
    year.write(year.sites({'free_disk = "1M"': 'free_disk = "1M"\nmax_disk = "1G"'}))
    year.run(disk)
    assert "taken" in gate.cli("doctor").stdout

    (upgrade,) = page("An upgrade of the gate")
    note = gate.home.edition
    note.write_text(note.read_text().replace('"gatekeeper": "', '"gatekeeper": "0.0.'))
    assert "upgraded" in year.run(upgrade)

    (key,) = page("The signing key")
    assert "valid-before" in year.run(key)

    daily, final, there = page("A backup, and a move to another machine")
    year.run(daily)
    year.run(final)
    backup = str(gate.root / "backup")
    moved = replace(gate, root=gate.root / "web2")
    year.gate = moved
    year.run(there, **{"/mnt/backup/gate": backup})
    assert live(moved) == {"v0.1.1"}
    assert moved.ask("shop")["told"] == "new"

    (leave,) = page("Leaving")
    try:
        assert '"***"' in year.run(leave)
        assert "new" not in next(line for line in year.said.splitlines() if "TOLD" in line)
        written = moved.home.path / "ecosystem.json"
        assert (written.stat().st_mode & 0o777, '"TOLD": "new"' in written.read_text()) == (0o600, True)
        assert live(moved) == {"v0.1.1"}
        moved.git("push", "-q", str(moved.home.repo), "HEAD:refs/heads/anything")
        assert moved.cli("tick").returncode == 1
        assert moved.json("audit", "verify")["ok"]

        (hand,) = page("By hand, with no gate at all")
        before = next(path.name for path in gate.home.releases.glob("v0.1.0-*"))
        shutil.copytree(gate.home.releases / before, moved.home.releases / before, symlinks=True)
        year.run(hand, VERSION=before)
        assert moved.ask("shop")["text"] == "shop one"
    finally:
        moved.close()
    assert done == set(PAGES)
