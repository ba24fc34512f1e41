"""A real Dask scheduler and real workers on loopback, each a process of its own that is ended by its id."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from gatehouse import ROOT

from gatekeeper.sites import procfs

_PATIENCE = 60.0
_SCHEDULER = re.compile(r"Scheduler at: +(\S+)")
_WORKER = re.compile(r"Start worker at: +(\S+)")
_REGISTERED = re.compile(r"(Registered to):")


class Process:
    """A program whose lines are read to its end; `heard` waits for one."""

    def __init__(self, argv: Sequence[str], env: dict[str, str]) -> None:
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._child = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._over = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def said(self) -> str:
        with self._changed:
            return "".join(self._lines)

    def heard(self, words: re.Pattern[str]) -> str:
        with self._changed:
            found = self._changed.wait_for(lambda: self._over or self._find(words), _PATIENCE) and self._find(words)
            assert found, "".join(self._lines)
            return found[1]

    def signal(self, number: int) -> None:
        self._child.send_signal(number)

    def end(self) -> None:
        self._child.kill()
        self._child.wait()
        self._reader.join()

    def _find(self, words: re.Pattern[str]) -> re.Match[str] | None:
        return next((found for line in self._lines if (found := words.search(line))), None)

    def _read(self) -> None:
        assert self._child.stderr is not None
        with self._child.stderr as stream:
            for line in stream:
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()


@dataclass(frozen=True)
class Worker:
    """One worker: its process, its address."""

    process: Process
    address: str

    def kill(self) -> None:
        self.process.end()

    def stop(self) -> None:
        """Have it hang, and what it runs be gone: nobody tells it."""
        self.process.signal(signal.SIGSTOP)
        for pid in procfs.family(self.process.pid, procfs.parents()) - {self.process.pid}:
            with suppress(ProcessLookupError):  # what is in a box dies with the box
                os.kill(pid, signal.SIGKILL)

    @property
    def busy(self) -> bool:
        """Whether it runs a box."""
        return len(procfs.family(self.process.pid, procfs.parents())) > 1


@dataclass
class Crew:
    """The scheduler and who works for it; `folder` holds what they write."""

    folder: Path
    stack: ExitStack
    tls: tuple[str, ...] = ()
    address: str = ""
    env: dict[str, str] = field(default_factory=dict)
    scheduler: Process | None = None

    def begin(self) -> str:
        """Start the scheduler, at the address that it had before if there was one."""
        port = self.address.rpartition(":")[2] or "0"
        argv = ("--host", "127.0.0.1", "--port", port, "--no-dashboard", *self._protocol(), *self.tls)
        self.scheduler = self._start("scheduler", *argv)
        self.address = self.scheduler.heard(_SCHEDULER)
        return self.address

    @property
    def said(self) -> str:
        """What the scheduler has said so far."""
        assert self.scheduler is not None
        return self.scheduler.said

    def heard(self, words: re.Pattern[str]) -> str:
        """Wait for words of the scheduler."""
        assert self.scheduler is not None
        return self.scheduler.heard(words)

    def end(self) -> None:
        """Kill the scheduler; its workers end by themselves."""
        assert self.scheduler is not None
        self.scheduler.end()

    def hire(self, *, port: int = 0, threads: int = 2, lie: str = "", path: Path | None = None) -> Worker:
        """Start a worker, and wait until the scheduler has it; `path` is looked in first for programs."""
        extra = ("--preload", str(Path(__file__).with_name("liar.py")), lie) if lie else ()
        argv = (self.address, "--no-nanny", "--nthreads", str(threads), "--no-dashboard", "--host", "127.0.0.1")
        where = ("--worker-port", str(port), "--local-directory", str(self.folder), *self._protocol(), *self.tls)
        process = self._start("worker", *argv, *where, *extra, path=path)
        process.heard(_REGISTERED)
        return Worker(process, process.heard(_WORKER))

    def _protocol(self) -> tuple[str, ...]:
        return ("--protocol", "tls") if self.tls else ()

    def _start(self, what: str, *argv: str, path: Path | None = None) -> Process:
        env = {**self.env, "PATH": f"{path}:{self.env['PATH']}"} if path else self.env
        process = Process((sys.executable, "-m", "dask", what, *argv), env)
        self.stack.callback(process.end)
        return process


@contextmanager
def crew(folder: Path, *, tls: tuple[str, ...] = ()) -> Iterator[Crew]:
    """Have a scheduler, without workers yet."""
    folder.mkdir(parents=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GATE", "DASK"))}
    env |= {"HOME": str(folder), "PYTHONPATH": str(ROOT)}
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        made = Crew(folder, stack, tls, env=env)
        made.begin()
        yield made
