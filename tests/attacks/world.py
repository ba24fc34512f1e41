"""An attacker: a plain Unix user who is a listed agent, at one of the doors, with Git or with bytes of its own."""

import hashlib
import shlex
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

from enforced import Enforced, UsersClone

from gatekeeper.doors.wire import FLUSH, packet
from gatekeeper.repo import spool
from gatekeeper.repo.spool import Entry

ZERO = b"0" * 40
ABILITIES = b"\0 report-status side-band-64k push-options object-format=sha1"
_HEAD = b"PACK" + struct.pack(">II", 2, 0)
NO_PACK = _HEAD + hashlib.sha1(_HEAD, usedforsecurity=False).digest()
ASSURANCE = {"socket": "kernel", "sshd": "key"}
_PROGRAM = """import socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
try:
    line.sendall(b'{"v":1,"service":"git-receive-pack"}\\n' + sys.stdin.buffer.read())
    line.shutdown(1)
except OSError:
    pass
while heard := line.recv(65536):
    sys.stdout.buffer.write(heard)
"""


@dataclass
class Attacker:
    """codex-1 at a door; `outcome` is what the table says of the case."""

    gate: Enforced
    clone: UsersClone
    door: str
    port: int
    outcome: list[str] = field(default_factory=list)

    def fresh(self) -> None:
        """Stand at `release` again, without tags and with nothing of earlier attacks."""
        self.clone.git("checkout", "-q", "--force", "-B", "work", "refs/start/here")
        self.clone.git("config", "remote.gate.url", self.address)
        self.clone.env["GIT_SSH_COMMAND"] = self.gate.ssh("codex-1", self.port)

    @property
    def address(self) -> str:
        user = self.gate.librarian.name
        return self.gate.address if self.door == "socket" else f"ssh://{user}@127.0.0.1:{self.port}/x"

    def commit(self, message: str = "Slip in") -> bytes:
        """Commit something that would be a good request."""
        return self.clone.commit({"sites/docs/index.html": f"{message}\n"}, message).encode()

    def push(self, *args: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """Push by plain Git, with this in its environment."""
        clone = self.clone
        other = type(clone)(clone.folder, clone.agent, {**clone.env, **env}, clone.user)
        return other.run("git", "push", *args, ok=False)

    def send(self, sent: bytes) -> str:
        """Say to receive-pack what no Git says; return all that it answers."""
        user = self.gate.users["codex-1"]
        argv: Sequence[str] = ("python3", "-c", _PROGRAM, str(self.gate.home.gate_socket))
        if self.door == "sshd":
            words = shlex.split(self.gate.ssh("codex-1", self.port))
            argv = (*words, f"{self.gate.librarian.name}@127.0.0.1", "git-receive-pack x")
        done = subprocess.run(
            user.command(argv), cwd="/", env=self.gate.env, input=sent, capture_output=True, check=False
        )
        return (done.stdout + done.stderr).decode("utf-8", "replace")

    def refused(self, code: str | None, *attempts: "subprocess.CompletedProcess[str] | str") -> None:
        """Each attempt was told no, and the last is on record under what the kernel, or sshd, said of who it was."""
        assert attempts
        for done in attempts:
            if not isinstance(done, str):  # what came of raw bytes is for the test to look at
                said = done.stdout + done.stderr
                assert done.returncode, said
                assert "\x1b" not in said.replace("\x1b[K", ""), said
                assert code is None or code in said, said
        if code is None:
            self.outcome.append("refused")
        else:
            note = self.notes()[-1]
            assert (note.event, note.fields["code"].startswith(code)) == ("refused", True), note
            assert (note.actor.name, note.actor.assurance) == ("codex-1", ASSURANCE[self.door])
            self.outcome.append(f"refused, {note.fields['code']}")

    def notes(self) -> tuple[Entry, ...]:
        return spool.read(self.gate.home.spool)

    def tip(self, ref: str = "refs/heads/release") -> bytes:
        return self.gate.git("rev-parse", ref).encode()

    def protected(self) -> dict[str, str]:
        """What ships, and as what."""
        return {**self.gate.refs("refs/tags/"), **self.gate.refs("refs/heads/release")}

    def state(self) -> tuple[dict[str, str], int]:
        """Every ref, and how many files the objects are: a refused push leaves both as they were."""
        return self.gate.refs(), sum(1 for path in (self.gate.home.repo / "objects").rglob("*") if path.is_file())


def command(ref: bytes, old: bytes = ZERO, new: bytes = ZERO, *, first: bool = True) -> bytes:
    return packet(old + b" " + new + b" " + ref + (ABILITIES if first else b""))


def raw(*commands: bytes, options: tuple[bytes, ...] = (), pack: bytes = NO_PACK) -> bytes:
    return b"".join(commands) + FLUSH + b"".join(map(packet, options)) + FLUSH + pack
