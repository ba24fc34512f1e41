"""Follows sites until each is proven healthy or hopeless, all side by side. Changes nothing."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from gatekeeper.errors import GateError
from gatekeeper.model import SiteName, Version
from gatekeeper.sites import procfs
from gatekeeper.sites.pm2 import Pm2
from gatekeeper.sites.proof import GIVE_UP_AFTER, Place, Proof, View, prove
from gatekeeper.sites.run import SiteRun, Stamp

_PACE = 0.05
_LEAVES = 5.0
"""Seconds beyond `kill_timeout` in which pm2 finds a process's children, ends them all and has seen that they ended."""
_SURE = 0.4
"""Seconds for which pm2 must say that a site is dead: in the middle of a restart it says so too."""

_Outlook = Literal["open", "leaving", "hopeless"]
"""What may come of a site that is not well: anything, that its outgoing processes end, nothing."""


class SiteHealth(Struct, frozen=True):
    """The verdict on one site: whether it is healthy, why not, its first process, and the version it runs."""

    healthy: bool
    reason: str = ""
    pid: int | None = None
    version: str | None = None
    away: bool = False
    """Its machine cannot be reached, so nothing is known of the site."""


def look(pm2: Pm2) -> View:
    """Take one view of the daemon and its children; empty when it is not running."""
    daemon = pm2.daemon()
    if daemon is None:
        return View()
    try:
        processes = pm2.processes()
    except GateError:
        if pm2.daemon() is None:  # it went away between the two questions
            return View()
        raise
    # the list first: a worker that is forked in between then counts against its site, never for it
    children = {pid: procfs.cwd(pid) or "" for pid, parent in procfs.parents().items() if parent == daemon}
    return View(daemon, processes, children)


class Shared:
    """The latest view for many watchers: never older than their pace, never taken twice at once."""

    def __init__(self, take: Callable[[], View]) -> None:
        self._take = take
        self._lock = threading.Lock()
        self._view = View()
        self._taken = float("-inf")

    def now(self) -> View:
        """Return a view taken after, or just before, this call."""
        with self._lock:
            if time.monotonic() - self._taken >= _PACE:
                self._view = self._take()
                self._taken = time.monotonic()
            return self._view


def judge(runs: Sequence[SiteRun], places: Mapping[str, Place], stamp: Stamp, pm2: Pm2) -> dict[SiteName, SiteHealth]:
    """Follow each site until it is healthy and has soaked, or is hopeless, or its `health_timeout` is over.

    While all that is missing is that the outgoing processes end, that time stands still, for `departure` at most.
    """
    if not runs:
        return {}
    shared = Shared(lambda: look(pm2))
    with ThreadPoolExecutor(len(runs), thread_name_prefix="health") as pool:
        verdicts = pool.map(lambda run: _Watch(run, places[run.name], stamp, shared).verdict(), runs)
        return dict(zip((run.name for run in runs), verdicts, strict=True))


def departure(run: SiteRun) -> float:
    """Return the seconds within which pm2 has ended a site's outgoing processes, whatever they do."""
    return run.kill_timeout + _LEAVES


def glance(run: SiteRun, place: Place, stamp: Stamp, view: View) -> SiteHealth:
    """Judge one site at this moment, without waiting for anything but one answer."""
    proof = prove(run, place, stamp, view) if run.mode != "static" else Proof("right")
    problem = proof.reason or _problem(run, stamp, proof, view)
    return _health(proof, problem)


class _Watch:
    """One site's story from the first look to the verdict."""

    def __init__(self, run: SiteRun, place: Place, stamp: Stamp, shared: Shared) -> None:
        self._run, self._place, self._stamp, self._shared = run, place, stamp, shared
        self._restarts_at_first: int | None = None
        self._dead_since: float | None = None

    def verdict(self) -> SiteHealth:
        last = time.monotonic()
        left, leaving = self._run.health_timeout, departure(self._run)
        while True:
            now = time.monotonic()  # so that the last look begins when the time is over, however long one takes
            seen, outlook = self._look()
            if seen.healthy:
                return self._soak(seen)
            passed, last = now - last, now
            if outlook == "leaving" and leaving > 0:
                leaving -= passed
            else:
                left -= passed
            if outlook == "hopeless" or left <= 0:
                return seen
            time.sleep(_PACE)

    def _look(self) -> tuple[SiteHealth, _Outlook]:
        if self._run.mode == "static":
            return glance(self._run, self._place, self._stamp, View()), "open"
        view = self._shared.now()
        proof = prove(self._run, self._place, self._stamp, view)
        problem = proof.reason or _problem(self._run, self._stamp, proof, view)
        flaps, dead = self._flaps(proof), self._is_dead(proof)
        outlook: _Outlook = "hopeless" if flaps or dead else "leaving" if proof.state == "leaving" else "open"
        return _health(proof, problem), outlook

    def _is_dead(self, proof: Proof) -> bool:
        if proof.state != "dead":
            self._dead_since = None
            return False
        self._dead_since = self._dead_since or time.monotonic()
        return time.monotonic() - self._dead_since >= _SURE

    def _flaps(self, proof: Proof) -> bool:
        restarts = sum(one.restarts for one in proof.own)
        if self._restarts_at_first is None:
            self._restarts_at_first = restarts
        return restarts - self._restarts_at_first >= GIVE_UP_AFTER

    def _soak(self, well: SiteHealth) -> SiteHealth:
        """Hold on for the soak time: the same processes, without one restart, and a good answer at the end."""
        if self._run.mode == "static":
            return well
        end = time.monotonic() + self._run.soak
        started = _generation(prove(self._run, self._place, self._stamp, self._shared.now()))
        while time.monotonic() < end:
            time.sleep(_PACE)
            proof = prove(self._run, self._place, self._stamp, self._shared.now())
            if proof.state != "right" or _generation(proof) != started:
                return _health(
                    proof, f"it did not stay up for {self._run.soak:g} s: {proof.reason or 'it was restarted'}"
                )
        last, _ = self._look()
        return last if last.healthy else replace(last, reason=f"after {self._run.soak:g} s: {last.reason}")


def _generation(proof: Proof) -> list[tuple[int, int, int]]:
    return [(one.pm_id, one.pid, one.restarts) for one in proof.own]


def _problem(run: SiteRun, stamp: Stamp, proof: Proof, view: View) -> str:
    return answer_problem(run, stamp.version) or _port_problem(run, proof, view) or ""


def answer_problem(run: SiteRun, version: Version) -> str | None:
    """Ask a site once; return what is wrong with its answer, None when it is well or has no address."""
    if run.health is None:
        return None
    from gatekeeper.sites.health import ask  # noqa: PLC0415 - 30 ms that only a command which asks a site pays

    return ask(run.health, version)


def _port_problem(run: SiteRun, proof: Proof, view: View) -> str | None:
    """Return who else listens where the site is asked; in cluster mode the port belongs to the daemon."""
    port = run.health.local_port if run.health and run.mode != "static" else None
    if port is None or view.daemon is None:
        return None
    tree = procfs.parents()
    ours = {view.daemon}.union(*(procfs.family(one.pid, tree) for one in proof.own))
    strangers = procfs.strangers([port], ours)
    return f"port {port} is held by {procfs.describe(strangers[port])}" if strangers else None


def _health(proof: Proof, problem: str) -> SiteHealth:
    first = proof.own[0] if proof.own else None
    return SiteHealth(
        healthy=not problem,
        reason=problem,
        pid=(first.pid or None) if first else None,
        version=(first.version or None) if first else None,
    )
