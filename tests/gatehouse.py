"""A whole gate on real Git, bubblewrap and pm2, made small: two or three tiny sites, pushes by path."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatekeeper.config import load
from gatekeeper.home import Home
from gatekeeper.librarian import gates, loop, opening
from gatekeeper.librarian.beat import Beat
from gatekeeper.librarian.door import ourselves
from gatekeeper.model import Decision, Oid, RequestId, Result
from gatekeeper.process import Cancel
from gatekeeper.repo import records, results, spool
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import utc
from gatekeeper.repo.records import Record
from gatekeeper.sites import procfs
from gatekeeper.sites.target import LocalTarget

ROOT = Path(__file__).parents[1]
_PATIENCE = 300.0
PM2 = ROOT / "node_modules" / ".bin" / "pm2"

SERVER = """const http = require('http'), fs = require('fs'), path = require('path');
const read = (name) => { try { return fs.readFileSync(path.join(__dirname, name), 'utf8').trim(); }
  catch { return ''; } };
const text = read('page.txt'), mood = read('data/mood');
if (text.includes('DIES AT BOOT')) process.exit(3);
let stopping = false;
const server = http.createServer((request, response) => {
  if (stopping) response.setHeader('connection', 'close');
  if ((mood && text.includes(`FAILS WHEN ${mood}`)) || text.includes('ALWAYS 500')) response.statusCode = 500;
  const version = text.includes('OTHER VERSION') ? 'v9.9.9' : process.env.GATE_VERSION;
  response.end(JSON.stringify({version, site: process.env.GATE_SITE, text, lib: read('../../lib/words.txt'),
    commit: process.env.GATE_COMMIT, extra: process.env.EXTRA, told: process.env.TOLD}));
});
process.on('SIGINT', () => { stopping = true; server.close(() => process.exit(0));
  setInterval(() => server.closeIdleConnections(), 20); setTimeout(() => process.exit(0), 1000).unref(); });
if (!text.includes('NEVER READY'))
  server.listen(process.env.PORT, '127.0.0.1', () => process.send && process.send('ready'));
else setInterval(() => {}, 1000);
"""
TEST = "! grep BROKEN page.txt\n"
CHECK = """[[checks]]
name = "page"
run = ["sh", "test.sh"]
per_site = true
timeout = "10s"
"""


@dataclass(frozen=True)
class Pushed:
    """What a push ended with; `machine` is the gate's last line."""

    status: int
    text: str

    @property
    def machine(self) -> dict[str, Any]:
        lines = [line.partition("gate: ")[2] for line in self.text.splitlines() if "gate: {" in line]
        assert lines, self.text
        return dict(json.loads(lines[-1]))

    @property
    def code(self) -> str | None:
        return str(self.machine["code"]) if self.machine["code"] else None


@dataclass(frozen=True)
class Clone:
    """An agent's work tree."""

    folder: Path
    agent: str
    env: dict[str, str]

    def run(self, *argv: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(argv, cwd=self.folder, env=dict(self.env), capture_output=True, text=True, check=False)
        assert not ok or done.returncode == 0, (argv, done.stdout, done.stderr)
        return done

    def git(self, *args: str) -> str:
        return self.run("git", *args).stdout.strip()

    def fresh(self) -> None:
        """Start again from `release`."""
        self.git("fetch", "-q", "origin", "release")
        self.git("checkout", "-q", "--force", "-B", "work", "FETCH_HEAD")

    def commit(self, files: Mapping[str, str | None], message: str = "Change it") -> Oid:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink() if text is None else path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return Oid(self.git("rev-parse", "HEAD"))

    def push(self, *refspecs: str) -> Pushed:
        done = self.run("git", "push", "origin", *refspecs, ok=False)
        return Pushed(done.returncode, done.stderr)

    def request(self, id_: str, files: Mapping[str, str | None], message: str | None = None) -> Oid:
        """Commit on `release` and push; the push must be taken."""
        self.fresh()
        return self.again(id_, files, message)

    def again(self, id_: str, files: Mapping[str, str | None], message: str | None = None) -> Oid:
        """Commit on what is there and push; the push must be taken."""
        tip = self.commit(files, message or f"Do {id_}")
        pushed = self.push("--force", f"HEAD:request/{id_}")
        assert pushed.status == 0, pushed.text
        return tip


class View:
    """What a gate's repository says; whoever holds a gate in a test says where it is and how git runs on it."""

    if TYPE_CHECKING:

        @property
        def home(self) -> Home: ...

        def git(self, *args: str) -> str: ...

    def refs(self, prefix: str = "refs/") -> dict[str, str]:
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)", prefix).splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def open(self) -> set[str]:
        """Return the ids of the requests that are open."""
        return {ref.rpartition("/")[2] for ref in self.refs("refs/heads/request/")} - {"_"}

    def result(self, id_: str) -> Result:
        with Git(self.home.repo) as git:
            oid = git.resolve(f"refs/gate/results/{id_}")
            assert oid is not None, f"no result of {id_}"
            return results.read(git, oid)

    def records(self, event: str | None = None) -> list[Record]:
        """Return the records, newest first."""
        with Git(self.home.repo) as git:
            found = [written.record for written in records.walk(git)]
        return [record for record in found if event in (None, record.event)]


