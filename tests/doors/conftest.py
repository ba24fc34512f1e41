"""The doorway behind the SSH door's own program, without sshd: what it serves is what a key would get."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hooks.doorway import Answer, Clone, Door

from gatekeeper.home import Home
from hooks import doorway

AGENTS = (
    '[agents.codex-1]\nowner = "kim"\n[agents.codex-2]\nowner = "kim"\n[agents.kim]\nowner = "kim"\nrole = "operator"\n'
)
SITES = "".join(f'[sites.{name}]\npath = "sites/{name}"\nmode = "static"\n' for name in doorway.SITES)


@dataclass
class Behind:
    """A gate, a clone of it, and programs that put the clone's git through the door."""

    door: Door
    clone: Clone

    @property
    def home(self) -> Home:
        return Home(self.door.home)

    def configure(self, agents: str = AGENTS, sites: str = SITES) -> None:
        self.home.sites_toml.write_text(agents + sites)

    def program(self, service: str, agent: str) -> Path:
        place = self.home.path.parent / f"{service}-{agent}"
        run = f"exec {sys.executable} -m gatekeeper --gate {self.home.path} shell {agent}"
        place.write_text(f'#!/bin/sh\nSSH_ORIGINAL_COMMAND="git-{service} /etc" {run}\n')
        place.chmod(0o755)
        return place

    def push(self, *args: str, agent: str = "codex-1", clone: Clone | None = None) -> Answer:
        """Push through the door as `agent`."""
        program = self.program("receive-pack", agent)
        return (clone or self.clone).try_(("git", "push", f"--receive-pack={program}", "origin", *args))

    def file(self, id_: str, agent: str = "codex-1") -> Answer:
        self.clone.commit(f"Fix {id_}")
        return self.push("--force", f"HEAD:request/{id_}", agent=agent)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    doorway.build(folder)
    return folder


@pytest.fixture
def behind(built: Path, tmp_path: Path) -> Behind:
    door, clone = doorway.copied(built, tmp_path)
    found = Behind(door, clone)
    found.configure()
    return found
