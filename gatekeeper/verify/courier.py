"""The one program that speaks Dask: a child of the Librarian, in a box with the network and nothing of the gate.

Dask unpickles what schedulers and workers send, which lets them run code in whoever asks them. So it is asked from
here, and only bounded frames of bytes go on to the Librarian. It ends with its connection, and with its parent.
"""

import asyncio
import os
import struct
import sys
from contextlib import suppress
from typing import Any, NoReturn
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from msgspec import Struct

FRAME = 64 << 20
"""Bytes of a frame, at most."""
_ROOM = 1 << 10
_HEAD = struct.Struct(">I")
_GLANCE = 0.5
_SILENCE = 30.0
"""Seconds after which a scheduler that does not answer is away."""


class Reach(Struct, frozen=True):
    """Where the scheduler is, and the files that TLS takes; seconds to wait for it."""

    address: str
    patience: float
    ca: str | None = None
    cert: str | None = None
    key: str | None = None


class Ask(Struct, frozen=True, tag=True):
    """To the courier: put a question to one worker."""

    id: int
    worker: str
    data: bytes


class Drop(Struct, frozen=True, tag=True):
    """To the courier: nobody wants that answer any more; the worker is to stop."""

    id: int


class Crew(Struct, frozen=True, tag=True):
    """From the courier: the workers that the scheduler has, with the threads of each."""

    threads: dict[str, int]


class Back(Struct, frozen=True, tag=True):
    """From the courier: a worker's answer, unread."""

    id: int
    data: bytes


class Lost(Struct, frozen=True, tag=True):
    """From the courier: there will be no answer."""

    id: int
    why: str


class Down(Struct, frozen=True, tag=True):
    """From the courier, as its last word: the scheduler cannot be reached."""

    why: str


def frame(message: Ask | Drop | Crew | Back | Lost | Down) -> bytes:
    """Return a message as it travels over the pipe."""
    data = msgspec.msgpack.encode(message)
    return _HEAD.pack(len(data)) + data


def length(head: bytes) -> int:
    """Return how many bytes follow this head. Raises ValueError when that is more than any frame has."""
    (size,) = _HEAD.unpack(head)
    if size > FRAME:
        raise ValueError(f"a frame of {size} bytes")
    return int(size)


def main() -> NoReturn:
    """Carry questions from stdin to workers and answers to stdout, until either end is gone."""
    out, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)  # whatever Dask prints: stdout is for frames alone
    reach = msgspec.json.decode(sys.argv[1], type=Reach)
    said = "it ended"
    try:
        asyncio.run(_Courier(out).carry(reach))
    except BaseException as problem:  # noqa: BLE001 - the last word says why, whatever it was
        said = f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
    with suppress(OSError):
        os.write(out, frame(Down(said[:1000])))
    os._exit(0)  # Dask's threads may hang on a scheduler that is gone


class _Courier:
    """One connection to a scheduler."""

    def __init__(self, out: int) -> None:
        self._out = out
        self._asked: dict[int, tuple[str, asyncio.Task[None]]] = {}
        self._crew: dict[str, int] | None = None

    async def carry(self, reach: Reach) -> None:
        self._client = await _connected(reach)
        ends = [asyncio.create_task(self._listen()), asyncio.create_task(self._look())]
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        with suppress(Exception):
            await asyncio.wait_for(self._client.close(), _GLANCE)
        for end in done:
            end.result()

    async def _listen(self) -> None:
        """Take what the Librarian says, to its end."""
        pipe = asyncio.StreamReader(limit=FRAME)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(pipe), sys.stdin)
        while True:
            try:
                data = await pipe.readexactly(length(await pipe.readexactly(_HEAD.size)))
            except asyncio.IncompleteReadError:
                return
            match msgspec.msgpack.decode(data, type=Ask | Drop):
                case Ask() as ask:
                    self._asked[ask.id] = (ask.worker, asyncio.create_task(self._put(ask)))
                case Drop(id_) if id_ in self._asked:
                    self._asked[id_][1].cancel()

    async def _look(self) -> None:
        """Tell who is there, at each change; end when the scheduler is not."""
        while True:
            crew = await _crew_of(self._client)
            if crew != self._crew:
                self._crew = crew
                self._send(Crew(crew))
            for worker, task in list(self._asked.values()):
                if worker not in crew:
                    task.cancel("it is gone")
            await asyncio.sleep(_GLANCE)

    async def _put(self, ask: Ask) -> None:
        from gatekeeper.verify.worker import answer  # noqa: PLC0415 - travels by its name

        future = self._client.submit(
            answer, ask.data, key=f"gate-{uuid4().hex}", workers=[ask.worker], allow_other_workers=False, pure=False
        )
        try:
            said = await future
            told = _told(ask.id, said)
        except asyncio.CancelledError as ended:
            told = Lost(ask.id, "It is gone." if ended.args else "It was told to stop.")
        except Exception as problem:  # noqa: BLE001 - a task may raise anything: it is no answer
            told = Lost(ask.id, f"It failed: {type(problem).__name__}: {problem}"[:1000])
        finally:
            future.release()  # of a task that runs it tells the worker that nobody waits
            self._asked.pop(ask.id, None)
        self._send(told)

    def _send(self, message: Crew | Back | Lost) -> None:
        data = memoryview(frame(message))
        while data:
            data = data[os.write(self._out, data) :]


def _told(id_: int, said: object) -> Back | Lost:
    if not isinstance(said, bytes):
        return Lost(id_, "It sent no bytes.")
    return Back(id_, said) if len(said) < FRAME - _ROOM else Lost(id_, "It sent more than a frame holds.")


async def _connected(reach: Reach) -> Any:
    """Raises OSError at once where nobody listens: Dask would knock again and again."""
    _, knock = await asyncio.wait_for(asyncio.open_connection(*_host_and_port(reach.address)), reach.patience)
    knock.close()
    import dask  # noqa: PLC0415 - 0.7 s, in this process alone

    dask.config.set({"logging": {"distributed": "critical", "distributed.client": "critical"}})
    import distributed  # noqa: PLC0415

    dask_: Any = distributed  # which has types for some of it
    security = dask_.Security(
        tls_ca_file=reach.ca,
        tls_client_cert=reach.cert,
        tls_client_key=reach.key,
        require_encryption=reach.address.startswith("tls://"),
    )
    return await dask_.Client(
        reach.address,
        asynchronous=True,
        set_as_default=False,
        security=security,
        timeout=reach.patience,
        name="gatekeeper",
        direct_to_workers=False,
    )


def _host_and_port(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    return parts.hostname or "", parts.port or 0


async def _crew_of(client: Any) -> dict[str, int]:
    """Ask the scheduler who works for it. Raises OSError when the connection is not what it was."""
    if client.status != "running":
        raise OSError("the connection to the scheduler was lost")
    said = await asyncio.wait_for(client.scheduler.identity(**_all_of_them()), _SILENCE)
    return {str(address): int(one["nthreads"]) for address, one in said["workers"].items()}


def _all_of_them() -> dict[str, int]:
    """Return what makes a scheduler name all its workers: newer ones name five unless asked."""
    from inspect import signature  # noqa: PLC0415

    from distributed import Scheduler  # noqa: PLC0415

    return {"n_workers": -1} if "n_workers" in signature(Scheduler.identity).parameters else {}
