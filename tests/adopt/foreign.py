"""A pm2 that is not the gate's, with sites as people run them: repositories, secrets, uploads, a database."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from gatehouse import PM2, Gatehouse, free_ports

from gatekeeper.sites import procfs
from gatekeeper.sites.pm2 import Pm2

SERVER = """const http = require('http'), fs = require('fs');
%(head)s
let stopping = false;
const server = http.createServer((request, response) => {
  if (stopping) response.setHeader('connection', 'close');
  if (request.url === '/health') { response.statusCode = %(health)s; return response.end('ok'); }
  if (request.url === '/write') fs.writeFileSync('uploads/written', process.env.GATE_VERSION || 'theirs');
  response.end(JSON.stringify({version: process.env.GATE_VERSION || 'theirs', home: process.env.PM2_HOME,
    secret: process.env.SESSION_SECRET, cwd: process.cwd(), args: process.argv.slice(2),
    uploads: fs.existsSync('uploads') ? fs.readdirSync('uploads').sort() : null}));
});
process.on('SIGINT', () => { stopping = true; server.close(() => process.exit(0));
  setInterval(() => server.closeIdleConnections(), 20); setTimeout(() => process.exit(0), 1000).unref(); });
setTimeout(() => server.listen(process.env.PORT, '127.0.0.1', () => process.send && process.send('ready')), %(boot)s);
"""


@dataclass
class Foreign:
    """The folders of the sites, their pm2, and the gate that is to take them."""

    root: Path
    ports: Mapping[str, int]
    env: dict[str, str]
    gate: Gatehouse
    sources: list[str] = field(default_factory=list)

    @property
    def pm2_home(self) -> Path:
        return self.root / "theirs"

    @property
    def pm2(self) -> Pm2:
        return Pm2.at((str(PM2),), self.pm2_home)

    def repository(self, name: str, files: Mapping[str, str]) -> Path:
        """Make a repository with its work tree, and a source for `init`."""
        folder = self.root / "srv" / name
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        for argv in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", f"All of {name}"]):
            subprocess.run(["git", *argv], cwd=folder, env=self.env, check=True)
        self.sources.append(f"{name}={folder}")
        return folder

    def start(self, apps: list[dict[str, object]]) -> None:
        """Start them as people do: an ecosystem file, from a shell with much in its environment."""
        file = self.root / "ecosystem.json"
        file.write_text(json.dumps({"apps": apps}))
        env = {**self.env, "PM2_HOME": str(self.pm2_home), "OF_THE_SHELL": "yes"}
        done = subprocess.run([PM2, "start", file], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    def init(self) -> str:
        argv = [sys.executable, "-m", "gatekeeper", "init", str(self.gate.home.path)]
        argv += [word for source in self.sources for word in ("--from", source)]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        toml = self.gate.home.sites_toml
        toml.write_text(toml.read_text().replace("[verify]", f'[pm2]\ncommand = ["{PM2}"]\n\n[verify]'))
        return done.stdout

    def adopt(self, *args: str) -> subprocess.CompletedProcess[str]:
        return self.gate.cli("adopt", *args)

    def states(self) -> dict[str, str]:
        """Return what their pm2 says of each name."""
        return {one.name: one.status for one in self.pm2.processes()}

    def close(self) -> None:
        daemon = self.pm2.daemon()
        for pid in procfs.family(daemon, procfs.parents()) if daemon else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.gate.close()  # it takes the whole folder away, and with it what their daemon is found by


def app(name: str, folder: Path, port: int, **more: object) -> dict[str, object]:
    """Return an entry of an ecosystem file."""
    env = {"PORT": str(port), "NODE_ENV": "production", "SESSION_SECRET": f"top secret of {name}"}
    return {"name": name, "script": "server.js", "cwd": str(folder), "env": env, **more}


def server(*, head: str = "", health: int = 200, boot: int = 0) -> str:
    return SERVER % {"head": head, "health": health, "boot": boot}


@contextmanager
def foreign(*names: str) -> Iterator[Foreign]:
    """Make the folders; the gate is made by `init`, later."""
    root = Path(tempfile.mkdtemp(prefix="gk-", dir="/tmp"))
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GATE"))}
    env |= {"HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
    for role in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{role}_NAME": "kim", f"GIT_{role}_EMAIL": "kim@example.org"}
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    place = Foreign(root, ports, env, Gatehouse(root, ports, env))
    try:
        yield place
    finally:
        place.close()
