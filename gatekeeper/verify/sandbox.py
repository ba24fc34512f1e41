"""Runs one command on agents' code in a box that holds nothing but the system's programs and a throw-away tree.

It sees no home, no secret, no socket and no network of this machine, and nothing it starts outlives it.
"""

import json
import os
import select
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, nullcontext
from functools import partial
from io import FileIO
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from gatekeeper import process
from gatekeeper.errors import printable
from gatekeeper.verify import network
from gatekeeper.verify.box import MIB, PROGRAMS, WRITTEN, Box, Wires, arguments, broken, environment, system
from gatekeeper.verify.limits import Bounds, LimitKind, Limits, bounded, disk_watch
from gatekeeper.verify.own_user import lent

__all__ = ["Beside", "Box", "Ran", "run"]

Beside = Callable[[network.Inside, process.Cancel | None], None]
"""What runs next to a box, in its namespaces; when it returns, the box is ended."""

_ROOT = Path("/")
_DYING_MS = 10_000
_BEGUN = b"\x06"
_JOIN = 'while test "$1" != --; do echo $$ >"$1" || exit 125; shift; done; shift; exec "$@"'
_STAY = 'test "$PPID" = "$1" || exit 125; shift; exec "$@"'
_INIT = "printf '\\006' || exit 125; setsid \"$@\"; exit $?"
"""Fixed words, no part of any command, that make a box end with the Librarian whenever that is killed.

Outside: join the cgroups, as the Librarian's user; then, as the job's own, leave if the Librarian died before its
death could be a signal (becoming another user takes the signal away). Inside, as the first process: bwrap has asked
to be told of its parent's death only now, so the byte that nobody reads is the proof that the death was not before.
A session of the command's own keeps its `kill 0` from us, and us in the group that is killed.
"""


class Ran(Struct, frozen=True):
    """How a command ended. `status` is 128 and the number for a signal; `output` is both streams as they came."""

    status: int
    output: bytes
    seconds: float
    limits: LimitKind
    own_user: bool = False
    """Whether it ran as a Unix user of its own."""
    timed_out: bool = False
    cancelled: bool = False
    stopped: str | None = None
    """The limit that ended it, as a sentence."""

    @property
    def ok(self) -> bool:
        """True when the command ended by itself, and well."""
        return self.status == 0 and not (self.timed_out or self.cancelled or self.stopped)


def run(
    box: Box,
    argv: Sequence[str],
    *,
    timeout: float,
    cancel: process.Cancel | None = None,
    output_limit: int = MIB,
    beside: Beside | None = None,
    pass_fds: tuple[int, ...] = (),
) -> Ran:
    """Run `argv` in `box` to its end, and return when the last of its descendants is gone.

    With kind "none" it is a plain child with a clean environment and a home of its own, nothing more; what leaves
    its process group survives. GateError 505 when the box itself cannot be made: that is no verdict on the code.
    """
    plain = box.kind == "none"
    with (
        bounded(Limits(box.memory, box.processes, box.file_size)) as bounds,
        nullcontext() if plain else lent(box.tree) as own,
    ):
        start = partial(
            process.run,
            timeout=timeout,
            limit=output_limit + len(_BEGUN),
            merge=True,
            sweep=True,
            watch=disk_watch(box.tree, box.disk),
        )
        staged, places = own.stage(box) if own else ((), {})
        enter = _enter(bounds, (*staged, "setpriv", *(own.become if own else ())))
        job = _Job(box, enter, (*bounds.prlimit, *argv), start, cancel, pass_fds, places)
        done, status = _plain(job) if plain else _boxed(job, network.connect if box.network else beside)
        reached = bounds.reached()
    said = done.output.removeprefix(_BEGUN)
    ended = done.timed_out or done.cancelled or done.stopped or reached
    if status is None and not ended:
        raise broken(_last_line(said) or f"bwrap ended with status {done.status}")
    cut = done.truncated or len(said) > output_limit
    return Ran(
        status=_as_shells_say(done.status if status is None else status),
        output=said[:output_limit] + _told(done, reached, output_limit if cut else None),
        seconds=done.seconds,
        limits=bounds.kind,
        own_user=own is not None,
        timed_out=done.timed_out,
        cancelled=done.cancelled and cancel is not None and cancel.thrown,
        stopped=done.stopped,
    )


class _Job(Struct, frozen=True):
    box: Box
    enter: tuple[str, ...]
    argv: tuple[str, ...]
    start: Callable[..., process.Done]
    cancel: process.Cancel | None
    pass_fds: tuple[int, ...]
    lent: Mapping[str, str]


class _Pipe:
    """A pipe whose ends close with `held`, or sooner."""

    def __init__(self, held: ExitStack) -> None:
        reader, writer = os.pipe()
        self.read = held.enter_context(FileIO(reader, "r"))
        self.write = held.enter_context(FileIO(writer, "w"))