@dataclass
class Gatehouse(View):
    """The gate, and what a person at its machine can do."""

    root: Path
    ports: Mapping[str, int]
    env: dict[str, str]
    toml: str = ""
    told: list[str] = field(default_factory=list)
    asks: dict[str, Callable[[int], dict[str, Any]]] = field(default_factory=dict)
    """How a site that runs on another host is asked, by its port."""

    @property
    def home(self) -> Home:
        return Home(self.root / "gate")

    def configure(self, *more: str, gate: str = "", sites: Mapping[str, str] | None = None, check: str = CHECK) -> str:
        """Write sites.toml: `gate` goes into [gate], `sites[name]` into that site, `more` to the end."""
        parts = [f'[gate]\nheartbeat = "15m"\n{gate}\n[pm2]\ncommand = ["{PM2}"]\n', check]
        for name, port in self.ports.items():
            parts.append(
                f'[sites.{name}]\npath = "sites/{name}"\nscript = "server.js"\nuses = [{self.uses(name)}]\n'
                f'wait_ready = true\nenv = {{ PORT = "{port}" }}\nhealth = "http://127.0.0.1:{port}/"\n'
                f'soak = "100ms"\nhealth_timeout = "3s"\ndata = ["data"]\n{(sites or {}).get(name, "")}\n'
            )
        text = "\n".join([*parts, *more])
        self.home.sites_toml.write_text(text)
        return text

    def only_files(self) -> None:
        """Make every site static files, verified by nothing: such a gate needs no process and no sandbox."""
        sites = "".join(f'[sites.{name}]\npath = "sites/{name}"\nmode = "static"\n' for name in self.ports)
        self.home.sites_toml.write_text(
            f'[limits]\nfree_disk = "1M"\n[verify]\nsandbox = "none"\ntoolchain = []\n{sites}'
        )

    def toml_with_short_patience(self, more: str = "") -> None:
        """Have every site given up after two seconds."""
        text = self.configure(sites=dict.fromkeys(self.ports, f'listen_timeout = "1s"\n{more}'))
        self.home.sites_toml.write_text(text.replace('health_timeout = "3s"', 'health_timeout = "2s"'))

    def uses(self, name: str) -> str:
        """The first two sites use `lib`."""
        return '"lib"' if name in list(self.ports)[:2] else ""

    def tick(self, *, clock: Callable[[], float] = time.time) -> Beat:
        """Do one heartbeat in this process."""
        with opening.locked(self.home) as held, closing(Cancel()) as brake:
            return loop.beat_once(self.home, held, brake, self.told.append, clock=clock)

    def decide(self, verb: str, id_: str | None = None, message: str = "because", **args: str) -> Record:
        """Decide as the operator does, without a Librarian, and return the record that it ended in."""
        key = spool.new_key()
        id_ = RequestId(id_) if id_ else None
        decision = Decision(key, verb, ourselves(), utc(time.time()), message, id_, args)
        spool.decide(self.home.spool, decision)
        self.tick()
        return next(r for r in self.records() if r.data.get("decision") == key)

    def cli(self, *args: str, ok: bool = False) -> subprocess.CompletedProcess[str]:
        """Run `gatekeeper` as a program of its own."""
        argv = [sys.executable, "-m", "gatekeeper", "--gate", str(self.home.path), *args]
        done = subprocess.run(argv, env=dict(self.env), capture_output=True, text=True, check=False)
        assert not ok or done.returncode == 0, (args, done.stdout, done.stderr)
        return done

    def json(self, *args: str) -> dict[str, Any]:
        return dict(json.loads(self.cli(*args, "--json").stdout))

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", f"--git-dir={self.home.repo}", *args],
            env=dict(self.env),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (args, done.stdout, done.stderr)
        return done.stdout.strip()

    def clone(self, agent: str = "agent-one") -> Clone:
        """Return an agent's clone, made once."""
        folder = self.root / agent
        env = {**self.env, "GATE_AGENT": agent}
        for role in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{role}_NAME": agent, f"GIT_{role}_EMAIL": f"{agent}@agents.example"}
        clone = Clone(folder, agent, env)
        if not folder.exists():
            folder.mkdir()
            clone.git("clone", "-q", "-b", "release", str(self.home.repo), ".")
        clone.fresh()
        return clone

    def code(self, id_: str) -> str | None:
        reason = self.result(id_).reason
        return reason.code if reason else None

    @property
    def release(self) -> str:
        return self.git("rev-parse", "release")

    @property
    def version(self) -> str:
        return self.git("describe", "--exact-match", "release")

    def answers(self) -> dict[str, dict[str, Any]]:
        """Ask every site."""
        return {name: self.ask(name) for name in self.ports}

    def ask(self, name: str) -> dict[str, Any]:
        if name in self.asks:
            return self.asks[name](self.ports[name])
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/", timeout=3) as reply:
                return dict(json.load(reply))
        except OSError as problem:
            return {"problem": str(problem), "version": None}

    def versions(self) -> set[str | None]:
        """Return the versions that the sites say they run: one, or the lockstep is broken."""
        return {answer["version"] for answer in self.answers().values()}

    def seconds(self, at: str) -> float:
        """Turn an instant of a result or record into seconds since 1970."""
        return datetime.fromisoformat(at).timestamp()

    def mood(self, site: str, mood: str) -> None:
        """Write what only the live site sees: a page that says `FAILS WHEN mood` then answers 500."""
        folder = self.home.data / site / "data"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mood").write_text(mood)

    def tidy(self) -> None:
        """Empty the queue and put sites.toml back, for the next test."""
        self.told.clear()
        for name in self.ports:
            self.mood(name, "good")
        if self.home.sites_toml.read_text() != self.toml:
            self.home.sites_toml.write_text(self.toml)
        if "refs/gate/frozen" in self.refs("refs/gate/"):
            self.decide("thaw")
        for id_ in self.open():
            self.git("update-ref", "-d", f"refs/heads/request/{id_}")
        self.tick()
        assert self.open() == set()

    def target(self) -> LocalTarget:
        """Return the sites as the Librarian reaches them."""
        return gates.fleet(self.home, load.load(self.home.sites_toml)).local

    def switch_by_hand(self, to: Path) -> None:
        """Point `current` elsewhere, as nobody should."""
        draft = self.home.current.with_name("by-hand")
        draft.symlink_to(to)
        draft.rename(self.home.current)

    def close(self) -> None:
        """End the sites and their daemon, each by its process id."""
        with suppress(Exception):
            self.target().stop_all()
        pids = self.pm2_family()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        subprocess.run(["chmod", "-R", "u+w", str(self.root)], check=False)
        shutil.rmtree(self.root, ignore_errors=True)

    def pm2_family(self) -> set[int]:
        """Return the pm2 daemon and its children."""
        with suppress(OSError, ValueError):
            pid = int((self.home.var / "pm2" / "pm2.pid").read_text())
            if "God Daemon" in procfs.title(pid):
                return procfs.family(pid, procfs.parents())
        return set()


