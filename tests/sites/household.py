"""A gate under users of its own, as `setup` makes it: the Librarian, a user for each of two sites, one site without."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from gatehouse import ROOT, free_ports

from gatekeeper.sites import procfs

PM2 = ROOT / "node_modules" / ".bin" / "pm2"
_PATIENCE = 30.0

SERVER = """const http = require('http'), fs = require('fs'), net = require('net'), path = require('path');
const text = fs.readFileSync(path.join(__dirname, 'page.txt'), 'utf8').trim();
if (text.includes('DIES')) process.exit(3);
const tries = JSON.parse(process.env.TRIES || '{}'), said = {};
const note = (name, work) => { try { said[name] = work() || 'DONE'; } catch (error) { said[name] = error.code; } };
for (const [name, file] of Object.entries(tries.write || {})) note(name, () => fs.writeFileSync(file, 'x'));
for (const [name, file] of Object.entries(tries.read || {})) note(name, () => fs.readFileSync(file).length && 'DONE');
for (const [name, folder] of Object.entries(tries.list || {})) note(name, () => fs.readdirSync(folder) && 'DONE');
for (const [name, file] of Object.entries(tries.connect || {})) {
  const line = net.connect(file, () => line.write(Buffer.from(tries.call || '', 'base64')));
  line.on('data', () => { said[name] = 'ANSWERED'; });
  line.on('error', (error) => { said[name] = error.code; }); line.on('close', () => { said[name] ??= 'closed'; });
}
const server = http.createServer((request, response) => {
  response.setHeader('connection', 'close');
  response.end(JSON.stringify({version: process.env.GATE_VERSION, text, uid: process.getuid(), said,
    secret: process.env.SECRET, seeded: fs.existsSync(path.join(__dirname, 'data', 'seed.txt'))}));
});
process.on('SIGINT', () => { server.close(() => process.exit(0)); setTimeout(() => process.exit(0), 500).unref(); });
if (text.includes('NEVER READY')) setInterval(() => {}, 1000);
else server.listen(process.env.PORT, '127.0.0.1', () => process.send && process.send('ready'));
"""
MIGRATE = """const fs = require('fs');
fs.appendFileSync('data/migrated', `${process.getuid()} ${process.env.GATE_VERSION} ${process.env.SECRET}\\n`);
console.log('migrated as', process.getuid());
if (fs.readFileSync('migrations/1.sql', 'utf8').includes('NEVER ENDS')) setInterval(() => {}, 1000);
"""


@dataclass
class Household:
    """The gate and its users; every program runs as one of them, never as root."""

    root: Path
    python: str
    ports: Mapping[str, int]
    users: dict[str, str]
    stewards: dict[str, "subprocess.Popen[str]"] = field(default_factory=dict)

    @property
    def gate(self) -> Path:
        return self.root / "gate"

    @property
    def clone(self) -> Path:
        return self.root / "clone"

    def uid(self, who: str) -> int:
        return pwd.getpwnam(self.users[who]).pw_uid

    def argv(self, who: str, *words: str) -> list[str]:
        user = self.users[who]
        return ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--inh-caps=-all", *words]

    def environment(self, who: str) -> dict[str, str]:
        """Return a clean one: nothing of root's, the package where the user can read it."""
        packages = next(path for path in sys.path if path.endswith("site-packages"))
        names = [f"GIT_{role}_{what}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")]
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.root / f"home-{who}"),
            "PYTHONPATH": f"{ROOT}:{packages}",
            "GATE_AGENT": "agent-a",
            **dict.fromkeys(names, "agent-a@example.test"),
        }

    def run(
        self, who: str, *words: str, ok: bool = True, cwd: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            self.argv(who, *words),
            cwd=cwd or self.root,
            env=self.environment(who),
            capture_output=True,
            text=True,
            check=False,
        )
        assert not ok or done.returncode == 0, (words, done.stdout, done.stderr)
        return done

    def gatekeeper(self, *words: str, ok: bool = True) -> "subprocess.CompletedProcess[str]":
        return self.run("librarian", self.python, "-m", "gatekeeper", "--gate", str(self.gate), *words, ok=ok)

    def git(self, *words: str) -> str:
        return self.run("librarian", "git", *words, cwd=self.clone).stdout.strip()

    def start(self, who: str, *words: str) -> "subprocess.Popen[str]":
        argv = self.argv(who, self.python, "-u", "-m", "gatekeeper", "--gate", str(self.gate), *words)
        return subprocess.Popen(
            argv, cwd=self.root, env=self.environment(who), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def steward(self, site: str) -> str:
        """Start a site's steward; return what it says when it is up."""
        self.stewards[site] = self.start(site, "steward", site)
        pipe = self.stewards[site].stdout
        assert pipe is not None
        return pipe.readline()

    def end(self, site: str, number: int = signal.SIGKILL) -> None:
        process = self.stewards.pop(site)
        process.send_signal(number)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

    def power_off(self) -> None:
        """End every process of these users at once."""
        while pids := self.processes():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for site in tuple(self.stewards):
            self.end(site)

    def add_user(self, who: str, user: str) -> None:
        """Make a Unix user."""
        home = str(self.root / f"home-{who}")
        subprocess.run(["useradd", "--system", "--user-group", "--home-dir", home, user], check=True)
        self.users[who] = user

    def dismiss_user(self, site: str) -> None:
        """End a site's user with all that it runs; what it had is the Librarian's then."""
        while pids := self.processes(site):
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for folder in ("sites", "data"):
            self.give(self.gate / folder / site, "librarian")
        subprocess.run(["userdel", self.users.pop(site)], check=True)

    def processes(self, *who: str) -> list[int]:
        """Return the living processes of these users, of all of them when none is named."""
        uids = {self.uid(one) for one in who or self.users}
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if entry.stat().st_uid in uids and ") Z" not in (entry / "stat").read_text():
                    found.append(int(entry.name))
        return found

    def runs(self, who: str, command: str) -> bool:
        """Tell whether a user's process has this command line."""
        pids = (pid for pid in self.processes() if procfs.title(pid) == command)
        return any(Path(f"/proc/{pid}").stat().st_uid == self.uid(who) for pid in pids)

    def furnish(self, site: str) -> None:
        """Do for one site what `setup` does."""
        for folder, mode in ((self.gate / "sites" / site, 0o711), (self.gate / "data" / site, 0o700)):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
            self.give(folder, site)

    def give(self, folder: Path, who: str) -> None:
        """Make a folder and all in it somebody's."""
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.uid(who), self.uid(who), follow_symlinks=False)

    def configure(self, sites: Mapping[str, str], more: Mapping[str, str] | None = None) -> None:
        """Write sites.toml: which site has which user, "" for none; what else it says."""
        parts = [f'[gate]\nkeep_releases = 3\n[pm2]\ncommand = ["{PM2}"]\n[verify]\nsandbox = "none"\n']
        for name, user in sites.items():
            port = self.ports[name]
            parts.append(
                f'[sites.{name}]\npath = "sites/{name}"\nscript = "server.js"\nwait_ready = true\nboot_check = false\n'
                f'health = "http://127.0.0.1:{port}/"\nhealth_timeout = "4s"\nlisten_timeout = "3s"\nsoak = "100ms"\n'
                f'env_file = "var/env-{name}"\ndata = ["data"]\nwritable = ["cache"]\nenv.PORT = "{port}"\n'
                f"{f'user = {json.dumps(user)}' if user else ''}\n{(more or {}).get(name, '')}\n"
            )
        self.write(self.gate / "sites.toml", "\n".join(parts))

    def write(self, path: Path, text: str) -> None:
        """Write a file of the Librarian's."""
        path.write_text(text)
        path.chmod(0o600)
        os.chown(path, self.uid("librarian"), self.uid("librarian"))

    def request(self, id_: str, files: Mapping[str, str]) -> None:
        """Commit on `release` and push; the push must be taken."""
        self.git("fetch", "-q", "origin", "release")
        self.git("checkout", "-q", "--force", "-B", "work", "FETCH_HEAD")
        self.commit(files, f"Do {id_}")
        self.git("push", "-q", "--force", "origin", f"HEAD:request/{id_}")

    def commit(self, files: Mapping[str, str], message: str) -> None:
        for name, text in files.items():
            path = self.clone / name
            self.run("librarian", "mkdir", "-p", str(path.parent))
            self.write(path, text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)

    def json(self, *words: str) -> dict[str, Any]:
        return dict(json.loads(self.gatekeeper(*words, "--json", ok=False).stdout))

    def states(self) -> dict[str, Any]:
        """Return what status says of each site."""
        return {site["name"]: site for site in self.json("status")["sites"]}

    def answers(self) -> dict[str, dict[str, Any]]:
        return {name: self.ask(name) for name in self.ports}

    def ask(self, name: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/", timeout=3) as reply:
                return dict(json.load(reply))
        except OSError as problem:
            return {"version": None, "problem": str(problem)}

    def versions(self) -> set[str | None]:
        return {answer["version"] for answer in self.answers().values()}

    def until(self, holds: Callable[[], bool]) -> None:
        """Look again and again until it is so; what is waited for is another process."""
        deadline = time.monotonic() + _PATIENCE
        while not holds():
            assert time.monotonic() < deadline, "it never came to be"
            time.sleep(0.05)


def app(names: Sequence[str]) -> dict[str, str]:
    files: dict[str, str] = {}
    for name in names:
        files |= {
            f"sites/{name}/server.js": SERVER,
            f"sites/{name}/migrate.js": MIGRATE,
            f"sites/{name}/page.txt": f"{name} one\n",
            f"sites/{name}/data/seed.txt": "from the tree\n",
        }
    return files


@contextmanager
def household(with_user: Sequence[str], without: Sequence[str]) -> Iterator[Household]:
    """Make the users and the gate; the sites are not live yet. Skips where only root could run this code."""
    python = shutil.which("python3", path="/usr/bin")
    if os.geteuid() != 0 or python is None or not all(one.stat().st_mode & 0o5 == 0o5 for one in ROOT.parents):
        pytest.skip("users can be made by root only, and must be able to read this code")
    root = Path(tempfile.mkdtemp(prefix="gk-", dir="/tmp"))
    names = (*with_user, *without)
    users = {who: f"gk{os.getpid()}{who}"[:31] for who in ("librarian", *names)}
    made = Household(root, python, dict(zip(names, free_ports(len(names)), strict=True)), users)
    try:
        root.chmod(0o755)
        for who, user in users.items():
            home = root / f"home-{who}"
            made.add_user(who, user)
            home.mkdir(mode=0o700)
            os.chown(home, made.uid(who), made.uid(who))
        _build(made, with_user, names)
        yield made
    finally:
        made.power_off()
        for user in tuple(users.values()):
            subprocess.run(["userdel", user], check=False)
        shutil.rmtree(root, ignore_errors=True)


def _build(made: Household, with_user: Sequence[str], names: Sequence[str]) -> None:
    for folder in (made.clone, made.gate):
        folder.mkdir(mode=0o711)
        os.chown(folder, made.uid("librarian"), made.uid("librarian"))
    made.git("init", "-q", "-b", "main")
    made.commit(app(names), "Start")
    made.gatekeeper("init", str(made.gate), "--from", str(made.clone))
    made.git("remote", "add", "origin", str(made.gate / "repo.git"))
    made.gate.chmod(0o711)
    (made.gate / "data").chmod(0o711)
    for name in names:
        made.write(made.gate / "var" / f"env-{name}", f"SECRET=secret-of-{name}\n")
    for name in with_user:
        made.furnish(name)
    made.configure({name: made.users[name] if name in with_user else "" for name in names})
