"""Two deploy tools set up as their manuals say: capistrano, and `pm2 deploy` of six sites; each with its own six sites.

Both come in over an sshd of ours on loopback, as whoever runs this, and serve from a pm2 daemon of their own. A site
is of the new version when it answers with the page that was committed last.
"""

import getpass
import json
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import push_to_live as live

_SSHD = Path("/usr/sbin/sshd")
_CAPFILE = """require "capistrano/setup"
require "capistrano/deploy"
require "capistrano/scm/git"
install_plugin Capistrano::SCM::Git
"""
_DEPLOY_RB = """set :application, "app"
set :repo_url, "{repo}"
set :branch, "release"
set :deploy_to, "{target}"
set :log_level, :info
server "127.0.0.1", user: "{user}", roles: %w[app],
  ssh_options: {{ port: {port}, keys: ["{key}"], auth_methods: %w[publickey], verify_host_key: :never, config: false }}
namespace :deploy do
  task :reload_sites do
    on roles(:app) do
      execute "pm2", "startOrReload", "{ecosystem}"
    end
  end
  after :publishing, :reload_sites
  after :finishing_rollback, :reload_sites
end
"""


@dataclass(frozen=True)
class Rival:
    """One tool with its checkout, its ports and its commands: all of `deploy` in a row is one deployment."""

    clone: Path
    ports: tuple[int, ...]
    env: dict[str, str]
    deploy: tuple[tuple[str, ...], ...]
    rollback: tuple[str, ...] = ()

    def ship(self, number: int) -> tuple[float, float]:
        """Commit, push and deploy; return the seconds until all six serve it, and from the first to the last."""
        for site in live.SITES:
            (self.clone / "sites" / site / "page.txt").write_text(f"round {number}\n")
        live.git(self.clone, "commit", "-qam", f"Round {number}")
        began = time.perf_counter()
        live.git(self.clone, "push", "-q", "origin", "HEAD:release")
        return self._until_served(began, f"round {number}", self.deploy)

    def back(self, to: int) -> float:
        """Roll back; return the seconds until all six serve that round, to which the tool goes by itself."""
        return self._until_served(time.perf_counter(), f"round {to}", (self.rollback,))[0]

    def _until_served(self, began: float, text: str, commands: tuple[tuple[str, ...], ...]) -> tuple[float, float]:
        first: float | None = None
        for argv in commands:
            with subprocess.Popen(
                argv, cwd=self.clone, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            ) as process:
                while process.poll() is None:
                    first = first or (time.perf_counter() if text in self._served() else None)
                assert process.stderr is not None
                if process.returncode:
                    raise RuntimeError(f"{argv} ended with {process.returncode}: {process.stderr.read()[-500:]}")
        served = self._served()
        if set(served) != {text}:
            raise RuntimeError(f"{commands[0]} deployed and the sites serve {served}")
        now = time.perf_counter()
        return now - began, now - (first or now)

    def _served(self) -> list[str]:
        found = []
        for port in self.ports:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as reply:
                    found.append(str(json.load(reply)["text"]))
            except OSError:
                found.append("")
        return found


@contextmanager
def capistrano(folder: Path) -> Iterator[Rival]:
    """Its deploy task, with one `pm2 startOrReload` of all six behind it."""
    with _ground(folder) as (clone, ports, env, key, port):
        target, ecosystem = folder / "target", folder / "ecosystem.json"
        ecosystem.write_text(json.dumps({"apps": _apps(target / "current" / "sites", ports)}))
        where = {"repo": folder / "app.git", "target": target, "user": getpass.getuser(), "port": port, "key": key}
        (clone / "config" / "deploy").mkdir(parents=True)
        (clone / "Capfile").write_text(_CAPFILE)
        (clone / "config" / "deploy.rb").write_text(_DEPLOY_RB.format(**where, ecosystem=ecosystem))
        (clone / "config" / "deploy" / "production.rb").write_text("")
        yield Rival(clone, ports, env, (("cap", "production", "deploy"),), ("cap", "production", "deploy:rollback"))


