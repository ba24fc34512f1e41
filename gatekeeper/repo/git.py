"""Speaks to Git: the one module that does. All else holds oids and frozen values.

Objects are read through one long `git cat-file --batch` (GitPython), many at once through one that the hooks have too;
everything else is one git process a call.
Open it afresh for each heartbeat and close it: a reader that lives for days leaks.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING

from msgspec import Struct

from gatekeeper import fault, process
from gatekeeper.errors import GateError
from gatekeeper.model import NO_OID, RELEASE, Oid, Ref
from gatekeeper.repo import childgit, objects

if TYPE_CHECKING:
    from git.cmd import Git as Reader

OLDEST = (2, 38)
"""`merge-tree --write-tree` came with Git 2.38."""

_FLUSHES = (2, 49)
"""From then on `merge-tree --stdin` gives each answer at once."""
_PATIENCE = 60.0
"""Seconds of silence after which a long process is not asked any more."""
_NO_ROOM = 256 << 10


class Change(Struct, frozen=True):
    """One line of a ref transaction; `old` is what the ref must hold (NO_OID: it must not exist)."""

    ref: Ref
    old: Oid
    new: Oid


class Entry(Struct, frozen=True):
    """One path of a tree: its six-digit mode, type and oid."""

    path: str
    mode: str
    type: str
    oid: Oid


class Git(AbstractContextManager["Git"]):
    """One bare repository. Every method raises GateError when git fails in a way that its caller did not allow.

    With a folder `apart` what is written goes there, unsynced, and what lies there is seen besides; no ref moves.
    """

    def __init__(self, folder: Path, *, apart: Path | None = None) -> None:
        self.folder, self.apart = folder, apart
        self._call = ("git", f"--git-dir={folder}", *(("-c", "core.fsync=none") if apart else ()))
        self._env = {"GIT_LITERAL_PATHSPECS": "1", **(quarantine(folder, apart) if apart else {})}
        self._reader: Reader | None = None
        self._talks: dict[tuple[str, ...], process.Dialogue | None] = {}
        self._objects: childgit.Runner | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the reading processes, and those that were asked; the next question starts another."""
        if self._objects is not None:
            self._objects.close()
            self._objects = None
        for talk in self._talks.values():
            if talk is not None:
                talk.close()
        self._talks.clear()
        if self._reader is not None:
            self._reader.clear_cache()
            self._reader = None

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        allowed: tuple[int, ...] = (0,),
        pass_fds: tuple[int, ...] = (),
    ) -> process.Done:
        """Run `git ARGS` on this repository; any status but `allowed` is a GateError with git's own words."""
        own = process.clean_environment({**self._env, **(env or {})})
        done = process.run((*self._call, *args), stdin=stdin, env=own, pass_fds=pass_fds)
        if done.status not in allowed:
            said = done.errors.decode("utf-8", "replace").strip() or f"status {done.status}"
            raise GateError(f"git {args[0]} failed in {self.folder}: {said}", code=_fault(said, self.folder))
        return done

    def text(self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        """Return what `git ARGS` prints, without the last newline."""
        return self.run(*args, stdin=stdin, env=env).text

    def call(self, args: list[str], stdin: bytes = b"") -> bytes:
        """Return what `git ARGS` prints, as bytes: the form that `repo.facts` and `repo.tree` ask with.

        Objects are asked of one process that stays: a start costs more than the reading.
        """
        if args != objects.ASKING:
            return self.run(*args, stdin=stdin).output
        if self._objects is None:
            self._objects = childgit.runner(str(self.folder), process.clean_environment(self._env))
        try:
            return self._objects(args, stdin)
        except childgit.GitFailed as problem:
            self.close()
            raise GateError(f"git cat-file failed in {self.folder}: {problem}") from problem

    def pour(self, *args: str, source: IO[bytes], sink: IO[bytes]) -> None:
        """Run `git ARGS` from one file to another: however much it is, none of it is held in memory."""
        own = process.clean_environment(self._env)
        child = process.attach((*self._call, *args), env=own, stdin=source.fileno(), stdout=sink.fileno())
        if child.wait():
            raise GateError(f"git {args[0]} failed in {self.folder}: status {child.returncode}")

    def ask(self, args: tuple[str, ...], question: bytes, *, end: bytes) -> bytes | None:
        """Ask one long `git ARGS`; None when that gives no answer: the caller then runs a process for the question."""
        if args not in self._talks:
            self._talks[args] = _talk((*self._call, *args), self._env)
        talk = self._talks[args]
        answer = talk.ask(question, end=end, patience=_PATIENCE) if talk is not None else None
        if talk is not None and answer is None:
            talk.close()
            self._talks[args] = None
        return answer

    def read(self, oid: Oid) -> bytes:
        """Return the content of any object."""
        if self._reader is None:
            self._reader = _reader(self.folder, self._env)
        return bytes(self._reader.get_object_data(oid)[3])

    def resolve(self, name: str) -> Oid | None:
        """Return the oid that a full ref or `oid^{tree}` names, or None."""
        done = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", name, allowed=(0, 1, 128))
        return Oid(done.text) if done.ok else None

    def refs(self, *prefixes: str) -> dict[Ref, Oid]:
        """Return every ref below the prefixes (all, without any), in the order of their names."""
        lines = self.text("for-each-ref", "--format=%(objectname) %(refname)", *prefixes).splitlines()
        return {Ref(name): Oid(oid) for oid, name in (line.split(" ", 1) for line in lines)}

    def entries(self, tree: Oid, *paths: str, deep: bool = False) -> tuple[Entry, ...]:
        """List a tree: its paths as named, or everything below it when `deep`; a path that is absent is left out.

        Without `-t` Git passes over a folder when a path in it is named beside it; with it, it adds those above.
        """
        flags = ("-r",) if deep else ("-t",)
        output = self.run("ls-tree", "-z", "--full-tree", *flags, tree, "--", *paths).output
        listed = (_entry(line) for line in output.split(b"\0") if line)
        return tuple(entry for entry in listed if deep or not paths or entry.path in paths)

    def head(self) -> str:
        """Return the ref that HEAD names. Where refs are files its file says so, else Git is asked."""
        if (self.folder / "HEAD").read_bytes() == f"ref: {RELEASE}\n".encode():
            return RELEASE
        return self.text("symbolic-ref", "HEAD")

    def tree_of(self, commit: Oid) -> Oid:
        """Return the tree of a commit."""
        name = f"{commit}^{{tree}}"
        found = objects.sizes(self.call, (name,))
        if name not in found:
            raise GateError(f"There is no commit {commit} in {self.folder}.", code="GATE-502")
        return Oid(found[name].oid)

    def changed_paths(self, old: Oid, new: Oid) -> tuple[str, ...]:
        """Return the paths in which two trees or commits differ."""
        output = self.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new).output
        return tuple(path.decode("utf-8", "surrogateescape") for path in output.split(b"\0") if path)

    def is_ancestor(self, old: Oid, new: Oid) -> bool:
        """Return whether `old` is reachable from `new`."""
        return self.run("merge-base", "--is-ancestor", old, new, allowed=(0, 1)).ok

    def transact(self, changes: tuple[Change, ...], *, reason: str, lock_fd: int) -> bool:
        """Move refs all together or, when one of them is not what it should be, not at all; return which.

        The child inherits the Librarian's lock and is not killed with it: a transaction that is torn by a
        kill in its commit phase would otherwise be possible (facts.md), and no successor starts before it ends.
        A symbolic ref is moved itself, never what it names.
        """
        lines = b"".join(b"update %s\0%s\0%s\0" % (c.ref.encode(), c.new.encode(), c.old.encode()) for c in changes)
        script = b"start\0" + lines + b"prepare\0commit\0"
        args = ("update-ref", "--no-deref", "--create-reflog", "-m", reason, "--stdin", "-z")
        with fault.step(f"refs: {reason}"):
            done = self.run(*args, stdin=script, allowed=(0, 1, 128), pass_fds=(lock_fd,))
        if done.ok:
            return True
        present = self.refs()
        if all(present.get(c.ref, NO_OID) == c.old for c in changes):
            said = done.errors.decode("utf-8", "replace").strip()
            raise GateError(
                f"git update-ref failed though every ref was as expected: {said}", code=_fault(said, self.folder)
            )
        return False

    @contextmanager
    def own_index(self) -> Iterator[dict[str, str]]:
        """Yield an environment with a throw-away index, to compose a tree in."""
        with tempfile.TemporaryDirectory(prefix="index-", dir=self.folder) as folder:
            yield {"GIT_INDEX_FILE": f"{folder}/index"}


