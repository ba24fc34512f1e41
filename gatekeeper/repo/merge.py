"""Merges in the bare repository with `git merge-tree`: no checkout, so no attribute or filter has a say."""

import re

from msgspec import Struct

from gatekeeper.errors import GateError
from gatekeeper.model import Oid
from gatekeeper.repo.git import Git

_OURS, _THEIRS = (re.compile(mark + rb" [0-9a-f]{40,64}(:.*)?") for mark in (b"<<<<<<<", b">>>>>>>"))
"""The marks of a conflict name the commits that were merged, and the path on a side that moved it."""


class Merged(Struct, frozen=True):
    """A merge without a conflict: the tree that both sides make."""

    tree: Oid


class Conflict(Struct, frozen=True):
    """A merge that needs a person: the paths in conflict, in Git's order; in `tree` they hold conflict marks."""

    tree: Oid
    paths: tuple[str, ...]


def merge(git: Git, ours: Oid, theirs: Oid, *, unrelated: bool = False) -> Merged | Conflict:
    """Merge two commits on their merge base; `unrelated` allows that there is none (a first import).

    One long process does all of them where it can be talked to: a quarter of what a process each costs.
    """
    flags = ("--allow-unrelated-histories",) if unrelated else ()
    args = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", *flags)
    said = git.ask((*args, "--stdin"), f"{ours} {theirs}\n".encode(), end=b"\0\0")
    if said is not None:
        status, tree, *paths = _words(said)
        return Merged(Oid(tree)) if status == "1" else Conflict(Oid(tree), tuple(paths))
    done = git.run(*args, ours, theirs, allowed=(0, 1))
    if not done.output:  # status 1 is also what it says of a commit that is not there
        told = done.errors.decode("utf-8", "replace").strip()
        raise GateError(f"git merge-tree could not merge {theirs} on {ours}: {told}")
    tree, *paths = _words(done.output)
    return Merged(Oid(tree)) if done.ok else Conflict(Oid(tree), tuple(paths))


def hunks(git: Git, found: Conflict, path: str) -> tuple[tuple[int, int], ...]:
    """Return the first and last line of each conflict as our side counts them; nothing where marks say nothing.

    A first line behind the last stands for a place between two lines: our side took out what the other changed.
    """
    entry = next((entry for entry in git.entries(found.tree, path) if entry.type == "blob"), None)
    places, at, start, theirs = list[tuple[int, int]](), 1, 0, False
    for line in git.read(entry.oid).split(b"\n") if entry is not None else []:
        if _OURS.fullmatch(line):
            start = at
        elif start and line == b"=======" and not theirs:
            places.append((start, at - 1))
            theirs = True
        elif _THEIRS.fullmatch(line):
            start, theirs = 0, False
        elif not theirs:
            at += 1
    return tuple(places)


def regions(git: Git, found: Conflict, path: str) -> tuple[tuple[str, ...], ...]:
    """Return the lines of each conflict in a file, with its marks as a merge leaves them."""
    entry = next((entry for entry in git.entries(found.tree, path) if entry.type == "blob"), None)
    places, region = list[tuple[str, ...]](), list[bytes]()
    for line in git.read(entry.oid).split(b"\n") if entry is not None else []:
        if region or _OURS.fullmatch(line):
            region.append(line)
        if region and _THEIRS.fullmatch(line):
            places.append(tuple(one.decode("utf-8", "surrogateescape") for one in region))
            region = []
    return tuple(places)


def _words(said: bytes) -> list[str]:
    return [word for word in said.decode("utf-8", "surrogateescape").split("\0") if word]


def three_way(git: Git, *, base: Oid, ours: Oid, theirs: Oid) -> Merged | Conflict:
    """Merge two trees on a chosen base tree.

    Git before 2.40 has no `--merge-base`: three throw-away commits, with the base as parent of the other two.
    """
    env = {f"GIT_{role}_{part}": "merge" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    env |= {f"GIT_{role}_DATE": "@0 +0000" for role in ("AUTHOR", "COMMITTER")}
    root = git.text("commit-tree", "--no-gpg-sign", "-m", "base", base, env=env)
    sides = [
        git.text("commit-tree", "--no-gpg-sign", "-p", root, "-m", "side", tree, env=env) for tree in (ours, theirs)
    ]
    return merge(git, Oid(sides[0]), Oid(sides[1]))
