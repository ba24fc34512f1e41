import os
import shutil
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from gatekeeper.model import Oid, SiteName, Version
from gatekeeper.sites import procfs
from gatekeeper.sites.pm2 import Pm2
from gatekeeper.sites.run import HealthCheck, SiteRun, Stamp
from gatekeeper.sites.target import LocalTarget

PM2 = Path(__file__).parents[2] / "node_modules" / ".bin" / "pm2"

GOOD = """const http = require('http'); let stopping = false;
const server = http.createServer((request, response) => {
  if (stopping) response.setHeader('connection', 'close');
  response.end(JSON.stringify({version: process.env.GATE_VERSION, site: process.env.GATE_SITE, pid: process.pid,
    extra: process.env.EXTRA, seen: Object.keys(process.env)}));
});
process.on('SIGINT', () => { stopping = true; server.close(() => process.exit(0));
  setInterval(() => server.closeIdleConnections(), 20); setTimeout(() => process.exit(0), 1000).unref(); });
server.listen(process.env.PORT, '127.0.0.1', () => process.send && process.send('ready'));
"""
DIES = "process.exit(3);\n"
HANGS = "setInterval(() => {}, 1000);\n"
FAILS = GOOD.replace("  if (stopping)", "  response.statusCode = 500;\n  if (stopping)")
LIES = GOOD.replace("process.env.GATE_VERSION", "'v9.9.9'")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stamp(version: str) -> Stamp:
    return Stamp(Version(version), Oid(version.encode().hex().ljust(40, "0")))


@dataclass
class World:
    """A gate's `live` folder and a pm2 daemon of its own, in a folder short enough for a socket."""

    root: Path
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def current(self) -> Path:
        return self.root / "live" / "current"

    @property
    def pm2(self) -> Pm2:
        return Pm2.at([str(PM2)], self.root / "pm2")

    @property
    def target(self) -> LocalTarget:
        return LocalTarget(self.pm2, self.current, self.root / "ecosystem.json")

    def release(self, version: str, **scripts: str) -> Path:
        """Write a release and switch to it by one rename, as a ship does."""
        folder = self.root / "live" / "releases" / version
        for name, script in scripts.items():
            site = folder / "sites" / name.replace("_", "-")
            site.mkdir(parents=True)
            (site / "server.js").write_text(script)
        self.switch(folder)
        return folder

    def switch(self, folder: Path) -> None:
        link = self.current.with_name(".current.new")
        link.symlink_to(folder)
        link.rename(self.current)

    def run(self, name: str, **changes: object) -> SiteRun:
        port = self.ports.setdefault(name, free_port())
        cwd = self.current / "sites" / name
        run = SiteRun(
            name=SiteName(name),
            cwd=cwd,
            script=cwd / "server.js",
            wait_ready=True,
            env={"PORT": str(port)},
            health=HealthCheck(f"http://127.0.0.1:{port}/"),
            health_timeout=8.0,
            soak=0.2,
        )
        return replace(run, **changes)

    def close(self) -> None:
        with suppress(Exception):
            self.target.stop_all()
        daemon = self.pm2.daemon()
        for pid in procfs.family(daemon, procfs.parents()) if daemon else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)
