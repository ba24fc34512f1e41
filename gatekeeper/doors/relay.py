"""Runs a verb for a visitor in a process of its own, and hands what it prints on in side bands."""

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from gatekeeper import process
from gatekeeper.doors.wire import Gone, Wire, band
from gatekeeper.errors import Exit

OUTPUT, ERRORS, STATUS = 1, 2, 3
_CHUNK = 1 << 15


def relayed(wire: Wire, work: Callable[[], int]) -> int:
    """Run `work` with its standard streams in the bands; it ends when the visitor leaves."""
    pipes = {OUTPUT: os.pipe(), ERRORS: os.pipe()}
    inside = partial(_inside, {number: ends[1] for number, ends in pipes.items()}, work)
    child = process.branch(inside, die_with_parent=True)
    for _, writer in pipes.values():
        os.close(writer)
    reaped = False
    try:
        _hand_on(wire, {reader: number for number, (reader, _) in pipes.items()})
        status, reaped = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), True
        wire.send(band(STATUS, b"%d" % (status if status >= 0 else Exit.BUG)))
    finally:
        if not reaped:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return status


def _inside(writers: dict[int, int], work: Callable[[], int]) -> int:
    silence = os.open(os.devnull, os.O_RDONLY)
    os.dup2(silence, 0)
    for number, writer in writers.items():
        os.dup2(writer, number)
        os.close(writer)
    return work()


def _hand_on(wire: Wire, readers: dict[int, int]) -> None:
    """Hand on until both streams have ended. Raises Gone when the visitor has left before."""
    try:
        while readers:
            ready = select.select([*readers, wire.reader], [], [])[0]
            for reader in (each for each in ready if each in readers):
                data = os.read(reader, _CHUNK)
                if data:
                    wire.send(band(readers[reader], data))
                else:
                    os.close(reader)
                    del readers[reader]
            if wire.reader in ready and not wire.some(1):
                raise Gone("the visitor left")
    finally:
        for reader in readers:
            with suppress(OSError):
                os.close(reader)
