"""A gate in the enforced set-up, as `gatekeeper setup` makes it: own Unix users for the Librarian and for each agent.

The users are made for one test module and removed at its end. The sites are static, so that no pm2 is needed.
"""

import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from secrets import token_hex

import pytest
from gatehouse import Clone, View, free_ports

from gatekeeper.home import Home

ROOT = Path(__file__).parents[1]
AGENTS = ("codex-1", "codex-2")
OPERATOR = "kim"
STRANGER = "stranger"
"""A Unix user who is no agent."""
_PATIENCE = 60.0
_PATH = f"{ROOT}:/usr/local/bin:/usr/bin:/bin:/usr/sbin"


@dataclass(frozen=True)
class User:
    """A Unix user made for the test."""

    name: str
    uid: int
    gid: int

    def command(self, argv: Sequence[str]) -> list[str]:
        """Return `argv` as this user runs it, with no group of anybody else's."""
        ids = ("--reuid", str(self.uid), "--regid", str(self.gid), "--clear-groups")
        return ["setpriv", *ids, "--", *argv]


@dataclass(frozen=True)
class UsersClone(Clone):
    """A work tree of an agent's own; all that is run in it runs as its Unix user."""

    user: User

    def run(self, *argv: str, ok: bool = True) -> "subprocess.CompletedProcess[str]":
        for place in (self.folder, *self.folder.rglob("*")):  # the test writes files as root
            os.chown(place, self.user.uid, self.user.gid, follow_symlinks=False)
        return super().run(*self.user.command(argv), ok=ok)


