"""Makes a machine a host: what that takes, as a plan, and carrying it out through the operator's own SSH.

Nothing is installed from anywhere else, and the key that is left there opens one program.
"""

import base64
import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from gatekeeper import process
from gatekeeper.errors import Exit, GateError, printable
from gatekeeper.home import Home
from gatekeeper.hosts import far, parcel
from gatekeeper.hosts.line import libraries
from gatekeeper.repo.export import write_file
from gatekeeper.sites.run import Machine

_PATIENCE = 120.0
_MIB = 1 << 20
_PROGRAMS = {"git": "apt-get install git", "node": "apt-get install nodejs", "pm2": "npm install --global pm2@7"}


class Step(Struct, frozen=True):
    """One thing that a host needs: "done" already, "do", or "missing", which only its operator can put right."""

    state: str
    what: str
    fix: str = ""


class Visit(Struct, frozen=True):
    """The operator's own connection to a host, and the key that the host showed."""

    connection: Any
    address: str
    """As known_hosts files name it."""
    host_key: str
    """Its type and its text."""


class Enrolment:
    """What `gatekeeper host add` does for one host; `pm2` is how pm2 is called there."""

    def __init__(self, home: Home, machine: Machine, pm2: str) -> None:
        self._home, self._machine = home, machine
        self._user = machine.ssh.rpartition("@")[0]
        self._pm2 = pm2
        self._mark = f"gatekeeper:{machine.name}:{machine.home}"

    def plan(self, visit: Visit) -> tuple[Step, ...]:
        """Look at the host, and return what it has and what it needs. Changes nothing."""
        seen = self._run(visit, "look")
        return (*self._programs(seen), *self._ours(visit, seen))

    def apply(self, visit: Visit) -> None:
        """Carry it out; again does no harm. The key that the host showed is the one that counts from now on."""
        tar, _ = parcel.packed()
        self._own_key()
        self._run(visit, "install", tar)
        self._know(visit)

    def remove(self, visit: Visit) -> None:
        """Take the key and the program away; what sites keep and the releases stay."""
        self._run(visit, "remove")

    @property
    def _line(self) -> str:
        """The line of authorized_keys."""
        public = self._home.host_key.with_suffix(".pub")
        key = " ".join(public.read_text("ascii").split()[:2]) if public.exists() else "(a new key)"
        program = shlex.quote(str(self._machine.home / "program" / "run.py"))
        return f'restrict,command="python3 -I {program}" {key} {self._mark}'

    def _programs(self, seen: Mapping[str, Any]) -> Iterator[Step]:
        ours = list(sys.version_info[:2])
        if seen["python"] == ours:
            yield Step("done", f"Python {ours[0]}.{ours[1]}")
        else:
            had, wanted = (".".join(map(str, version)) for version in (seen["python"], ours))
            what = f"Python is {had} there and {wanted} here, and the program needs the same"
            yield Step("missing", what, f"Install Python {wanted} there as python3")
        if seen["machine"] != platform.machine():
            what = f"it is a {seen['machine']}, and this machine a {platform.machine()}"
            yield Step("missing", what, "Use a host of the same kind")
        for name, fix in _PROGRAMS.items():
            said = seen[name]
            yield Step("done", f"{name}: {said}") if said else Step("missing", f"{name} is not on the PATH of SSH", fix)

    def _ours(self, visit: Visit, seen: Mapping[str, Any]) -> Iterator[Step]:
        tar, digest = parcel.packed()
        place = self._machine.home
        if seen["user"] is None:
            yield Step("missing", f"there is no user {self._user}", f"useradd --create-home --system {self._user}")
        elif not seen["ours"]:
            yield Step("missing", f"this login may not change what is {self._user}'s", "Give --as root@HOST")
        if not seen["writable"]:
            yield Step(
                "missing", f"this login may not make {place}", f"install -d -o {self._user} {place}, or --as root@HOST"
            )
        yield Step("done" if seen["home"] else "do", f"the folder {place}")
        size = f"{len(tar) / _MIB:.1f} MiB, digest {digest[:12]}"
        yield Step("done" if seen["digest"] == digest else "do", f"this gatekeeper in {place}/program ({size})")
        yield Step("done" if seen["key"] else "do", "a key of the gate's that runs it, and opens nothing else")
        known = visit.host_key in _known(self._home, visit.address)
        yield Step("done" if known else "do", f"its own key, {fingerprint(visit.host_key)}, known to the gate")

    def _own_key(self) -> None:
        key = self._home.host_key
        if not key.exists():
            argv = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key))
            done = process.run(argv)
            if not done.ok:
                raise GateError(f"ssh-keygen failed: {done.errors.decode('utf-8', 'replace').strip()}")

    def _know(self, visit: Visit) -> None:
        path = self._home.known_hosts
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        others = [line for line in lines if line.split(" ")[0] != visit.address]
        content = "".join(f"{line}\n" for line in (*others, f"{visit.address} {visit.host_key}"))
        write_file(path, content.encode(), mode=0o600)

    def _run(self, visit: Visit, verb: str, sent: bytes = b"") -> dict[str, Any]:
        asked = {
            "home": str(self._machine.home),
            "user": self._user,
            "pm2": self._pm2,
            "line": self._line,
            "mark": self._mark,
        }
        argv = ("python3", "-I", "-c", Path(far.__file__).read_text("utf-8"), verb, json.dumps(asked))
        channel = visit.connection.transport.open_session(timeout=_PATIENCE)
        try:
            channel.settimeout(_PATIENCE)
            channel.exec_command(shlex.join(argv))
            channel.sendall(sent)
            channel.shutdown_write()
            said, wrong = channel.makefile("rb").read(), channel.makefile_stderr("rb").read()
            status = channel.recv_exit_status()
        except (OSError, EOFError) as problem:
            raise _failed(self._machine, str(problem) or type(problem).__name__) from problem
        finally:
            channel.close()
        if status != 0:
            last = wrong.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"status {status}"]
            raise _failed(self._machine, printable(last[0], 300))
        return dict(json.loads(said))


