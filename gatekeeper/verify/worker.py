"""What runs on a Dask worker: one function, from the bytes of a question to the bytes of a reply.

A worker holds nothing of the gate but what it is asked about. What it cannot do it refuses; only a job that ran to its
end in the box is answered.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from gatekeeper import __version__
from gatekeeper.errors import GateError
from gatekeeper.process import Cancel
from gatekeeper.repo.export import remove
from gatekeeper.verify import toolchain, wire
from gatekeeper.verify.jobs import NO_SANDBOX
from gatekeeper.verify.larder import Larder
from gatekeeper.verify.perform import perform
from gatekeeper.verify.selftest import self_test
from gatekeeper.verify.wire import Answered, Job, Lacking, Missing, Piece, Question, Refused, Reply, Taken

if TYPE_CHECKING:
    from distributed import Worker

_ROOM = 4 << 30
"""Bytes that a worker may have been sent before it forgets them all."""
_GLANCE = 0.5
_STAYS = 60.0
"""Seconds for which what the tools said of themselves is believed."""
_making = threading.Lock()


def answer(question: bytes) -> bytes:
    """Answer one question, in a thread of a Dask worker. Raises ValueError for what is none."""
    from distributed import get_worker  # noqa: PLC0415 - only a worker has it

    worker, asked = get_worker(), wire.question(question)
    return wire.encode(_reply(asked, worker))


def _reply(asked: Question, worker: "Worker") -> Reply:
    if asked.gatekeeper != __version__:
        return Refused(f"It has gatekeeper {__version__}, and was asked by {asked.gatekeeper}.")
    try:
        with _making:
            larder = _larder(os.getpid(), worker.local_directory)
        match asked.ask:
            case Lacking(names):
                return Missing(larder.lacking(frozenset(names)))
            case Piece():
                larder.take(asked.ask)
                return Taken()
            case Job():
                with _wanted(worker) as cancel:
                    return _run(asked.ask, larder, cancel)
    except (GateError, OSError) as problem:
        return Refused(f"{getattr(problem, 'code', None) or ''} {problem}".strip())


@lru_cache(maxsize=1)
def _larder(_process: int, folder: str) -> Larder:
    return Larder(Path(folder) / "gatekeeper", room=_ROOM)


def _run(job: Job, larder: Larder, cancel: Cancel) -> Reply:
    if job.orders.sandbox != NO_SANDBOX and (found := _proven(larder.work)) is not None:
        return Refused(f"GATE-505 {found}")
    tools = _measured(job.commands, int(time.monotonic() // _STAYS))
    if tools != job.toolchain:
        return Refused("Its toolchain says something else than the gate's.")
    folder = Path(mkdtemp(prefix="job-", dir=larder.work))
    try:
        with larder.read(job.inputs, folder) as lacking:
            if lacking:
                return Missing(lacking)
        said = perform(job.orders, folder, cancel)
        if said.ran.cancelled:
            return Refused("It was told to stop.")
        return Answered(job.once, job.key, job.inputs.names, tools, said)
    finally:
        remove(folder)


@lru_cache(maxsize=1)
def _proven(work: Path) -> str | None:
    """Have the sandbox tried once in this process. Raises GateError 505."""
    return self_test(work)


@lru_cache(maxsize=8)
def _measured(commands: tuple[tuple[str, ...], ...], _minute: int) -> str:
    return toolchain.measured(commands)


@contextmanager
def _wanted(worker: "Worker") -> Iterator[Cancel]:
    """Give a switch that is thrown when the scheduler does not want this task any more, or the asker is gone.

    Dask cannot end a thread: it only marks the task, and would wait for its end.
    """
    key, over = worker.get_current_task(), threading.Event()
    with closing(Cancel()) as cancel:

        def watch() -> None:
            while not over.wait(_GLANCE):
                task = worker.state.tasks.get(key)
                if task is None or task.state != "executing":
                    cancel.throw()
                    return

        guard = threading.Thread(target=watch, name="gate-wanted")
        guard.start()
        try:
            yield cancel
        finally:
            over.set()
            guard.join()
