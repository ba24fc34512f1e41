"""The Librarian's life: a heartbeat, then wait for a knock, a changed sites.toml, the next beat, or the end."""

import gc
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from gatekeeper import __version__, progress
from gatekeeper.config.force import in_force
from gatekeeper.config.problems import ConfigProblems
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.home import Home
from gatekeeper.librarian import alarming, gates, opening, pulse
from gatekeeper.librarian.beat import Beat
from gatekeeper.librarian.door import Door
from gatekeeper.librarian.heartbeat import beat
from gatekeeper.librarian.memory import Memory
from gatekeeper.librarian.telling import Telling
from gatekeeper.model import SHIPPING, Reason
from gatekeeper.process import Cancel
from gatekeeper.repo import rotation
from gatekeeper.repo.ledger import Clock, utc
from gatekeeper.repo.lock import Lock
from gatekeeper.verify.cluster import Cluster

Tell = Callable[[str], None]
_GLANCE = 1.0
"""Seconds between two looks at sites.toml."""
_SOON = 60.0
"""Seconds after which a heartbeat that could not do its work is tried again, when that is sooner than the next."""


class Bell(Struct):
    """Rung by the door's thread and by signals; the main thread waits for it, or is interrupted by an urgent ring."""

    stop: Cancel
    rung: Cancel = field(default_factory=Cancel)
    pressing: Cancel = field(default_factory=Cancel)
    """Thrown by an urgent ring: it does not wait for what else may come."""
    _brake: Cancel | None = None
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def ring(self, urgent: bool) -> None:  # noqa: FBT001
        """Say that something has come; an urgent one interrupts the checks that run."""
        with self._guard:
            self.rung.throw()
            if urgent:
                self.pressing.throw()
                if self._brake is not None:
                    self._brake.throw()

    def arm(self, brake: Cancel | None) -> None:
        """Name what an urgent ring, or the end, interrupts from now on."""
        with self._guard:
            self._brake = brake
            if brake is not None and self.stop.thrown:
                brake.throw()

    def end(self) -> None:
        """Stop after the present step; called from a signal handler in the main thread."""
        self.stop.throw()
        if self._brake is not None:
            self._brake.throw()


class _Kept(Struct, frozen=True):
    """What one Librarian keeps from heartbeat to heartbeat; all of it can be lost without harm."""

    telling: Telling
    cluster: Cluster
    memory: Memory


def run(home: Home, held: Lock, bell: Bell, tell: Tell) -> None:
    """Live until `bell` ends it. A heartbeat that fails is told, and tried again."""
    door = Door(home, time.time, bell.ring)
    door.open()
    pulse.ready("the first heartbeat is under way")
    kept = _Kept(Telling(home, time.time, tell, background=True), Cluster(), Memory())
    try:
        event: str | None = "started"
        while not bell.stop.thrown:
            bell.rung.reset()
            bell.pressing.reset()
            pause = _beat_and_tell(home, held, bell, kept, event)
            event = None
            pulse.at(f"at rest; next heartbeat at {utc(time.time() + pause)}")
            if not bell.rung.thrown:
                forget()
            _wait(home, bell, pause)
        pulse.stopping()
        _recorded(home, held, "stopped")
    finally:
        kept.cluster.close()
        kept.telling.close()
        door.close()


def beat_once(  # noqa: PLR0913
    home: Home,
    held: Lock,
    brake: Cancel,
    tell: Tell,
    *,
    clock: Clock = time.time,
    event: str | None = None,
    knock: tuple[Cancel, ...] = (),
    telling: Telling | None = None,
    cluster: Cluster | None = None,
    memory: Memory | None = None,
) -> Beat:
    """Do one heartbeat, `event` recorded first; `knock` says, while checks run, that there is something new.

    Without `telling` people are told before it returns; without `cluster` its workers are left when it does; with
    `memory` it goes on from what the last one knew.

    Raises GateError when sites, sandbox or disk are not usable.
    """
    with (
        closing(Telling(home, clock, tell)) if telling is None else nullcontext(telling) as told,
        closing(Cluster()) if cluster is None else nullcontext(cluster) as workers,
    ):
        try:
            with gates.opened(home, held, clock=clock) as (gate, problems):
                invalid = _invalid(problems)
                opening.make_good(gate, tell)
                if event:
                    _note(gate, event)
                opening.apply(gate)
                told.begin(gate, event)
                period = gate.config.gate.heartbeat
                ended = beat(gate, cancel=brake, tell=tell, period=period, cluster=workers, knock=knock, memory=memory)
                progress.at("telling people, and mirrors")
                told.end(gate, ended.sight, map(alarming.invalid, invalid), whole=ended.whole)
        except (GateError, OSError) as problem:
            told.fail(problem)
            raise
        finally:
            progress.at("")
    return replace(ended, alarms=(*ended.alarms, *invalid))


