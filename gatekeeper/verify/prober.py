"""Asks a booted site until it is well: the same question that a ship asks. A process of its own, in the site's network.

Started by `boot` with an interpreter that may live where the box has none, nor its user any right; so it enters by
itself, when it has read all of its code.
"""

import ctypes
import encodings.idna  # noqa: F401 - looking up a name would read it later
import json
import os
import select
import sys
import time

from msgspec import Struct

from gatekeeper.model import Version
from gatekeeper.sites.health import ask
from gatekeeper.sites.run import HealthCheck

_PAUSE = 0.03
_PATIENCE = 2.0


class Answer(Struct, frozen=True):
    """What is wrong with the site (None: nothing), and whether it had ended by then."""

    wrong: str | None
    ended: bool = False


def main() -> None:
    """Read the question from the only argument, and print the answer as JSON."""
    told = json.loads(sys.argv[1])
    _enter(told["namespaces"])
    check = HealthCheck(told["url"], told["host"], told["status"] and frozenset(told["status"]), told["contains"])
    answer = until_well(check, Version(told["version"]), timeout=told["timeout"], ended=told["ended"])
    json.dump({"wrong": answer.wrong, "ended": answer.ended}, sys.stdout)


def _enter(namespaces: list[int]) -> None:
    """Become the user of the box, in its network: user 0 of its namespace is nobody outside."""
    libc = ctypes.CDLL(None, use_errno=True)
    for each in namespaces:
        if libc.setns(each, 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    os.setresuid(0, 0, 0)


def until_well(check: HealthCheck, version: Version, *, timeout: float, ended: int) -> Answer:
    """Ask again and again, until it is well, `timeout` is over, or the descriptor `ended` can be read."""
    until = time.monotonic() + timeout
    while True:
        left = until - time.monotonic()
        wrong = ask(check, version, timeout=min(max(left, _PAUSE), _PATIENCE))
        if wrong is None:
            return Answer(None)
        over = select.select([ended], [], [], min(_PAUSE, max(0.0, until - time.monotonic())))[0]
        if over or time.monotonic() >= until:
            return Answer(wrong, ended=bool(over))
