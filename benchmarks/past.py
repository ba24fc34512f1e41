"""A past for a gate: versions that went live one after the other, with their records, and any number of old objects.

Everything is as the Librarian would have left it but for the signatures of all tags save the newest: nothing that is
measured here proves an older one (`benchmarks/audit.py` measures what does).
"""

import hashlib
import subprocess
import time
import zlib
from collections.abc import Iterator, Sequence
from unittest.mock import patch

from faults.many import Librarian
from gatehouse import Gatehouse

from benchmarks.audit import _numbered, _records
from gatekeeper.model import Oid, Version
from gatekeeper.repo import drafts, records
from gatekeeper.repo.drafts import Draft
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import EMPTY_TREE, utc
from gatekeeper.repo.sign import EMAIL, NAME, Signer

RECORDS = 4
"""That each version leaves in the log."""
_EVERY = 600
_FOLDER, _PARTS = 100, 100
"""Files of a folder, and folders, that each old commit wrote."""


def filed(librarian: Librarian) -> None:
    """Have what was laid down filed, its objects as packs: ten thousand synced one by one are not what is measured."""

    def packed(git: Git, made: Sequence[Draft]) -> None:
        if made:
            _packed(git, [one.content for one in made])

    with patch.object(drafts, "write", packed):
        librarian.file()


def lived(gate: Gatehouse, versions: int) -> None:
    """Let so many versions have gone live after the present one, each by one request, its tree the present tree."""
    with Git(gate.home.repo) as git:
        *_, head = records.walk(git, limit=1)
        release = Oid(gate.release)
        tree, number = git.tree_of(release), head.record.sequence
        log, made, tags = head.oid, list[Draft](), list[tuple[Version, Oid, Oid, int]]()
        for index in range(versions):
            at, version = int(time.time()) - _EVERY * (versions - index), Version(f"v0.{index + 2}.0")
            tip = drafts.draft(tree=tree, parents=(release,), message=f"Change {index}\n", at=at)
            landed = f"Change {index}\n\nRequest: past-{index}\n"
            merged = drafts.draft(tree=tree, parents=(release, tip.oid), message=landed, at=at)
            made += [tip, merged]
            release = merged.oid
            for record in _records(index, version, tip.oid, release, utc(at)):
                number += 1
                made.append(records.draft(EMPTY_TREE, _numbered(record, number), parent=log, at=at))
                log = made[-1].oid
            tags.append((version, release, log, at))
        _packed(git, [one.content for one in made])
        _tagged(git, tags[:-1])
        version, _, _, at = tags[-1]
        signer = Signer(git, gate.home.key)
        newest = signer.tag(commit=release, version=version, message=f"Change it\n\nGate-Log: {log}\n", at=at)
        moves = {f"refs/tags/{version}": newest, "refs/heads/release": release, "refs/gate/log": log}
        git.run("update-ref", "--stdin", stdin="".join(f"update {r} {o}\n" for r, o in moves.items()).encode())
        git.run("pack-refs", "--all")


def grown(gate: Gatehouse, objects: int) -> None:
    """Lay so many objects below `release`, in commits whose files are gone again; `lived` then tags what is newest."""
    argv = ["git", f"--git-dir={gate.home.repo}", "fast-import", "--quiet"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as git:
        assert git.stdin is not None
        for part in _old(objects // (_FOLDER * _PARTS)):
            git.stdin.write(part)
    if git.returncode:
        raise RuntimeError(f"fast-import ended with {git.returncode}")


def widened(gate: Gatehouse, files: int) -> None:
    """Add so many files to `release`; no tag names it until `lived` makes one."""
    person = f"committer {NAME} <{EMAIL}> {int(time.time()) - 10_000_000} +0000\n"
    parts = [f"commit refs/heads/release\n{person}data 5\nWide\nfrom refs/heads/release^0\n"]
    for at in range(files):
        text = f"{at}\n" * 20
        parts.append(f"M 100644 inline wide/{at % 40}/{at // 40 % 50}/{at}.txt\ndata {len(text)}\n{text}\n")
    gate_git = ["git", f"--git-dir={gate.home.repo}", "fast-import", "--quiet"]
    subprocess.run(gate_git, input="".join(parts).encode(), check=True)


def _old(commits: int) -> Iterator[bytes]:
    person = f"committer {NAME} <{EMAIL}> {int(time.time()) - 10_000_000} +0000\n"
    for number in range(commits):
        base = "from refs/heads/release^0\n" if number == 0 else ""
        yield f"commit refs/heads/release\n{person}data 4\nOld\n{base}".encode()
        for part in range(_PARTS):
            files = []
            for at in range(_FOLDER):
                text = f"{number} {part} {at}\n"
                files.append(f"M 100644 inline old/{part}/{at}\ndata {len(text)}\n{text}\n")
            yield "".join(files).encode()
    yield f"commit refs/heads/release\n{person}data 4\nOld\nD old\n".encode()


def _tagged(git: Git, tags: list[tuple[Version, Oid, Oid, int]]) -> None:
    parts = []
    for version, commit, log, at in tags:
        message = f"Change it\n\nGate-Log: {log}\n"
        parts.append(
            f"tag {version}\nfrom {commit}\ntagger {NAME} <{EMAIL}> {at} +0000\ndata {len(message)}\n{message}\n"
        )
    git.run("fast-import", "--quiet", stdin="".join(parts).encode())


def _packed(git: Git, commits: list[bytes]) -> None:
    """Write them as one pack; `drafts` writes loose objects and syncs each."""
    body = bytearray(b"PACK" + (2).to_bytes(4) + len(commits).to_bytes(4))
    for content in commits:
        body += drafts._head(len(content)) + zlib.compress(content, 1)  # noqa: SLF001 - the same form
    body += hashlib.sha1(body).digest()  # noqa: S324 - Git's own
    git.run("index-pack", "--stdin", stdin=bytes(body))
