"""Runs git for the hooks. They cannot afford `process` (dataclasses, selectors, ctypes: 15 ms a start).

Standard library only; the one place besides `process` that starts a program.
"""

from __future__ import annotations

import os

from gatekeeper.policy.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatekeeper.repo.objects import Git

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


def runner(repository: str, environment: Mapping[str, str]) -> Git:
    """Return a callable that runs git on `repository`, seeing also the objects in quarantine, and nothing else."""
    kept = {name: environment[name] for name in _PASSED_ON if name in environment}
    env = {**kept, **_SEALED, "GIT_DIR": repository}

    def git(args: list[str], stdin: bytes = b"") -> bytes:
        return _run(["git", *args], stdin, env)

    return git


def _run(argv: list[str], stdin: bytes, env: Mapping[str, str]) -> bytes:
    """Feed the child from memory rather than a pipe: then neither side can wait for the other."""
    source = os.memfd_create("stdin")
    output, sink = os.pipe()
    try:
        os.pwrite(source, stdin, 0)
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
    with os.fdopen(output, "rb", _CHUNK) as stream:
        said = stream.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise GitFailed(f"git {argv[1]} ended with {status}")
    return said
