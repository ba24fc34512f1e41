"""Runs git for the hooks. They cannot afford `process` (msgspec, selectors, ctypes).

Standard library only; the one place besides `process` that starts a program.
"""

from __future__ import annotations

import os

from gatekeeper.policy.values import TYPE_CHECKING
from gatekeeper.repo import objects

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

_PASSED_ON = ("PATH", "HOME", "GIT_QUARANTINE_PATH", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")
_SEALED = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
}
_CHUNK = 1 << 16


class GitFailed(Exception):  # noqa: N818 - as subprocess.TimeoutExpired and process.Done read
    """A git command ended with another status than 0."""


class Runner:
    """Runs git on one repository, seeing also the objects in quarantine, and nothing else.

    Objects are asked of one process that stays: a start costs more than the reading. It ends with ours.
    """

    def __init__(self, repository: str, environment: Mapping[str, str]) -> None:
        kept = {name: environment[name] for name in _PASSED_ON if name in environment}
        self._env = {**kept, **_SEALED, "GIT_DIR": repository}
        self._reader: tuple[int, int, BinaryIO] | None = None

    def __call__(self, args: list[str], stdin: bytes = b"") -> bytes:
        """Run `git ARGS` and return what it prints; GitFailed for any status but 0."""
        return self._objects(stdin) if args == objects.ASKING else _output(*self._begin(args, stdin))

    def together(self, *asked: tuple[list[str], bytes]) -> list[bytes]:
        """Run several at once; return what each prints. What the first prints must not wait for the others."""
        started = [self._begin(args, stdin) for args, stdin in asked]
        return [_output(*one) for one in started]

    def close(self) -> None:
        """End the process that stays, for whoever goes on living: a hook ends by itself, and that with it."""
        if self._reader is not None:
            feed, child, answers = self._reader
            self._reader = None
            os.close(feed)
            answers.close()
            os.waitpid(child, 0)

    def _begin(self, args: list[str], stdin: bytes) -> tuple[str, int, BinaryIO]:
        """Feed the child from memory rather than a pipe: then neither side can wait for the other."""
        source = os.memfd_create("stdin")
        os.pwrite(source, stdin, 0)
        return args[0], *start(["git", *args], source, self._env)

    def _objects(self, script: bytes) -> bytes:
        """Ask the process that stays. It answers at `flush`, when it has read all that is asked."""
        if self._reader is None:
            source, feed = os.pipe()
            self._reader = feed, *start(["git", *objects.ASKING], source, self._env)
        feed, _, answers = self._reader
        try:
            _write(feed, script + b"flush\n")
        except OSError as problem:
            raise GitFailed("git cat-file ended too soon") from problem
        return b"".join(_answer(answers, line) for line in script.splitlines())


def runner(repository: str, environment: Mapping[str, str]) -> Runner:
    """Return what runs git on `repository` for a hook with this environment."""
    return Runner(repository, environment)


def start(argv: list[str], source: int, env: Mapping[str, str]) -> tuple[int, BinaryIO]:
    """Start a program that reads `source`, which is closed here; return its process id and what it will print."""
    output, sink = os.pipe()
    try:
        actions = (
            (os.POSIX_SPAWN_DUP2, source, 0),
            (os.POSIX_SPAWN_DUP2, sink, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        )
        child = os.posix_spawnp(argv[0], argv, env, file_actions=actions)
    except OSError:
        os.close(output)
        raise
    finally:
        os.close(source)
        os.close(sink)
    return child, os.fdopen(output, "rb", _CHUNK)


def _output(name: str, child: int, stream: BinaryIO) -> bytes:
    with stream:
        said = stream.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise GitFailed(f"git {name} ended with {status}")
    return said


def _write(feed: int, script: bytes) -> None:
    left = memoryview(script)
    while left:
        left = left[os.write(feed, left) :]


def _answer(answers: BinaryIO, line: bytes) -> bytes:
    """Read one answer, whole: a line, and after `contents` of what is there so many bytes and a line break."""
    head = answers.readline()
    if not head.endswith(b"\n"):
        raise GitFailed("git cat-file ended too soon")
    size = objects.size_in(head)
    if size is None or not line.startswith(b"contents "):
        return head
    body = answers.read(size + 1)
    if len(body) != size + 1:
        raise GitFailed("git cat-file ended too soon")
    return head + body
