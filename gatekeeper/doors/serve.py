"""Serves one git client behind a door: upload-pack as it is, receive-pack with its first words read beforehand."""

import os
import select
import time
from contextlib import suppress
from functools import partial
from io import FileIO

from gatekeeper import process
from gatekeeper.doors import box, commands
from gatekeeper.doors.visitor import pass_of
from gatekeeper.doors.wire import FLUSH, Gone, Wire
from gatekeeper.home import Home
from gatekeeper.model import Actor
from gatekeeper.repo import posted

PROTOCOLS = ("version=1", "version=2")
_CHUNK = 1 << 16
_LINGER = 10.0


def fetch(home: Home, wire: Wire, protocol: str | None = None) -> int:
    """Serve a clone, a fetch or a listing; return how it ended."""
    asked = {"GIT_PROTOCOL": protocol} if protocol in PROTOCOLS else {}
    argv, env = box.upload_pack(home), box.environment(**asked)
    return process.attach(argv, env=env, stdin=wire.reader, stdout=wire.writer).wait()


def push(home: Home, who: Actor, wire: Wire) -> int:
    """Serve a push; return how it ended. Who pushes is told by us, whatever the client's environment says."""
    start = partial(process.attach, box.receive_pack(home), env=box.environment(**pass_of(who)), stdout=wire.writer)
    inside, outside = os.pipe()
    with FileIO(inside, "r") as stdin, FileIO(outside, "w") as feed:
        git = start(stdin=inside)
        stdin.close()
        with suppress(Gone):
            asked = commands.read(wire)
            ours = not asked.sound or asked.deletion is not None
            _feed(outside, FLUSH if ours else asked.raw)  # a flush alone: nothing to push, and it ends quietly
            if not ours:
                _pour(wire, outside, git)
            feed.close()
            status = git.wait()
            for update in asked.updates if not ours else ():
                posted.finish(str(home.path), *update.decode("utf-8", "replace").split(" ", 2)[1:])
            if ours:
                from gatekeeper.doors import withdraw  # noqa: PLC0415 - a push waits for all that is imported

                withdraw.answer(home, who, asked, wire)
                _drain(wire)
            return status
    git.wait()
    return 1


def _pour(wire: Wire, feed: int, git: process.Child) -> None:
    """Hand on what the client sends until receive-pack has ended, or the client has nothing more to say."""
    with FileIO(os.pidfd_open(git.pid), "r") as ended:
        while ended.fileno() not in select.select([wire.reader, ended.fileno()], [], [])[0]:
            data = wire.some(_CHUNK)
            if not data or not _feed(feed, data):
                return


def _feed(feed: int, data: bytes) -> bool:
    """Write all of it; False when receive-pack does not read any more."""
    left = memoryview(data)
    with suppress(BrokenPipeError):
        while left:
            left = left[os.write(feed, left) :]
    return not left


def _drain(wire: Wire) -> None:
    """Let a client that still sends its pack come to our answer, for a little while."""
    deadline = time.monotonic() + _LINGER
    with suppress(Gone):
        while (left := deadline - time.monotonic()) > 0 and wire.some(_CHUNK, left):
            continue