@dataclass
class Enforced(View):
    """The gate, its users, and its doors."""

    root: Path
    users: Mapping[str, User]
    toml: str = ""
    doors: "subprocess.Popen[str] | None" = None
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Home:
        return Home(self.root / "gate")

    @property
    def librarian(self) -> User:
        return self.users["librarian"]

    @property
    def env(self) -> dict[str, str]:
        """What every program of the gate's finds; `python` puts ours in its way."""
        path = f"{ROOT}:{sysconfig.get_path('purelib')}"
        return {"PATH": _PATH, "HOME": str(self.root / "home"), "PYTHONPATH": path, "LC_ALL": "C.UTF-8"}

    def configure(self, *more: str) -> str:
        """Write sites.toml: two static sites, two agents, an operator, and `more` at its end."""
        parts = ['[gate]\nheartbeat = "15m"\n']
        parts += [f'[sites.{name}]\npath = "sites/{name}"\nmode = "static"\n' for name in ("docs", "blog")]
        for name in (*AGENTS, OPERATOR):
            key = f'ssh_key = "{self.keys[name]}"\n' if name in self.keys else ""
            role = "operator" if name == OPERATOR else "agent"
            parts.append(
                f'[agents.{name}]\nowner = "kim"\nunix_user = "{self.users[name].name}"\n{key}role = "{role}"\n'
            )
        text = "\n".join([*parts, *more])
        self.write(self.home.sites_toml, text)
        return text

    def write(self, path: Path, text: str) -> None:
        """Write a file as the Librarian's user."""
        path.write_text(text)
        os.chown(path, self.librarian.uid, self.librarian.gid)

    def run(
        self, user: User, *argv: str, ok: bool = False, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program as `user`, in a folder that is nobody's."""
        full = {**self.env, **(env or {})}
        argv_ = user.command(argv)
        done = subprocess.run(argv_, cwd="/", env=full, input=stdin, capture_output=True, text=True, check=False)
        assert not ok or done.returncode == 0, (argv, done.stdout, done.stderr)
        return done

    def cli(self, *args: str, user: str = "librarian", ok: bool = False) -> "subprocess.CompletedProcess[str]":
        """Run `gatekeeper` as one of the users."""
        return self.run(self.users[user], *gatekeeper(self.home), *args, ok=ok)

    def tick(self) -> None:
        self.cli("tick", ok=True)

    def git(self, *args: str) -> str:
        """Run git on the gate's repository as the Librarian."""
        return self.run(self.librarian, "git", f"--git-dir={self.home.repo}", *args, ok=True).stdout.strip()

    @property
    def address(self) -> str:
        return f"gate::{self.home.path}"

    def clone(self, agent: str = "codex-1", *, remote: str | None = None) -> UsersClone:
        """Return an agent's clone through the local door, made once, with a fresh branch from `release`."""
        user = self.users[agent]
        folder = self.root / f"clone-{agent}"
        env = {
            "PATH": _PATH,
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_EDITOR": "true",
        }
        for role in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{role}_NAME": agent, f"GIT_{role}_EMAIL": f"{agent}@agents.example"}
        clone = UsersClone(folder, agent, env, user)
        if not folder.exists():
            folder.mkdir(mode=0o700)
            os.chown(folder, user.uid, user.gid)
            clone.git("clone", "-q", "-b", "release", remote or self.address, ".")
        clone.fresh()
        return clone

    @contextmanager
    def door(self, *args: str) -> Iterator["subprocess.Popen[str]"]:
        """Keep a door open: `gatekeeper socket ARGS`, as the Librarian's user."""
        argv = self.librarian.command((*gatekeeper(self.home), "socket", *args))
        with serving(argv, self.env, "is open at") as process:
            yield process

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[str]"]:
        """Have the Librarian run."""
        argv = self.librarian.command((*gatekeeper(self.home), "run"))
        with serving(argv, self.env, "runs; Ctrl-C stops it") as process:
            yield process

    @contextmanager
    def sshd(self) -> Iterator[int]:
        """Run an sshd of our own on a loopback port, with a key for each listed agent; yield the port."""
        port = free_ports(1)[0]
        config = _sshd_config(self, port)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with serving(["/usr/sbin/sshd", "-D", "-e", "-f", str(config)], {"PATH": _PATH}, "Server listening on"):
            yield port

    def ssh(self, agent: str, port: int) -> str:
        """Return what GIT_SSH_COMMAND must be for an agent, or the beginning of an ssh command."""
        known = self.root / "known_hosts"
        options = ("StrictHostKeyChecking=no", f"UserKnownHostsFile={known}", "IdentitiesOnly=yes", "LogLevel=ERROR")
        words = " ".join(f"-o {option}" for option in options)
        return f"ssh -F none -p {port} -i {self.root}/ssh-{agent} {words}"


def ageless(text: str) -> str:
    """Return what a verb printed without how long ago things were: two looks are never at one moment."""
    return re.sub(r"\d+ (s|min) ago", "a moment ago", text)


def ships_while_waited_for(gate: Enforced, clone: UsersClone, argv: Sequence[str], id_: str) -> None:
    """Have a program wait for its request until it says that it stands in the queue, then ship it: it must end well."""
    with subprocess.Popen(argv, cwd=clone.folder, env=clone.env, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        while f"{id_} is queued, number 1 in the queue" not in child.stderr.readline():
            assert child.poll() is None
        gate.tick()
        told = child.stderr.read()
    assert child.returncode == 0, told


@contextmanager
def serving(
    argv: Sequence[str], env: Mapping[str, str], ready: str, *, longest: float = _PATIENCE * 5
) -> Iterator["subprocess.Popen[str]"]:
    """Run a program from when it says `ready` on standard error until SIGTERM; `longest` is in seconds."""
    with subprocess.Popen(argv, cwd="/", env=dict(env), stderr=subprocess.PIPE, text=True) as process:
        guard = threading.Timer(longest, process.kill)
        guard.start()
        assert process.stderr is not None
        said = ""
        try:
            while ready not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            rest = threading.Thread(target=process.stderr.read, daemon=True)
            rest.start()
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_PATIENCE)
            guard.cancel()


def gatekeeper(home: Home) -> tuple[str, ...]:
    return (python(), "-m", "gatekeeper", "--gate", str(home.path))


@cache
def python() -> str:
    """Return a Python that every user may run, and that can import what this one does."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        if _open_to_all(Path(candidate).resolve()) and _same_version(candidate):
            return candidate
    pytest.skip("no Python of this version that other users may run")


def _open_to_all(path: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents)) if path.exists() else False


def _same_version(candidate: str) -> bool:
    done = subprocess.run(
        [candidate, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, check=False
    )
    return done.stdout.decode().strip() == str(sys.version_info[:2])


@contextmanager
def user(name: str, home: Path = Path("/nonexistent")) -> Iterator[User]:
    """Make a Unix user, and remove it at the end; sshd trusts nothing above its home."""
    unique = f"gk-{token_hex(3)}-{name}"[:31]
    options = ("--system", "--no-create-home", "--user-group", "--shell", "/bin/sh", "-p", "*", "-d", str(home))
    retried("useradd", *options, unique)
    try:
        seen = pwd.getpwnam(unique)
        yield User(unique, seen.pw_uid, seen.pw_gid)
    finally:
        retried("userdel", unique)


def retried(*argv: str) -> None:
    """Others may hold the lock of /etc/passwd for a moment."""
    deadline = time.monotonic() + _PATIENCE
    while (done := subprocess.run(argv, capture_output=True, text=True, check=False)).returncode:
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.1)


@contextmanager
def build(*more: str, keys: bool = False, live: bool = True) -> Iterator[Enforced]:
    """Make the gate, its users and its local door; `more` is more of sites.toml, `keys` gives each agent an SSH key.

    `live`: a first heartbeat has shipped v0.1.0. It needs root, to make the users.
    """
    if os.geteuid() != 0 or not _open_to_all(ROOT):
        pytest.skip("it needs root, to make Unix users, and a checkout that they can read")
    python()
    with ExitStack() as stack:
        names = ("librarian", *AGENTS, OPERATOR, STRANGER)
        root = Path(tempfile.mkdtemp(prefix="gk-", dir="/tmp"))
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        root.chmod(0o755)
        users = {name: stack.enter_context(user(name, root / "gate")) for name in names}
        gate = Enforced(root, users)
        _make(gate, *more, keys=keys)
        if live:
            gate.tick()
        gate.doors = stack.enter_context(gate.door())
        yield gate


def _make(gate: Enforced, *more: str, keys: bool) -> None:
    for name in ("home", "gate", "app"):
        (gate.root / name).mkdir()
        os.chown(gate.root / name, gate.librarian.uid, gate.librarian.gid)
    app = gate.root / "app"
    for place in ("docs", "blog"):
        (app / "sites" / place).mkdir(parents=True)
        (app / "sites" / place / "index.html").write_text(f"{place} one\n")
    subprocess.run(["chown", "-R", gate.librarian.name, str(app)], check=True)
    who = ("-c", "user.name=kim", "-c", "user.email=kim@agents.example")
    for argv in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "Start")):
        gate.run(gate.librarian, "git", "-C", str(app), *who, *argv, ok=True)
    gate.run(gate.librarian, python(), "-m", "gatekeeper", "init", str(gate.home.path), "--from", str(app), ok=True)
    if keys:
        gate.keys |= {name: _key(gate, name) for name in (*AGENTS, OPERATOR, STRANGER)}
    gate.write(gate.home.setup_record, '{"v": 1, "name": "test"}\n')
    gate.toml = gate.configure(*more)


def _key(gate: Enforced, name: str) -> str:
    path = gate.root / f"ssh-{name}"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    os.chown(path, gate.users[name].uid, -1)
    return path.with_suffix(".pub").read_text().strip()


def _sshd_config(gate: Enforced, port: int) -> Path:
    host = gate.root / "ssh_host_key"
    if not host.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(host)], check=True)
    config = gate.root / f"sshd_config-{port}"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {host}\nPidFile none\nUsePAM no\nStrictModes yes\n"
        f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nAcceptEnv GIT_PROTOCOL\n"
        f"AuthorizedKeysFile {gate.home.authorized_keys}\nAllowUsers {gate.librarian.name}\n"
        f"PermitTTY no\nDisableForwarding yes\nSetEnv PYTHONPATH={gate.env['PYTHONPATH']}\n"
    )
    return config