def _enter(bounds: Bounds, become: tuple[str, ...]) -> tuple[str, ...]:
    """Return what goes before a command so that it never lives outside its cgroups, nor longer than this thread."""
    stay = ("--pdeathsig", "KILL", "sh", "-c", _STAY, "gate", str(os.getpid()))
    return ("sh", "-c", _JOIN, "gate", *bounds.doors, "--", *become, *stay)


def _plain(job: _Job) -> tuple[process.Done, int | None]:
    box = job.box
    with TemporaryDirectory(prefix="home-", dir=job.box.tree.parent, ignore_cleanup_errors=True) as home:
        env = {**environment(box), "HOME": home, "TMPDIR": home, **box.env}
        argv = (*job.enter, *job.argv)
        done = job.start(argv, cwd=box.tree / box.cwd, env=env, cancel=job.cancel, pass_fds=job.pass_fds)
    return done, done.status


def _boxed(job: _Job, beside: Beside | None) -> tuple[process.Done, int | None]:
    """Return how bwrap ended, and the command's own status if it got that far.

    With `beside` the switch is one of our own, thrown when that returns; it minds the caller's.
    """
    with closing(process.Cancel()) as stop, ThreadPoolExecutor(1) as pool, ExitStack() as held:
        status, info, life, go = (_Pipe(held) for _ in range(4))
        wires = Wires(
            status=status.write.fileno(),
            info=info.write.fileno(),
            block=go.read.fileno() if job.box.network else None,
            files={path: _in_memory(held, text) for path, text in WRITTEN.items()},
            lent=job.lent,
        )
        here = system()
        args = _in_memory(held, "".join(f"{word}\0" for word in arguments(job.box, wires, here)))
        side = None
        if beside is not None:
            side = pool.submit(_accompany, beside, info.read, life.read, go.write, (job.cancel, stop))
        done = job.start(
            (*job.enter, here.bwrap, "--args", str(args), "--", "sh", "-c", _INIT, "gate", *job.argv),
            cwd=_ROOT,
            env={"PATH": PROGRAMS},
            cancel=job.cancel if side is None else stop,
            pass_fds=(args, *wires.descriptors, *job.pass_fds),
        )
        for pipe in (status, info, life):
            pipe.write.close()
        if side is not None and done.cancelled:
            side.result()  # raises what made it end the box; of a box that ended by itself it has nothing to say
        pid, code = _reported(status.read.readall())
        if pid is not None:
            _await_end(pid, _DYING_MS)
        return done, code


def _accompany(
    beside: Beside,
    info: FileIO,
    life: FileIO,
    go: FileIO,
    switches: tuple[process.Cancel | None, process.Cancel],
) -> None:
    """Wait until the box has its namespaces, then run `beside` to its end; in a thread of its own."""
    cancel, stop = switches
    told = b""
    try:
        while not told.endswith(b"}\n") and (part := info.read(4096)):
            told += part
        if told:
            _beside_it(beside, network.Inside(json.loads(told)["child-pid"], life.fileno(), go.fileno()), cancel)
    finally:
        stop.throw()


def _beside_it(beside: Beside, inside: network.Inside, cancel: process.Cancel | None) -> None:
    """Run `beside`; when the box was over before it could be entered, wait until bwrap has said why."""
    try:
        beside(inside, cancel)
    except OSError:
        if not _await_end(inside.pid, _DYING_MS // 10):  # it loses its namespaces before it counts as ended
            raise
        select.select([inside.ended], [], [])


def _in_memory(held: ExitStack, text: str) -> int:
    """Return a descriptor that reads as `text`."""
    file = held.enter_context(FileIO(os.memfd_create("gate"), "r+"))
    file.write(text.encode())
    file.seek(0)
    return file.fileno()


def _reported(lines: bytes) -> tuple[int | None, int | None]:
    """Return the process id of the box's init, and the command's status, as far as bwrap came."""
    told: dict[str, int] = {}
    for line in lines.splitlines():
        told |= json.loads(line)
    return told.get("child-pid"), told.get("exit-code")


def _await_end(pid: int, milliseconds: int) -> bool:
    """Wait for the end of the box's init: the kernel ends it only after all the rest, but bwrap does not wait."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    ended = bool(poll.poll(milliseconds))
    os.close(handle)
    return ended


def _last_line(said: bytes) -> str:
    """Return what bwrap complained of; a command may have spoken before, so nothing of it is believed or shown raw."""
    last = (said.decode("utf-8", "replace").splitlines() or [""])[-1]
    return printable(last, 300)


def _told(done: process.Done, reached: tuple[str, ...], cut_at: int | None) -> bytes:
    """Return the gate's own lines at the end of the output."""
    lines = [
        *reached,
        *((done.stopped,) if done.stopped else ()),
        *((f"It was ended after {done.seconds:.0f} seconds.",) if done.timed_out else ()),
        *((f"The output was cut here: it went on after {cut_at} bytes.",) if cut_at is not None else ()),
    ]
    start = "" if not done.output or done.output.endswith(b"\n") else "\n"
    return "".join((start, *(f"[gate] {line}\n" for line in lines))).encode() if lines else b""


def _as_shells_say(status: int) -> int:
    return 128 - status if status < 0 else status
