"""The Librarian's end of the courier: starts it boxed, puts questions, takes answers, and reads no byte of these.

Imports no Dask. A line that is down stays down; whoever wants another opens one.
"""

import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path
from shutil import which

import msgspec
from msgspec import Struct, field

import gatekeeper
from gatekeeper import process
from gatekeeper.process import Cancel
from gatekeeper.verify.courier import Ask, Back, Crew, Down, Drop, Lost, Reach, frame, length

_PACKAGE = Path(gatekeeper.__file__).parent
_MAIN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from gatekeeper.verify.courier import main; main()"
_ETC = ("hosts", "resolv.conf", "nsswitch.conf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives")
_DYING = 5.0


class Pending(Struct):
    """An answer to come: `bell` is thrown when `said` is there."""

    bell: Cancel = field(default_factory=Cancel)
    said: Back | Lost | Down | None = None


class Line:
    """One connection to a scheduler, through a child process. Open it in the main thread: the child dies with that."""

    def __init__(self, reach: Reach, *, boxed: bool, changed: Callable[[], None]) -> None:
        self._changed, self._guard, self._writing = changed, threading.Lock(), threading.Lock()
        self._waiting: dict[int, Pending] = {}
        self._last = 0
        self.crew: Mapping[str, int] | None = None
        """The workers with their threads; None before the scheduler has answered."""
        self.down: str | None = None
        """Why it is over."""
        with ExitStack() as held:
            theirs, ours = (held.enter_context(FileIO(fd, mode)) for fd, mode in zip(os.pipe(), "rw", strict=True))
            mine, its = (held.enter_context(FileIO(fd, mode)) for fd, mode in zip(os.pipe(), "rw", strict=True))
            argv, env = _argv(reach, boxed=boxed), {"PATH": process.clean_environment()["PATH"], "LANG": "C.UTF-8"}
            self._child = process.attach(argv, env={**env, "HOME": "/tmp"}, stdin=theirs.fileno(), stdout=its.fileno())  # noqa: S108
            held.pop_all()
            theirs.close()
            its.close()
        self._out, self._in = ours, mine
        self._thread = threading.Thread(target=self._live, name="courier", daemon=True)
        self._thread.start()

    @contextmanager
    def asking(self, worker: str, question: bytes) -> Iterator[Pending]:
        """Put a question; whoever leaves before the answer is there does not want it any more."""
        pending = Pending()
        with self._guard:
            self._last += 1
            id_ = self._last
            self._waiting[id_] = pending
            if self.down is not None:
                self._settle(id_, Down(self.down))
        try:
            self._send(Ask(id_, worker, question))
            yield pending
        finally:
            with self._guard:
                unanswered = self._waiting.pop(id_, None) is not None
            pending.bell.close()
            if unanswered:
                self._send(Drop(id_))

    def close(self) -> None:
        """End the child, which ends what its questions began, and wait for it."""
        if self._writing.acquire(timeout=_DYING):
            with suppress(OSError):
                self._out.close()
            self._writing.release()
        self._thread.join(_DYING)
        if self._thread.is_alive():
            self._child.kill()
            self._thread.join()

    def _send(self, message: Ask | Drop) -> None:
        """Never under the guard: the courier may have to say something before it listens."""
        data = memoryview(frame(message))
        with self._writing, suppress(OSError, ValueError):  # one that has ended says why with its last word
            while data:
                data = data[self._out.write(data) :]

    def _live(self) -> None:
        why = "its courier ended without a word"
        try:
            while (message := self._next()) is not None:
                if isinstance(message, Down):
                    why = message.why
                    break
                self._take(message)
        except (ValueError, msgspec.MsgspecError) as problem:
            why = f"its courier said what cannot be read: {problem}"
        self._child.kill()
        self._child.wait()
        self._in.close()
        with self._guard:
            self.down, self.crew = why, {}
            for id_ in list(self._waiting):
                self._settle(id_, Down(why))
        self._changed()

    def _next(self) -> Crew | Back | Lost | Down | None:
        head = self._read(4)
        data = self._read(length(head)) if head is not None else None
        return None if data is None else msgspec.msgpack.decode(data, type=Crew | Back | Lost | Down)

    def _read(self, size: int) -> bytes | None:
        data = bytearray()
        while len(data) < size:
            part = self._in.read(min(size - len(data), 1 << 20))
            if not part:
                return None
            data += part
        return bytes(data)

    def _take(self, message: Crew | Back | Lost) -> None:
        with self._guard:
            if isinstance(message, Crew):
                self.crew = message.threads
            else:
                self._settle(message.id, message)
        self._changed()

    def _settle(self, id_: int, said: Back | Lost | Down) -> None:
        pending = self._waiting.pop(id_, None)
        if pending is not None:
            pending.said = said
            pending.bell.throw()


def _argv(reach: Reach, *, boxed: bool) -> tuple[str, ...]:
    told = reach
    around: tuple[str, ...] = ()
    if boxed:
        files = {name: getattr(reach, name) for name in ("ca", "cert", "key") if getattr(reach, name)}
        told = msgspec.structs.replace(reach, **{name: f"/tls/{name}.pem" for name in files})
        around = _box({path: f"/tls/{name}.pem" for name, path in files.items()})
    return (*around, sys.executable, "-I", "-c", _MAIN, str(_PACKAGE.parent), msgspec.json.encode(told).decode())


def _box(files: Mapping[str, str]) -> tuple[str, ...]:
    """Return what goes before a program that may use the network, this Python and these files, and nothing else."""
    roots = [Path(f"/{name}") for name in ("bin", "sbin", "lib", "lib32", "lib64")]
    shown = [Path(sys.base_prefix), Path(sys.prefix), _PACKAGE, *_dask()]
    return (
        which("bwrap", path=process.clean_environment()["PATH"]) or "bwrap",
        *("--unshare-all", "--share-net", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind", "/usr", "/usr"),  # noqa: S108
        *(word for root in roots if root.is_symlink() for word in ("--symlink", str(root.readlink()), str(root))),
        *(word for root in roots if not root.is_symlink() for word in ("--ro-bind-try", str(root), str(root))),
        *(word for name in _ETC for word in ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")),
        *(word for path in shown if not path.is_relative_to("/usr") for word in ("--ro-bind", str(path), str(path))),
        *(word for path, place in files.items() for word in ("--ro-bind", path, place)),
        *("--remount-ro", "/", "--chdir", "/", "--"),
    )


def _dask() -> Iterator[Path]:
    """Yield the folder that Dask was installed to, when that is not this Python's own."""
    found = importlib.util.find_spec("distributed")
    if found is not None and found.origin is not None:
        place = Path(found.origin).parents[1]
        if not place.is_relative_to(sys.prefix):
            yield place
