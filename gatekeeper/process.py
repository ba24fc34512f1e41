"""Runs other programs: the one place that does. argv only, never a shell, and a clean environment.

Nothing here decides; a status other than 0, a time-out and a cancellation are values of `Done`.
"""

import contextlib
import ctypes
import os
import select
import selectors
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

from msgspec import Struct

_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "LOGNAME")
_SEALED = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
_PR_SET_PDEATHSIG = 1
_CHUNK = 65536
_PIPE_AT_MOST = 1 << 20
_WATCHED = 0.2
_libc = ctypes.CDLL(None, use_errno=True)

Child = subprocess.Popen[bytes]
"""A program that was started and not waited for yet."""


class Done(Struct, frozen=True):
    """How a program ended. `status` is negative for a signal; `output` is stdout (and stderr when merged)."""

    argv: tuple[str, ...]
    status: int
    output: bytes
    errors: bytes
    seconds: float
    timed_out: bool = False
    cancelled: bool = False
    truncated: bool = False
    stopped: str | None = None
    """What `watch` said when it ended the program."""

    @property
    def ok(self) -> bool:
        """True for status 0 reached by the program itself."""
        return self.status == 0 and not self.timed_out and not self.cancelled and not self.stopped

    @property
    def text(self) -> str:
        """Standard output, decoded, without the last newline."""
        return self.output.decode("utf-8", "replace").rstrip("\n")


class Cancel:
    """A switch that one thread throws and any number of running programs see at once."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.thrown = False

    def throw(self) -> None:
        """End every program that was started with this switch; may be called more than once."""
        self.thrown = True
        os.write(self._write, b"x")

    def reset(self) -> None:
        """Take it back, for what starts from now on; only where nothing is running on it."""
        self.thrown = False
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, _CHUNK):
                continue

    def fileno(self) -> int:
        """Readable from the moment it is thrown on."""
        return self._read

    def close(self) -> None:
        """Give the two descriptors back."""
        os.close(self._read)
        os.close(self._write)


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a child may see: where programs are, whose home, which language; and `extra`.

    GIT_DIR, GIT_QUARANTINE_PATH and the like leak from hooks, GATE_AGENT and tokens from people's shells.
    """
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**kept, **_SEALED, **(extra or {})}


def own_environment() -> dict[str, str]:
    """Return this process's whole environment: for a program that does for an agent what it would do itself."""
    return dict(os.environ)


def run(  # noqa: PLR0913
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float | None = None,
    cancel: Cancel | None = None,
    limit: int | None = None,
    merge: bool = False,
    die_with_parent: bool = False,
    pass_fds: tuple[int, ...] = (),
    watch: Callable[[], str | None] | None = None,
    sweep: bool = False,
) -> Done:
    """Run `argv` to its end and return how it ended. Raises OSError when it cannot be started.

    `env` replaces the whole environment (default: `clean_environment()`). `timeout` is in seconds; past it,
    or when `cancel` is thrown, the whole process group is killed. Past `limit` bytes output is read and
    dropped, so that a talkative program neither fills the memory nor hangs. `die_with_parent` kills the child
    when the calling thread ends, so call it from one that lives as long as the child should. `watch` is asked
    five times a second; its first answer ends the program. `sweep` kills what the child leaves in its group.
    """
    started = time.monotonic()
    child = subprocess.Popen(
        list(argv),
        cwd=cwd,
        env=dict(env) if env is not None else clean_environment(),
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merge else subprocess.PIPE,
        start_new_session=True,
        pass_fds=pass_fds,
        preexec_fn=_die_with_parent(os.getpid()) if die_with_parent else None,  # noqa: PLW1509
    )
    pump = _Pump(child, stdin, limit)
    deadline = None if timeout is None else started + timeout
    stopped = pump.until_ended(deadline, cancel, watch)
    if stopped or sweep:  # not reaped yet, so that the group's id cannot be another's
        _kill_group(child)
    pump.close()
    status = child.wait()
    return Done(
        argv=tuple(argv),
        status=status,
        output=bytes(pump.output),
        errors=bytes(pump.errors),
        seconds=time.monotonic() - started,
        timed_out=stopped == "timeout",
        cancelled=stopped == "cancel",
        truncated=pump.truncated,
        stopped=None if stopped in {"timeout", "cancel"} else stopped,
    )


def start_detached(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None, log: Path) -> int:
    """Start a program that outlives this one, its output appended to `log`; return its process id."""
    with log.open("ab") as sink:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    return child.pid


def branch(work: Callable[[], int], *, die_with_parent: bool = False) -> int:
    """Run `work` in a copy of this process, which ends with its status; return the copy's id. For one thread only."""
    us = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        if die_with_parent:
            _die_with_parent(us)()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        status = work()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - nothing of the copy may run on as if it were the original
        traceback.print_exc()
    finally:
        os._exit(status)