@contextmanager
def librarian(gate: Gatehouse) -> Iterator["subprocess.Popen[str]"]:
    """Run the Librarian as a program, and end it as an operator would."""
    argv = [sys.executable, "-u", "-m", "gatekeeper", "--gate", str(gate.home.path), "run"]
    with subprocess.Popen(argv, env=gate.env, stderr=subprocess.PIPE, text=True) as process:
        guard = threading.Timer(_PATIENCE, process.kill)  # so that waiting for its words always ends
        guard.start()
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            guard.cancel()


def until(process: "subprocess.Popen[str]", words: str) -> list[str]:
    """Read the Librarian's lines until one says `words`."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if words in line:
            return seen
    raise AssertionError("".join(seen))


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def app_files(names: Sequence[str]) -> dict[str, str]:
    files = {"lib/words.txt": "words\n"}
    for name in names:
        files |= {
            f"sites/{name}/server.js": SERVER,
            f"sites/{name}/page.txt": f"{name} one\n",
            f"sites/{name}/list.txt": "".join(f"line {number}\n" for number in range(20)),
            f"sites/{name}/test.sh": TEST,
        }
    return files


@contextmanager
def build(
    names: Sequence[str] = ("shop", "shop-admin", "web"),
    *,
    absent: Sequence[str] = (),
    tags: Sequence[str] = (),
    empty: bool = False,
    **options: Any,
) -> Iterator[Gatehouse]:
    """Make a gate with these sites, not live yet; those of `absent` are configured but not in the tree."""
    root = Path(tempfile.mkdtemp(prefix="gk-", dir="/tmp"))
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GATE"))}
    env |= {"HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1", "GIT_EDITOR": "true", "LC_ALL": "C.UTF-8"}
    gate = Gatehouse(root, dict(zip((*names, *absent), free_ports(len(names) + len(absent)), strict=True)), env)
    try:
        _import(gate, {} if empty else app_files(names), tags, empty=empty)
        gate.toml = gate.configure(**options)
        yield gate
    finally:
        gate.close()


def _import(gate: Gatehouse, files: Mapping[str, str], tags: Sequence[str], *, empty: bool) -> None:
    app = Clone(gate.root / "app", "kim", {**gate.env, **_identity("kim")})
    app.folder.mkdir()
    app.git("init", "-q", "-b", "main")
    if not empty:
        app.commit(files, "Start")
    for tag in tags:
        app.git("tag", "-a", "-m", "As it was elsewhere", tag)
    source = () if empty else ("--from", str(app.folder))
    argv = [sys.executable, "-m", "gatekeeper", "init", str(gate.home.path), *source]
    done = subprocess.run(argv, env=dict(gate.env), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _identity(name: str) -> dict[str, str]:
    return {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", f"{name}@agents.example"))
    }
