"""People who use the sites while the gate works: a bounded, steady stream of requests, and what came of each."""

import asyncio
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
_PATIENCE = 10.0


@dataclass(frozen=True)
class Answer:
    """One request: when it was sent, to which site, and which version answered, or what went wrong."""

    at: float
    site: str
    version: str = ""
    problem: str = ""
    seconds: float = 0.0


@dataclass
class Traffic:
    """A context manager: `rate` requests a second to every site, each on a connection of its own."""

    ports: Mapping[str, int]
    rate: float = 50.0
    answers: list[Answer] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._flow()), name="traffic")
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def lost(self) -> list[Answer]:
        """Return the requests that nobody answered."""
        return [answer for answer in self.answers if answer.problem]

    def skew(self, version: str) -> float:
        """Return the seconds between the first and the last site's first answer of a version."""
        first = self.first_answers(version)
        return max(first.values()) - min(first.values())

    def first_answers(self, version: str) -> dict[str, float]:
        """Return when each site was first asked something that a version answered."""
        first: dict[str, float] = {}
        for answer in sorted(self.answers, key=lambda one: one.at):
            if answer.version == version:
                first.setdefault(answer.site, answer.at)
        return first

    def down(self, site: str) -> float:
        """Return the longest time for which a site answered nobody."""
        longest, since = 0.0, None
        for answer in sorted(self.answers, key=lambda one: one.at):
            if answer.site != site:
                continue
            since = (since or answer.at) if answer.problem else None
            longest = max(longest, answer.at - since if since else 0.0)
        return longest

    async def _flow(self) -> None:
        tasks: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        while not self._stop.is_set():
            for site, port in self.ports.items():
                task = asyncio.create_task(self._ask(site, port))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            due += 1 / self.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*tasks)

    async def _ask(self, site: str, port: int) -> None:
        began = time.monotonic()
        try:
            said = await asyncio.wait_for(_exchange(port), _PATIENCE)
            self.answers.append(_judged(began, site, said))
        except (OSError, TimeoutError) as problem:
            self.answers.append(Answer(began, site, problem=repr(problem), seconds=time.monotonic() - began))


async def _exchange(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(_REQUEST)
        await writer.drain()
        return await reader.read()
    finally:
        writer.close()


def _judged(began: float, site: str, said: bytes) -> Answer:
    """A 500 is an answer of the site; half an answer, or none, is a request that was lost."""
    seconds = time.monotonic() - began
    head, _, body = said.partition(b"\r\n\r\n")
    text = body[body.find(b"{") : body.rfind(b"}") + 1]
    try:
        version = str(json.loads(text)["version"])
    except (ValueError, KeyError):
        return Answer(began, site, problem=f"no answer but {said[:80]!r}", seconds=seconds)
    return Answer(began, site, version if b" 200 " in head.split(b"\r\n")[0] else "500", seconds=seconds)