def forget() -> None:
    """Give back what a heartbeat left in cycles. Python itself waits until that is a quarter of all there is."""
    gc.collect()


def _beat_and_tell(home: Home, held: Lock, bell: Bell, kept: _Kept, event: str | None) -> float:
    """Do a heartbeat and return how long to wait for the next, in seconds."""
    tell = kept.telling.tell
    with closing(Cancel()) as brake:
        bell.arm(brake)
        try:
            ended = beat_once(
                home,
                held,
                brake,
                tell,
                event=event,
                knock=(bell.rung,),
                telling=kept.telling,
                cluster=kept.cluster,
                memory=kept.memory,
            )
        except (GateError, OSError) as problem:
            code = problem.code if isinstance(problem, GateError) else "GATE-503"
            tell(f"error: {code or ''} {problem}")
            return min(_SOON, _period(home))
        finally:
            bell.arm(None)
        for alarm in ended.alarms:
            tell(f"error: {alarm.code} {alarm.text}")
        return 0.0 if brake.thrown else _pause(home, ended)


def _pause(home: Home, ended: Beat) -> float:
    """Return the time to the next heartbeat; one that something waits for comes at its moment."""
    period = _period(home)
    return period if ended.wake is None else min(period, max(0.0, ended.wake - time.time()))


def _wait(home: Home, bell: Bell, pause: float) -> None:
    """Return at the next beat, `settle` after a knock, when sites.toml was saved, or at the end."""
    due, written = time.monotonic() + pause, _written(home)
    with selectors.DefaultSelector() as selector:
        selector.register(bell.stop, selectors.EVENT_READ)
        selector.register(bell.rung, selectors.EVENT_READ)
        while (left := due - time.monotonic()) > 0:
            pulse.alive()
            if selector.select(min(left, _GLANCE)) or _written(home) != written:
                break
    if bell.rung.thrown and not bell.stop.thrown:
        _settle(home, bell)


def _settle(home: Home, bell: Bell) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(bell.stop, selectors.EVENT_READ)
        selector.register(bell.pressing, selectors.EVENT_READ)
        due = time.monotonic() + _setting(home, lambda gate: gate.settle)
        while (left := due - time.monotonic()) > 0 and not selector.select(min(left, pulse.EVERY)):
            pulse.alive()


def _period(home: Home) -> float:
    return _setting(home, lambda gate: gate.heartbeat)


def _setting(home: Home, which: Callable[..., float]) -> float:
    return which(in_force(home).config.gate)


def _written(home: Home) -> tuple[int, int]:
    try:
        seen = home.sites_toml.stat()
    except OSError:
        return (0, 0)
    return (seen.st_mtime_ns, seen.st_size)


def _recorded(home: Home, held: Lock, event: str) -> None:
    with gates.opened(home, held) as (gate, _):
        # an unfinished publication names the log's old value, an unfinished change of keys has retired this key
        if gate.git.resolve(SHIPPING) is None and not rotation.pending(home):
            _note(gate, event)


def _note(gate: Gate, event: str) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    told: dict[str, Any] = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "boot": boot,
        "gatekeeper": __version__,
    }
    gate.ledger.record(event, f"the Librarian {event}", **told)
    gate.ledger.commit(event)


def _invalid(problems: ConfigProblems | None) -> tuple[Reason, ...]:
    if problems is None:
        return ()
    return (Reason("GATE-501", f"sites.toml is invalid, the last valid one is in force. {problems.text}"),)