def version() -> tuple[int, ...]:
    """Return the installed Git's version numbers; GateError when there is no Git."""
    try:
        words = process.run(("git", "--version")).text.split()
    except FileNotFoundError as missing:
        raise GateError("Git is not installed.", hints=("apt-get install git",)) from missing
    return tuple(int(part) for part in words[2].split(".") if part.isdigit())


def _fault(said: str, folder: Path) -> str | None:
    """Tell a full disk from other trouble; of a lock file that did not fit git says only that it could not write."""
    room = os.statvfs(folder)
    full = room.f_bavail * room.f_frsize < _NO_ROOM or room.f_favail == 0 < room.f_files
    return "GATE-503" if full or "No space left on device" in said or "Disk quota exceeded" in said else None


def _entry(line: bytes) -> Entry:
    head, path = line.split(b"\t", 1)
    mode, kind, oid = head.decode().split(" ")
    return Entry(path.decode("utf-8", "surrogateescape"), mode, kind, Oid(oid))


def quarantine(folder: Path, apart: Path) -> dict[str, str]:
    """Return what a git process must be told to see objects kept apart: what Git itself tells the hooks of a push.

    It then writes there too, and moves no ref.
    """
    quoted = str(folder / "objects").replace("\\", "\\\\").replace('"', '\\"')
    return {
        "GIT_OBJECT_DIRECTORY": str(apart),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"',
        "GIT_QUARANTINE_PATH": str(apart),
    }


def _talk(argv: tuple[str, ...], env: Mapping[str, str]) -> process.Dialogue | None:
    """Git before 2.49 keeps answers back until there are many, so that whoever waits for each would wait for ever."""
    if (unbuffered := shutil.which("stdbuf")) is not None:
        return process.Dialogue((unbuffered, "-o0", *argv), env)
    return process.Dialogue(argv, env) if version() >= _FLUSHES else None


def _reader(folder: Path, env: Mapping[str, str]) -> "Reader":
    import git.cmd  # noqa: PLC0415 - 80 ms that only a command which reads objects pays

    reader = git.cmd.Git(str(folder))
    own = {"GIT_DIR": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
    reader.update_environment(**own, **env)
    return reader
