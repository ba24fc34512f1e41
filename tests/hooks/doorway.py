"""A real gate without a Librarian: a bare repository with the installed hooks, a policy, and clones that push."""

import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gatekeeper.config import policy
from gatekeeper.config.schema import Agent, Config, Gate, Limits, Site
from gatekeeper.config.standing import Mode
from gatekeeper.repo import create, hooks

SITES = ("admin", "api", "blog", "docs", "shop", "web")

# Each commit has a second of its own: the same change twice is two commits, however fast the machine.
_SECONDS = itertools.count(int(time.time()) - 86_400)


def environment(home: Path) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GATE"))}
    env |= {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "GIT_EDITOR": "true", "LC_ALL": "C.UTF-8"}
    for role in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{role}_NAME": "codex-1", f"GIT_{role}_EMAIL": "codex-1@agents.example"}
    return env


@dataclass
class Answer:
    """What a push ended with; `lines` are the gate's own, without Git's `remote: ` and its padding."""

    status: int
    lines: list[str]
    raw: str

    @property
    def machine(self) -> dict[str, Any]:
        assert self.lines, self.raw
        assert self.lines[-1].startswith("gate: "), self.raw
        return dict(json.loads(self.lines[-1].removeprefix("gate: ")))

    @property
    def code(self) -> str | None:
        code: str | None = self.machine["code"]
        return code

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass
class Clone:
    """One agent's work tree."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def run(self, *argv: str, ok: bool = True, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(argv, cwd=self.folder, env=self.env, input=stdin, capture_output=True, check=False)
        assert not ok or done.returncode == 0, (argv, done.stdout, done.stderr)
        return done

    def git(self, *args: str, stdin: bytes = b"") -> str:
        return self.run("git", *args, stdin=stdin).stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, message: str = "Fix the login redirect loop", files: Mapping[str, str] | None = None) -> str:
        """Commit `files` (default: a change of the shop) on a branch of its own from `release`."""
        self.write({"sites/shop/cart.js": f"{message}\n"} if files is None else files)
        self.git("add", "-A")
        dated = Clone(self.folder, self.env | {"GIT_COMMITTER_DATE": f"@{next(_SECONDS)} +0000"})
        dated.git("commit", "-q", "--allow-empty", "--allow-empty-message", "--cleanup=verbatim", "-m", message)
        return self.git("rev-parse", "HEAD")

    def fresh(self) -> None:
        """Go back to `release`, as another agent with a new branch would."""
        self.git("fetch", "-q", "origin", "release")
        self.git("checkout", "-q", "--force", "-B", "work", "FETCH_HEAD")

    def push(self, *args: str, agent: str | None = None) -> Answer:
        env = self.env if agent is None else {**self.env, "GATE_AGENT": agent}
        return Clone(self.folder, env).try_(("git", "push", "origin", *args))

    def try_(self, argv: tuple[str, ...]) -> Answer:
        done = self.run(*argv, ok=False)
        raw = done.stderr.decode()
        lines = [line.removeprefix("remote: ").rstrip() for line in raw.splitlines() if line.startswith("remote: ")]
        return Answer(done.returncode, [line for line in lines if line], raw)


@dataclass
class Door:
    """The gate's home, and how to change what its hooks go by."""

    home: Path
    config: Config

    @property
    def repo(self) -> Clone:
        return Clone(self.home / "repo.git", environment(self.home))

    def set(self, taken_out: tuple[Any, ...] = (), mode: Mode = "advisory", **sections: Any) -> None:
        fields = {name: getattr(self.config, name) for name in Config.__struct_fields__} | sections
        policy.write(self.home, policy.compile_policy(Config(**fields), taken_out, mode=mode))

    def refs(self) -> list[str]:
        return self.repo.git("for-each-ref", "--format=%(refname)").splitlines()

    def spool(self, event: str) -> list[dict[str, Any]]:
        files = sorted((self.home / "var" / "spool").glob("[!.]*.json"))
        return [entry for path in files if (entry := json.loads(path.read_text()))["event"] == event]

    def result(self, id_: str, **headers: str) -> None:
        """Write a result as the Librarian does."""
        body = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
        tree = self.repo.git("hash-object", "-w", "-t", "tree", "--stdin")
        oid = self.repo.git("commit-tree", tree, "-m", f"request {id_}\n\n{body}")
        self.repo.git("update-ref", f"refs/gate/results/{id_}", oid)


def build(tmp: Path) -> None:
    """Make a gate with six sites, live on v1.4.1, and a clone of it."""
    home, repo = tmp / "gate", Clone(tmp / "gate" / "repo.git", environment(tmp))
    (home / "var").mkdir(parents=True)
    create.create(repo.folder)
    hooks.install(home)
    seed = Clone(tmp / "seed", environment(tmp))
    seed.folder.mkdir()
    seed.git("init", "-q", "-b", "main")
    files = {f"sites/{name}/cart.js": "1\n" for name in SITES} | {".github/ci.yml": "1\n", "lib/a.js": "1\n"}
    seed.commit("Start", files)
    repo.git("fetch", "-q", str(seed.folder), "main:refs/heads/release")
    repo.git("tag", "-a", "-m", "Start", "v1.4.1", "release")
    work = Clone(tmp / "work", environment(tmp))
    work.folder.mkdir()
    work.git("clone", "-q", "-b", "release", str(repo.folder), ".")


def copied(built: Path, tmp: Path) -> tuple[Door, Clone]:
    """Copy what `build` made, so that each test has a gate and a clone of its own."""
    shutil.copytree(built, tmp, dirs_exist_ok=True, symlinks=True)
    sites = {name: Site(path=f"sites/{name}", script="server.js") for name in SITES}
    door = Door(tmp / "gate", Config(gate=Gate(), limits=Limits(), sites=sites))
    door.set()
    work = Clone(tmp / "work", environment(tmp))
    work.git("remote", "set-url", "origin", str(door.home / "repo.git"))
    return door, work


def agent(**fields: Any) -> Agent:
    return Agent(**{"owner": "kim", **fields})
