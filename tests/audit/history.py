"""A gate's repository with a history of its own, and the means to tamper with it as somebody with a shell could."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gatehouse import Gatehouse

from gatekeeper.audit.finding import Verification
from gatekeeper.audit.remembered import Remembered
from gatekeeper.audit.verify import verify
from gatekeeper.model import Oid, Version
from gatekeeper.repo.git import Git
from gatekeeper.repo.sign import Signer

LOG = "refs/gate/log"


def live_through(gate: Gatehouse) -> None:
    """Ship, refuse, block, freeze, roll back: five versions with all that can stand between them."""
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    gate.tick()
    one.request("fix-1", {"sites/shop/page.txt": "shop two\n"}, "Sell shoes\n\nArtifact: build-1")
    gate.tick()
    one.fresh()
    one.commit({"sites/shop/page.txt": "no\n"}, "=HYPERLINK(1)<script>")
    one.push("HEAD:release")
    two.request("bad-1", {"sites/web/page.txt": "BROKEN\n"}, "Break <b>it</b>")
    gate.tick()
    one.request("fix-2", {"sites/shop/page.txt": "shop three\n"}, "=cmd|' /C calc'!A0")
    two.request("fix-3", {"sites/shop/more.txt": "more\n"}, "Show <script>alert(1)</script> shoes")
    gate.tick()
    gate.decide("freeze", message="db failover")
    gate.decide("thaw")
    gate.decide("rollback", message="shoes are out")
    one.request("fix-4", {"sites/shop/page.txt": "shop four\n"}, "Sell boots")
    gate.tick()


@dataclass(frozen=True)
class History:
    """A copy of a gate's repository and keys, to be tampered with."""

    folder: Path

    @property
    def repo(self) -> Path:
        return self.folder / "repo.git"

    @property
    def signers(self) -> Path:
        return self.folder / "keys" / "allowed_signers"

    def copy(self, to: Path) -> "History":
        shutil.copytree(self.folder, to)
        return History(to)

    def git(self, *args: str, stdin: bytes = b"") -> str:
        argv = ["git", f"--git-dir={self.repo}", *args]
        done = subprocess.run(argv, input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, (args, done.stderr)
        return done.stdout.decode().rstrip("\n")

    def raw(self, kind: str, name: str) -> bytes:
        argv = ["git", f"--git-dir={self.repo}", "cat-file", kind, name]
        return subprocess.run(argv, capture_output=True, check=True).stdout

    def write(self, kind: str, content: bytes) -> str:
        return self.git("hash-object", "-t", kind, "-w", "--literally", "--stdin", stdin=content)

    def move(self, ref: str, to: str) -> None:
        self.git("update-ref", ref, to)

    def log(self) -> list[bytes]:
        """Return the records' commits as they are stored, oldest first."""
        return [self.raw("commit", oid) for oid in self.git("rev-list", "--reverse", LOG).splitlines()]

    def number(self, event: str) -> int:
        """Return the number of the newest record of an event."""
        return max(place for place, content in enumerate(self.log(), 1) if f'"event": "{event}"'.encode() in content)

    def rewrite(self, change: Callable[[list[bytes]], list[bytes]]) -> None:
        """Write the log anew as `change` wants it, each record on the last, and move its ref there."""
        parent = ""
        for content in change(self.log()):
            kept = [line for line in content.split(b"\n") if not line.startswith(b"parent ")]
            link = [f"parent {parent}".encode()] if parent else []
            parent = self.write("commit", b"\n".join([kept[0], *link, *kept[1:]]))
        self.move(LOG, parent)

    def loose(self, oid: str) -> Path:
        return self.repo / "objects" / oid[:2] / oid[2:]

    def signer(self) -> Signer:
        return Signer(Git(self.repo), self.folder / "keys" / "librarian")

    def prove(
        self, *, since: str | None = None, known: Remembered | None = None, other: str | None = None
    ) -> Verification:
        return self.remember(since=since, known=known, other=other)[0]

    def remember(
        self, *, since: str | None = None, known: Remembered | None = None, other: str | None = None
    ) -> tuple[Verification, Remembered | None]:
        with Git(self.repo) as git:
            version = Version(since) if since else None
            told, seen = verify(git, self.signers, since=version, known=known, other=Oid(other) if other else None)
        return told, None if told.findings or since else Remembered.of(seen)
