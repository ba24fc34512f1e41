"""What a dishonest worker is started with, `--preload liar.py LIE`: it says another thing than it found."""

import os
from collections.abc import Callable
from typing import Any

import click
import msgspec
from distributed import Worker
from msgspec.structs import replace

from gatekeeper.verify import wire, worker


class Bomb:
    """Runs code in whoever unpickles it: it makes a file."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkfifo, (self.place,))


@click.command()
@click.argument("lie")
def dask_setup(_worker: Worker, lie: str) -> None:
    """Put the lie in the place of the truth."""
    honest, lies = worker.answer, _LIES

    def answer(question: bytes) -> Any:
        reply = wire.reply(honest(question), at_most=1 << 30)
        if not isinstance(reply, wire.Answered):
            return wire.encode(reply)
        if lie.startswith("/"):
            return Bomb(lie)
        return lies[lie](reply)

    worker.answer = answer  # it travels by this name


def _changed(reply: wire.Answered, **how: Any) -> bytes:
    return wire.encode(msgspec.structs.replace(reply, **how))


_LIES: dict[str, Callable[[wire.Answered], Any]] = {
    "another tree": lambda reply: _changed(reply, names=frozenset({"0" * 40})),
    "another key": lambda reply: _changed(reply, key="0" * 40),
    "an old answer": lambda reply: _changed(reply, once="0" * 32),
    "other tools": lambda reply: _changed(reply, toolchain="0" * 40),
    "impossible": lambda reply: _changed(reply, said=replace(reply.said, ran=replace(reply.said.ran, seconds=-1.0))),
    "both": lambda reply: _changed(reply, said=replace(reply.said, wrong="It is green and red.")),
    "garbage": lambda _: b"passed",
    "too much": lambda reply: wire.encode(reply) + b" " * (8 << 20),
    "no bytes": lambda _: {"passed": True},
    "nothing": lambda _: wire.encode(wire.Taken()),
}
