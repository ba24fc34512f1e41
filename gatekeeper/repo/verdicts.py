"""Verdicts, kept at refs/gate/verdicts: a plain tree of JSON files, each named by its key (two digits, the rest)."""

import json
from collections.abc import Iterable

from msgspec.structs import asdict

from gatekeeper.model import NO_OID, VERDICTS, Oid, Outcome, Verdict
from gatekeeper.repo import objects
from gatekeeper.repo.git import Change, Git
from gatekeeper.repo.sign import Signer


def lookup(git: Git, keys: Iterable[str]) -> dict[str, Verdict]:
    """Return the known verdicts among `keys`."""
    wanted = [_path(key) for key in dict.fromkeys(keys)]
    if not wanted or git.resolve(VERDICTS) is None:
        return {}
    found = objects.contents(git.call, (entry.oid for entry in git.entries(Oid(VERDICTS), *wanted)))
    return {verdict.key: verdict for verdict in (decode(one.content) for one in found.values())}


def flaky(git: Git) -> tuple[int, int]:
    """Return how many verdicts contradict what their job had said before of the same inputs, and how many are kept."""
    tree = git.resolve(VERDICTS)
    if tree is None:
        return 0, 0
    found = git.run("grep", "-l", "-z", "-F", "-e", '"flaky": true', tree, allowed=(0, 1)).output
    return found.count(b"\0"), len(git.entries(tree, deep=True))


def add(signer: Signer, verdicts: Iterable[Verdict], *, at: float) -> Change:
    """Write a tree that holds `verdicts` besides the known ones; return the move of the ref that makes it so."""
    git = signer.git
    old = git.resolve(VERDICTS)
    with git.own_index() as index:
        if old is not None:
            git.run("read-tree", old, env=index)
        lines = "".join(f"100644 {_blob(git, verdict)}\t{_path(verdict.key)}\n" for verdict in verdicts)
        git.run("update-index", "--add", "--index-info", stdin=lines.encode(), env=index)
        tree = Oid(git.text("write-tree", env=index))
    commit = signer.commit(tree=tree, parents=(), message="Verdicts\n", at=at, signed=False)
    return Change(VERDICTS, old or NO_OID, commit)


def forget(signer: Signer, keys: Iterable[str], *, at: float) -> Change | None:
    """Write a tree without the verdicts of `keys`, so that their jobs run anew; None when there is none at all."""
    git = signer.git
    old = git.resolve(VERDICTS)
    if old is None:
        return None
    with git.own_index() as index:
        git.run("read-tree", old, env=index)
        lines = "".join(f"0 {'0' * 40}\t{_path(key)}\n" for key in keys)
        git.run("update-index", "--index-info", stdin=lines.encode(), env=index)
        tree = Oid(git.text("write-tree", env=index))
    return Change(VERDICTS, old, signer.commit(tree=tree, parents=(), message="Verdicts\n", at=at, signed=False))


def decode(content: bytes) -> Verdict:
    """Parse one verdict's file."""
    fields = json.loads(content)
    return Verdict(**{**fields, "outcome": Outcome(fields["outcome"])})


def _blob(git: Git, verdict: Verdict) -> str:
    content = json.dumps(asdict(verdict), sort_keys=True, indent=1) + "\n"
    return git.text("hash-object", "-w", "--stdin", stdin=content.encode())


def _path(key: str) -> str:
    return f"{key[:2]}/{key[2:]}"
