"""How long `gatekeeper audit verify` takes on a history of many versions, the first time and the next.

python benchmarks/audit.py [VERSIONS]: writes a repository as the Librarian would have, objects straight to disk.
"""

import hashlib
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gatekeeper.audit.remembered import Remembered
from gatekeeper.audit.verify import verify
from gatekeeper.model import Actor, Oid, Version
from gatekeeper.repo import create
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import EMPTY_TREE, LIBRARIAN, utc
from gatekeeper.repo.records import Record, encode
from gatekeeper.repo.sign import EMAIL, NAME, Signer, new_key

START = 1_780_000_000


class Writer:
    """Writes objects as Git stores them; refs all at once at the end."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "keys").mkdir(parents=True)
        public = new_key(home / "keys" / "librarian")
        self.signers = home / "keys" / "allowed_signers"
        self.signers.write_text(f'{EMAIL} namespaces="git,gatekeeper" {public}\n')
        self.git = create.create(home / "repo.git")
        self.signer = Signer(self.git, home / "keys" / "librarian")
        self.refs: dict[str, str] = {}
        self.git.run("hash-object", "-t", "tree", "-w", "--stdin")

    def object(self, kind: str, content: bytes) -> Oid:
        whole = f"{kind} {len(content)}\0".encode() + content
        oid = hashlib.sha1(whole).hexdigest()  # noqa: S324 - Git's own
        path = self.git.folder / "objects" / oid[:2] / oid[2:]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(zlib.compress(whole, 1))
        return Oid(oid)

    def commit(self, message: str, *parents: Oid, at: int) -> Oid:
        links = "".join(f"parent {parent}\n" for parent in parents)
        person = f"{NAME} <{EMAIL}> {at} +0000"
        head = f"tree {EMPTY_TREE}\n{links}author {person}\ncommitter {person}\n\n"
        return self.object("commit", (head + message).encode())

    def tag(self, version: Version, commit: Oid, log: Oid, at: int) -> None:
        head = f"object {commit}\ntype commit\ntag {version}\ntagger {NAME} <{EMAIL}> {at} +0000\n\n"
        payload = f"{head}Change it\n\nGate-Log: {log}\n".encode()
        self.refs[f"refs/tags/{version}"] = self.object("tag", payload + self.signer.detached(payload, namespace="git"))

    def close(self) -> None:
        lines = "".join(f"create {ref} {oid}\n" for ref, oid in self.refs.items())
        self.git.run("update-ref", "--stdin", stdin=lines.encode())
        self.git.run("repack", "-adq")
        self.git.run("pack-refs", "--all")


def history(home: Path, count: int) -> Writer:
    """Write `count` versions of one request each, four records a version."""
    writer = Writer(home)
    release = writer.commit("Start\n", at=START)
    log: Oid | None = None
    tags: list[tuple[Version, Oid, Oid, int]] = []
    number = 1
    begun = Record("imported", "x", 1, utc(START), LIBRARIAN, "advisory", {"commit": release, "tags": {}})
    log = writer.commit(encode(begun), at=START)
    for index in range(count):
        at, version = START + 600 * index, Version(f"v0.{index + 1}.0")
        tip = writer.commit(f"Change {index}\n", release, at=at)
        release = writer.commit(f"Change {index}\n\nRequest: fix-{index}\n", release, tip, at=at)
        for record in _records(index, version, tip, release, utc(at)):
            number += 1
            assert log is not None
            log = writer.commit(encode(_numbered(record, number)), log, at=at)
        tags.append((version, release, log, at))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda tag: writer.tag(*tag), tags))
    writer.refs |= {"refs/gate/log": log, "refs/heads/release": release}
    writer.close()
    return writer


def _records(index: int, version: Version, tip: Oid, release: Oid, at: str) -> Iterator[Record]:
    request = {"id": f"fix-{index}", "tip": tip}
    agent = Actor("codex-1")
    told = {**request, "attempt": 1, "surfaces": ["shop"], "intent": "Change it", "artifact": tip, "bump": "minor"}
    yield Record("filed", f"fix-{index} by codex-1: Change it", 0, at, agent, "advisory", told)
    checked = {"job": "unit of shop", "key": "k" * 40, "outcome": "passed", "seconds": 1.5, "sandbox": "bubblewrap"}
    yield Record("checked", "unit of shop: passed", 0, at, LIBRARIAN, "advisory", checked)
    yield Record("shipping", f"{version} (train)", 0, at, LIBRARIAN, "advisory", {"version": version})
    shipped = {"version": version, "commit": release, "tree": EMPTY_TREE, "cause": "train", "requests": [request]}
    yield Record("shipped", f"{version}: Change it", 0, at, LIBRARIAN, "advisory", {**shipped, "sites": {"shop": {}}})


def _numbered(record: Record, number: int) -> Record:
    return Record(record.event, record.subject, number, record.at, record.actor, record.mode, record.data)


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    home = Path(tempfile.mkdtemp(prefix="audit-bench-"))
    try:
        writer = history(home, count)
        with Git(writer.git.folder) as git:
            begun = time.monotonic()
            told, seen = verify(git, writer.signers)
            first = time.monotonic() - begun
            begun = time.monotonic()
            again, _ = verify(git, writer.signers, known=Remembered.of(seen))
            second = time.monotonic() - begun
            begun = time.monotonic()
            last, _ = verify(git, writer.signers, since=Version(f"v0.{count - 10}.0"))
            third = time.monotonic() - begun
        assert not told.findings + again.findings + last.findings
        print(f"{told.versions} versions, {told.records} records, {told.signatures} signatures")
        print(f"whole {first:.1f} s; again, with the signatures known {second:.1f} s; since ten versions {third:.1f} s")
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