def attach(argv: Sequence[str], *, env: Mapping[str, str], stdin: int, stdout: int) -> Child:
    """Start a program that speaks on descriptors of ours and dies with us; the caller waits for it."""
    return subprocess.Popen(
        list(argv),
        env=dict(env),
        stdin=stdin,
        stdout=stdout,
        start_new_session=True,
        preexec_fn=_die_with_parent(os.getpid()),  # noqa: PLW1509
    )


def _die_with_parent(parent: int) -> Callable[[], None]:
    def set_signal() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # the parent died between fork and prctl
            os._exit(1)

    return set_signal


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


class _Pump:
    """Moves bytes between this process and a child until the child ends, blocking on neither side."""

    def __init__(self, child: subprocess.Popen[bytes], stdin: bytes, limit: int | None) -> None:
        self._child = child
        self._left = memoryview(stdin)
        self._limit = limit
        self.output = bytearray()
        self.errors = bytearray()
        self.truncated = False
        self._ended = os.pidfd_open(child.pid)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ended, selectors.EVENT_READ, self._drain)
        for stream, sink in ((child.stdout, self.output), (child.stderr, self.errors)):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                self._selector.register(stream, selectors.EVENT_READ, partial(self._take, stream, sink))
        if child.stdin is not None:
            os.set_blocking(child.stdin.fileno(), False)
            self._selector.register(child.stdin, selectors.EVENT_WRITE, partial(self._feed, child.stdin))

    def until_ended(
        self, deadline: float | None, cancel: Cancel | None, watch: Callable[[], str | None] | None
    ) -> str | None:
        """Pump until the child ended; return "timeout", "cancel" or what `watch` said when that came first.

        A grandchild that keeps the pipe open is not waited for.
        """
        if cancel is not None:
            self._selector.register(cancel, selectors.EVENT_READ, lambda: "cancel")
        asked = time.monotonic()
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return "timeout"
            for key, _ in self._selector.select(left if watch is None else min(left or _WATCHED, _WATCHED)):
                verdict = key.data()
                if verdict is not None:
                    return None if verdict == "ended" else str(verdict)
            if watch is not None and time.monotonic() >= asked + _WATCHED:
                if objection := watch():
                    return objection
                asked = time.monotonic()

    def close(self) -> None:
        """Release every descriptor."""
        self._selector.close()
        os.close(self._ended)
        for stream in (self._child.stdin, self._child.stdout, self._child.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def _drain(self) -> str:
        """Take what a pipe can still hold, and no more: a daemon that was left behind may write for ever."""
        for stream, sink in ((self._child.stdout, self.output), (self._child.stderr, self.errors)):
            left = _PIPE_AT_MOST
            while stream is not None and left > 0 and (data := self._read(stream, sink)):
                left -= len(data)
        return "ended"

    def _feed(self, stream: IO[bytes]) -> None:
        try:
            self._left = self._left[os.write(stream.fileno(), self._left[:_CHUNK]) :]
        except BrokenPipeError:
            self._left = self._left[:0]
        if not self._left:
            self._selector.unregister(stream)
            stream.close()

    def _take(self, stream: IO[bytes], sink: bytearray) -> None:
        if self._read(stream, sink) == b"":
            self._selector.unregister(stream)

    def _read(self, stream: IO[bytes], sink: bytearray) -> bytes | None:
        """Return what was read; b"" at the end; None when there is nothing at the moment."""
        try:
            data = os.read(stream.fileno(), _CHUNK)
        except BlockingIOError:
            return None
        room = len(data) if self._limit is None else max(0, self._limit - len(sink))
        sink += data[:room]
        self.truncated = self.truncated or room < len(data)
        return data


class Dialogue:
    """A program that answers one question after the other. One that ends, or is silent too long, answers no more."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._child = subprocess.Popen(
            list(argv),
            env=clean_environment(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def ask(self, question: bytes, *, end: bytes, patience: float) -> bytes | None:
        """Return the answer, which ends with `end`; None when there is none within `patience` seconds of silence."""
        stdin, stdout = self._child.stdin, self._child.stdout
        assert stdin is not None  # noqa: S101 - both are pipes
        assert stdout is not None  # noqa: S101
        try:
            stdin.write(question)
            stdin.flush()
        except BrokenPipeError:
            return None
        answer = bytearray()
        while not answer.endswith(end):
            heard = select.select([stdout], [], [], patience)[0]
            data = os.read(stdout.fileno(), _CHUNK) if heard else b""
            if not data:
                return None
            answer += data
        return bytes(answer)

    def close(self) -> None:
        """End the program, and wait until it has ended."""
        _kill_group(self._child)
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._child.wait()
