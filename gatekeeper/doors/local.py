"""The local door: a Unix socket on which the kernel says who knocks. Each visit is served in a process of its own.

A visitor begins with one line of JSON: `{"v":1,"service":"git-upload-pack","protocol":"version=2"}`, or for a verb of
the command line `{"v":1,"argv":["status"]}`. Git is answered in its own protocol, a verb in side bands: 1 is standard
output, 2 standard error, 3 the exit status.
"""

import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from msgspec import Struct, field

from gatekeeper import peer, process
from gatekeeper.doors import serve as git
from gatekeeper.doors import visitor
from gatekeeper.doors.places import MOST_EACH
from gatekeeper.doors.relay import relayed
from gatekeeper.doors.visitor import Stranger, Visitor
from gatekeeper.doors.wire import Gone, Wire, band, error
from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home
from gatekeeper.model import Actor, Assurance
from gatekeeper.repo import report
from gatekeeper.verify.box import system

MOST_IN_ALL = 64
_HEADER_SECONDS = 5.0
_LONGEST_HEADER = 65536
_PARTING_SECONDS = 10.0

Verb = Callable[[Actor, Sequence[str]], int]
"""Runs a verb of the command line for somebody, on the standard streams; returns its exit status."""


class Keeper(Struct):
    """Keeps one socket. With `agent` whoever gets to it is that agent: who may is the launcher's business."""

    home: Home
    listener: socket.socket
    verb: Verb
    tell: Callable[[str], None]
    agent: str | None = None
    _visits: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By the visit's pidfd: its process id, and the visitor's uid."""

    def keep(self, stop: process.Cancel) -> None:
        """Serve until `stop` is thrown; then let visits end, for ten seconds at most."""
        with suppress(GateError):
            system()  # each visit is a copy of this process, and finds it asked
        with selectors.DefaultSelector() as selector:
            for file in (stop, self.listener):
                selector.register(file, selectors.EVENT_READ)
            while not stop.thrown:
                for key, _ in selector.select():
                    if key.fileobj is self.listener:
                        self._open(selector)
                    elif isinstance(key.fileobj, int):
                        self._see_off(selector, key.fileobj)
            selector.unregister(self.listener)
            selector.unregister(stop)
            self._part(selector)

    def _open(self, selector: selectors.BaseSelector) -> None:
        with suppress(OSError):
            line, _ = self.listener.accept()
            with line:
                uid = peer.of(line).uid
                each = sum(known == uid for _, known in self._visits.values())
                if each >= MOST_EACH or len(self._visits) >= MOST_IN_ALL:
                    line.settimeout(0)
                    line.sendall(error(f"GATE-304 {each} connections of yours are open at this door. Try again later."))
                    return
                pid = process.branch(partial(self._visit, line, uid))
                pidfd = os.pidfd_open(pid)
                self._visits[pidfd] = (pid, uid)
                selector.register(pidfd, selectors.EVENT_READ)

    def _see_off(self, selector: selectors.BaseSelector, pidfd: int) -> None:
        selector.unregister(pidfd)
        os.close(pidfd)
        os.waitpid(self._visits.pop(pidfd)[0], 0)

    def _part(self, selector: selectors.BaseSelector) -> None:
        deadline = time.monotonic() + _PARTING_SECONDS
        while self._visits and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                self._see_off(selector, key.fd)
        for pidfd, (pid, _) in list(self._visits.items()):
            os.kill(pid, signal.SIGKILL)  # not waited for yet, so the id is still this visit's
            self._see_off(selector, pidfd)

    def _visit(self, line: socket.socket, uid: int) -> int:
        """Serve one visit, in its own process."""
        self.listener.close()
        wire = Wire(line.fileno(), line.fileno())
        try:
            asked = _header(wire)
            try:
                who = self._who(uid)
            except GateError as problem:
                return self._refuse(wire, asked, f"{problem.code or 'GATE-501'} {problem.text}")
            if isinstance(who, Stranger):
                self.tell(f"refused {who.name} (uid {uid}): {who.why}")
                self._note(who, asked)
                return self._refuse(wire, asked, f"GATE-301 {who.why}")
            return self._serve(wire, who, asked)
        except Gone:
            return Exit.FAILED

    def _who(self, uid: int) -> Visitor:
        agents = visitor.listed(self.home)
        if self.agent is None or uid == 0:
            return visitor.by_uid(agents, uid)
        return visitor.by_name(agents, self.agent, Assurance.KERNEL)

    def _serve(self, wire: Wire, who: Actor, asked: dict[str, Any]) -> int:
        match asked:
            case {"service": "git-receive-pack"}:
                return git.push(self.home, who, wire)
            case {"service": "git-upload-pack"}:
                return git.fetch(self.home, wire, str(asked.get("protocol")))
            case {"argv": [str(), *_] as argv} if all(isinstance(word, str) for word in argv):
                return relayed(wire, partial(self.verb, who, argv))
        return self._refuse(wire, asked, "This door does not know that service; it is another version's.")

    def _refuse(self, wire: Wire, asked: dict[str, Any], text: str) -> int:
        words = f"error: {text}\n".encode("utf-8", "backslashreplace")
        wire.send(band(2, words) + band(3, b"%d" % Exit.REFUSED) if "argv" in asked else error(text))
        return Exit.REFUSED

    def _note(self, who: Stranger, asked: dict[str, Any]) -> None:
        """Write a refused push down under its Unix user, for the log."""
        if asked.get("service") == "git-receive-pack":
            agent = {"name": who.name, "assurance": Assurance.KERNEL, "role": "agent"}
            told = {"ref": "", "old": "", "new": "", "code": "GATE-301", "text": who.why}
            report.note_refusal(str(self.home.path), agent=agent, **told)


def _header(wire: Wire) -> dict[str, Any]:
    """Read the first line, byte by byte: what follows it is Git's. Raises Gone for a slow or a foreign one."""
    deadline, line = time.monotonic() + _HEADER_SECONDS, bytearray()
    while not line.endswith(b"\n"):
        if len(line) >= _LONGEST_HEADER:
            raise Gone("a header without an end")
        line += wire.exactly(1, max(0.0, deadline - time.monotonic()))
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise Gone("no header") from None
    if not isinstance(said, dict) or said.get("v") != 1:
        raise Gone("a header of another version")
    return said