@contextmanager
def pm2_deploy(folder: Path) -> Iterator[Rival]:
    """One deploy section a site, as each is an application of its own there; one command a site."""
    with _ground(folder) as (clone, ports, env, key, port):
        commands = []
        for site, app in zip(live.SITES, _apps(Path("sites"), ports), strict=True):
            target, ecosystem, conf = folder / site, folder / f"{site}.json", folder / f"{site}.deploy.json"
            app["cwd"] = str(target / "current" / "sites" / site)
            ecosystem.write_text(json.dumps({"apps": [app]}))
            deploy = {
                "user": getpass.getuser(),
                "host": "127.0.0.1",
                "port": str(port),
                "key": str(key),
                "ssh_options": ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"],
                "ref": "origin/release",
                "repo": str(folder / "app.git"),
                "path": str(target),
                "post-deploy": f"pm2 startOrReload {ecosystem}",
            }
            conf.write_text(json.dumps({"apps": [app], "deploy": {"production": deploy}}))
            _done(["pm2", "deploy", str(conf), "production", "setup"], clone, env)
            commands.append(("pm2", "deploy", str(conf), "production"))
        yield Rival(clone, ports, env, tuple(commands))


@contextmanager
def _ground(folder: Path) -> Iterator[tuple[Path, tuple[int, ...], dict[str, str], Path, int]]:
    """Yield a clone with six sites, their ports, an environment with a pm2 of its own, and key and port of an sshd."""
    clone, repo, port, key = folder / "clone", folder / "app.git", live.free_ports(1)[0], folder / "key"
    for site in live.SITES:
        (clone / "sites" / site).mkdir(parents=True)
        (clone / "sites" / site / "server.js").write_text(live.SERVER)
        (clone / "sites" / site / "page.txt").write_text("start\n")
    live.git(folder, "init", "-q", "-b", "release", str(clone))
    live.git(clone, "add", ".")
    live.git(clone, "commit", "-qm", "Start")
    live.git(folder, "clone", "-q", "--bare", str(clone), str(repo))
    live.git(clone, "remote", "add", "origin", str(repo))
    for name in (key, folder / "host"):
        live.run("ssh-keygen", "-q", "-t", "ecdsa", "-m", "PEM", "-N", "", "-f", str(name))
    env = {**live.environment(), "PM2_HOME": str(folder / "pm2"), "PM2_CONCURRENT_ACTIONS": "6"}
    told = " ".join(f"{name}={env[name]}" for name in ("PATH", "PM2_HOME", "PM2_CONCURRENT_ACTIONS"))
    (folder / "sshd").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nAuthorizedKeysFile {key}.pub\n"
        f"PermitRootLogin prohibit-password\nSetEnv {told}\n"
    )
    argv = [str(_SSHD), "-D", "-e", "-f", str(folder / "sshd")]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, env={"PATH": "/usr/bin:/bin:/usr/sbin"}) as sshd:
        assert sshd.stderr is not None
        try:
            while b"listening on" not in (line := sshd.stderr.readline()):
                if not line:
                    raise RuntimeError("sshd did not start")
            threading.Thread(target=sshd.stderr.read, daemon=True).start()
            yield clone, live.free_ports(len(live.SITES)), env, key, port
        finally:
            sshd.terminate()
            subprocess.run(["pm2", "kill"], env=env, capture_output=True, check=False)


def _apps(folder: Path, ports: tuple[int, ...]) -> list[dict[str, object]]:
    return [
        {
            "name": site,
            "cwd": str(folder / site),
            "script": "server.js",
            "exec_mode": "cluster",
            "instances": 1,
            "wait_ready": True,
            "env": {"PORT": str(port)},
        }
        for site, port in zip(live.SITES, ports, strict=True)
    ]


def _done(argv: list[str], folder: Path, env: dict[str, str]) -> None:
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{argv} ended with {done.returncode}: {done.stdout[-500:]} {done.stderr[-500:]}")


RIVALS = {"capistrano": capistrano, "`pm2 deploy` of six": pm2_deploy}
"""By the name that the table has for each."""


def missing() -> dict[str, str]:
    """Return which cannot be set up here, and why."""
    if not _SSHD.exists():
        return dict.fromkeys(RIVALS, "there is no sshd")
    return {} if shutil.which("cap") else {"capistrano": "it is not installed: benchmarks/peers"}