def visit(machine: Machine, *, login: str | None, host_key: str | None) -> Visit:
    """Connect as the operator does: with their keys, agent and known hosts. `host_key` is a fingerprint to accept.

    Raises GateError when that fails; for a host that nobody knows yet with its fingerprint.
    """
    fabric, paramiko = libraries()

    class Shown(paramiko.MissingHostKeyPolicy):  # type: ignore[misc, name-defined]
        """Takes a key that is not known only when the operator has named it."""

        def missing_host_key(self, client: object, hostname: str, key: Any) -> None:  # noqa: ARG002
            shown = fingerprint(f"{key.get_name()} {key.get_base64()}")
            if shown != host_key:
                raise _Unknown(shown)

    connection = fabric.Connection(login or machine.ssh, connect_timeout=_PATIENCE / 10)
    connection.client.load_system_host_keys()
    connection.client.set_missing_host_key_policy(Shown())
    try:
        connection.open()
    except _Unknown as unknown:
        raise GateError(
            f"The key of {connection.host} is not known: {unknown}.",
            hints=(
                "At the machine itself, compare it with: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
                f"gatekeeper host add {machine.name} --host-key {unknown}",
            ),
        ) from None
    except (OSError, EOFError, ValueError, paramiko.SSHException) as problem:
        raise _failed(machine, str(problem) or type(problem).__name__) from problem
    key = connection.transport.get_remote_server_key()
    port = connection.port
    address = connection.host if port == 22 else f"[{connection.host}]:{port}"
    return Visit(connection, address, f"{key.get_name()} {key.get_base64()}")


def fingerprint(key: str) -> str:
    """Return a public key's fingerprint as ssh-keygen prints it."""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


class _Unknown(Exception):  # noqa: N818 - it carries a fingerprint through Paramiko, and goes no further
    """A host key that nobody knows."""


def _known(home: Home, address: str) -> list[str]:
    lines = home.known_hosts.read_text("utf-8").splitlines() if home.known_hosts.exists() else []
    return [line.partition(" ")[2] for line in lines if line.split(" ")[0] == address]


def _failed(machine: Machine, why: str) -> GateError:
    return GateError(
        f'Host "{machine.name}" ({machine.ssh}) cannot be made ready: {why}.',
        code="GATE-504",
        hints=(f"Try it: ssh {machine.ssh} python3 --version",),
        exit=Exit.FAILED,
    )
