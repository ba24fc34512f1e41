"""The gate's side of the line to a host: one SSH session through Fabric, kept from heartbeat to heartbeat.

The host's key must be the one that was seen when the host was added, and ours opens one program there. What comes back
is trusted no further than its shape: bounded in time and size.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec

from gatekeeper import __version__
from gatekeeper.errors import GateError, printable
from gatekeeper.home import Home
from gatekeeper.hosts import wire
from gatekeeper.hosts.wire import Greeting
from gatekeeper.model import Argv
from gatekeeper.sites.run import Machine
from gatekeeper.sites.wire import Stream, receive, result, send

_CONNECTING = 6.0
_STALE = 5.0
"""Seconds after which a line that was not used is tried with a word before more is trusted to it."""
_TAKING = 60.0
_KEPT: dict[tuple[Path, Machine, Argv, str], "Line"] = {}
_T = TypeVar("_T")


class UnreachableError(GateError):
    """A host that cannot be reached: nothing is known of it, as against trouble that it told of."""


class OtherVersionError(UnreachableError):
    """It answers, but its program is of another gatekeeper: nothing is asked of it."""


class Line:
    """One host's line; opened when it is first needed. Every method raises GATE-504 when the host cannot be reached."""

    def __init__(self, home: Home, machine: Machine, pm2: Argv, pm2_home: str) -> None:
        self.machine = machine
        self.greeting: Greeting | None = None
        """What the host said when it was reached last; None before."""
        self._key, self._known_hosts = home.host_key, home.known_hosts
        self._pm2, self._pm2_home = pm2, pm2_home
        self._guard, self._writing = threading.RLock(), threading.Lock()
        self._connection: Any = None
        self._channel: Any = None
        self.lost = ""
        """Why it could not be reached when it was tried last; empty when it was."""
        self._lost_at = self._used = 0.0
        self._pulse: threading.Event | None = None

    def ask(self, asked: wire.Asked, kind: type[_T], patience: float, *, most: int = 500) -> _T:
        """Ask, and return the answer."""
        with self._guard:
            self._ready(quick=isinstance(asked, wire.Looking))
            return self._answered(lambda: self._tell(asked), kind, patience, most)

    def greet(self) -> None:
        """See that the host answers, with a program of this gatekeeper."""
        with self._guard:
            self._ready(quick=False)

    def carry(self, asked: wire.Pack | wire.Output, file: BinaryIO, patience: float) -> None:
        """Ask, with the bytes of a file behind it."""
        file.seek(0)
        with self._guard:
            self._ready(quick=False)

            def load() -> None:
                with self._writing:
                    self._send(wire.of(asked, self._pm2, self._pm2_home))
                    while part := file.read(1 << 15):
                        self._open.settimeout(_TAKING)
                        self._open.sendall(part)

            self._answered(load, type(None), patience, 500)

    def beat(self) -> None:
        """Give signs of life from now on: the host is switched, and a ship is undecided."""
        if self._pulse is None:
            self._pulse = threading.Event()
            threading.Thread(target=self._live, args=(self._pulse,), name="alive", daemon=True).start()

    def rest(self) -> None:
        """Give none any more."""
        if self._pulse is not None:
            self._pulse.set()
            self._pulse = None

    def close(self) -> None:
        """Hang up; the next question opens it again."""
        self.rest()
        channel, connection = self._channel, self._connection
        self._channel = self._connection = None
        for one in (channel, connection):
            if one is not None:
                with suppress(Exception):  # a line that is cut off cannot be closed politely
                    one.close()

    @property
    def _open(self) -> Stream:
        if self._channel is None:
            raise ConnectionResetError("the line was closed")
        channel: Stream = self._channel
        return channel

    def _live(self, ended: threading.Event) -> None:
        while not ended.wait(wire.PACE):
            with suppress(OSError), self._writing:
                send(self._open, wire.ALIVE, timeout=wire.SILENCE)  # a reader beside it waits no longer

    def _tell(self, asked: wire.Asked) -> None:
        with self._writing:
            self._send(wire.of(asked, self._pm2, self._pm2_home))

    def _send(self, message: bytes) -> None:
        send(self._open, message, timeout=_TAKING)

    def _ready(self, *, quick: bool) -> None:
        """See that the line is open and that somebody is there; one that broke while it was at rest is opened anew.

        A `quick` question is not asked of a host that was lost a moment ago: many in a row would each wait for it.
        """
        if self._channel is not None and self._broke():
            self.close()
            self.lost = ""
        if self._channel is None:
            if quick and self.lost and time.monotonic() - self._lost_at < _STALE:
                raise self._unreachable()
            self._connect()
            self._greet()
            self.lost = ""

    def _broke(self) -> bool:
        if self._channel.closed or self._channel.eof_received:
            return True
        if time.monotonic() - self._used > _STALE:
            try:
                self._greet()
            except GateError:
                return True
        return False

    def _greet(self) -> None:
        greeting = self._answered(lambda: self._tell(wire.Hello()), Greeting, wire.SILENCE, 500)
        if greeting.gatekeeper != __version__:
            self.close()
            said = f"its program is of gatekeeper {greeting.gatekeeper}, and this is {__version__}"
            told = self._trouble(said, f"gatekeeper host add {self.machine.name} --apply")
            raise OtherVersionError(told.text, code=told.code, hints=told.hints)
        self.greeting = greeting

    def _answered(self, tell: Callable[[], None], kind: type[_T], patience: float, most: int) -> _T:
        deadline = time.monotonic() + patience
        try:
            tell()
            while (message := receive(self._open, timeout=wire.SILENCE)) == wire.ALIVE:
                if time.monotonic() >= deadline:
                    raise TimeoutError("it did not come to an end in time")
            self._used = time.monotonic()
            return result(message, kind, most=most)
        except GateError as problem:  # told by the host
            text = f'Host "{self.machine.name}": {problem.text}'
            raise GateError(text, code=problem.code, hints=problem.hints) from problem
        except (OSError, EOFError, ValueError, msgspec.MsgspecError) as problem:
            said = self._last_words()
            self.close()
            silent = f"it said nothing for {wire.SILENCE:.0f} seconds" if isinstance(problem, TimeoutError) else ""
            raise self._trouble(said or str(problem) or silent or type(problem).__name__) from problem

    def _last_words(self) -> str:
        """Return what a program that ended at once printed, such as that there is none."""
        channel = self._channel
        if channel is None or not channel.recv_stderr_ready():
            return ""
        lines = channel.recv_stderr(4096).decode("utf-8", "replace").strip().splitlines()
        return printable(lines[-1], 200) if lines else ""

    def _connect(self) -> None:
        fabric, paramiko = libraries()
        try:
            connection = fabric.Connection(
                self.machine.ssh,
                connect_timeout=_CONNECTING,
                connect_kwargs={
                    "key_filename": str(self._key),
                    "allow_agent": False,
                    "look_for_keys": False,
                    "banner_timeout": _CONNECTING,
                    "auth_timeout": _CONNECTING,
                },
            )
            connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
            if self._known_hosts.exists():
                connection.client.load_host_keys(str(self._known_hosts))
            connection.open()
            channel = connection.transport.open_session(timeout=_CONNECTING)
            channel.exec_command("gatekeeper host serve")
        except (OSError, EOFError, ValueError, paramiko.SSHException) as problem:
            raise self._trouble(str(problem) or type(problem).__name__) from problem
        self._connection, self._channel = connection, channel

    def _trouble(self, why: str, hint: str | None = None) -> GateError:
        self.lost, self._lost_at = printable(why, 300).rstrip("."), time.monotonic()
        return self._unreachable(hint)

    def _unreachable(self, hint: str | None = None) -> GateError:
        hints = (hint or f"Look at it: ssh {self.machine.ssh}, or gatekeeper host add {self.machine.name}",)
        return UnreachableError(
            f'Host "{self.machine.name}" cannot be reached: {self.lost}.', code="GATE-504", hints=hints
        )


def kept(home: Home, machine: Machine, pm2: Argv, pm2_home: str) -> Line:
    """Return this process's line to a host, the one that is open when there is one."""
    asked = home.path, machine, pm2, pm2_home
    if asked not in _KEPT:
        _KEPT[asked] = Line(home, machine, pm2, pm2_home)
    return _KEPT[asked]


def close_all() -> None:
    """Hang up on every host."""
    while _KEPT:
        _KEPT.popitem()[1].close()


def libraries() -> tuple[Any, Any]:
    """Return Fabric and Paramiko, which only a gate with hosts pays for. GATE-501 when they are not installed."""
    try:
        import fabric  # type: ignore[import-untyped]  # noqa: PLC0415
        import paramiko  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise GateError(
            "Sites on other hosts are reached through Fabric, which is not installed.",
            code="GATE-501",
            hints=("pip install 'git-gatekeeper[hosts]'",),
        ) from None
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what it would print is raised, and told once
    return fabric, paramiko
