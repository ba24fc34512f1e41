"""This machine as a place to ship to: what a ship, a recovery and the watch ask of pm2 and the sites.

It never switches `current` and never stages: it makes the processes follow what is there.
"""

import os
import pwd
import signal
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from gatekeeper.errors import GateError
from gatekeeper.model import SiteName
from gatekeeper.sites import ecosystem, plan, procfs
from gatekeeper.sites.listed import Pm2Process
from gatekeeper.sites.pm2 import Pm2, base_environment
from gatekeeper.sites.proof import Place, View, strays
from gatekeeper.sites.run import SiteRun, Stamp
from gatekeeper.sites.watch import SiteHealth, glance, judge, look

_RETRY = 0.3
_UNKNOWN = 20.0
_MARGIN = 5.0
_COMES_BACK = 2.0
"""Seconds within which pm2 starts a process that died; one that dies again and again is waited for no longer."""
_ORPHANS_LAST = 2.5
"""Seconds that sites may outlive their daemon, and hold their ports."""


class SiteSeen(Struct, frozen=True):
    """What pm2 and the kernel say of a site at this moment. Nothing was asked of the site itself.

    `status` is pm2's word, or "absent" (pm2 does not have it), "down" (no daemon), "static".
    """

    status: str
    pid: int | None = None
    cwd: str | None = None
    version: str | None = None
    commit: str | None = None
    restarts: int = 0
    strays: int = 0
    """Processes beside it, in its folder of any release, that pm2 has lost sight of, or that are on their way out."""


class LocalTarget(Struct, frozen=True):
    """The sites of one daemon. `current` is the link that their paths go through; `file` pm2's ecosystem file.

    `runs` is always every site of this daemon: what is no longer named is stopped. `only` narrows what else is
    touched and waited for. Every method raises GATE-504 when pm2 cannot be reached.
    """

    pm2: Pm2
    current: Path
    file: Path

    def preflight(self, runs: Sequence[SiteRun], *, leaving: Collection[int] = ()) -> None:
        """Raise before anything is touched: 504 for pm2, 501 for a foreign namesake or a port that is taken.

        Users in `leaving` may hold a port: theirs are sites that end before these start.
        """
        ecosystem.refuse_reserved(runs)
        self.pm2.require()
        daemon = self.pm2.daemon()
        if daemon is not None:
            plan.refuse_namesakes(runs, self.pm2.processes(), self.current)
        for port, holder in sorted(self._strangers(runs, daemon).items()):
            if not procfs.owners(port) <= set(leaving):
                raise taken(runs, port, holder)

    def reload(self, runs: Sequence[SiteRun], stamp: Stamp, *, only: Collection[str] | None = None) -> None:
        """Tell pm2 the new state and see it begin: missing sites start, changed ones are replaced, others reload.

        Returns when pm2 has taken on every one, before they are ready: `health` tells the outcome.
        """
        self._ensure_daemon(runs)
        told = self._told(runs, stamp)
        todo = plan.make(runs, told, self.pm2.processes(), current=self.current, only=only)
        moving = any(one.in_motion for one, _ in todo.reload)
        if todo.delete or moving or self._unlisted(look(self.pm2)):
            # pm2 loses sight of a worker that is launching when its process is reloaded, as one that dies at boot is
            self._quiet(runs)
            todo = plan.make(runs, told, self.pm2.processes(), current=self.current, only=only)
            self.pm2.delete((one.pm_id for one in todo.delete), timeout=_longest(runs) + _MARGIN)
        written_for = {"release": self.current.resolve().name, "pm2": list(self.pm2.command)}
        ecosystem.write(self.file, told | written_for)
        self._apply(todo, runs)

    def health(self, runs: Sequence[SiteRun], stamp: Stamp, release: Path) -> dict[SiteName, SiteHealth]:
        """Wait until each site is proven healthy in `release`, or hopeless, or out of time; side by side."""
        return judge(runs, self._places(runs, release), stamp, self.pm2)

    def converge(
        self, runs: Sequence[SiteRun], stamp: Stamp, release: Path, *, only: Collection[str] | None = None
    ) -> dict[SiteName, SiteHealth]:
        """Bring every site to `stamp` in `release`, whatever state it is in, and return how each is then.

        Idempotent; a healthy site is not touched. `current` must lead to `release` already.
        """
        self._ensure_daemon(runs)
        places = self._places(runs, release)
        todo = plan.make(runs, self._told(runs, stamp), self.pm2.processes(), current=self.current, only=only)
        self._unstick(todo, places)
        self._quiet(runs)
        view = look(self.pm2)
        mine = [run for run in runs if only is None or run.name in only]
        ill = {run.name for run in mine if not glance(run, places[run.name], stamp, view).healthy}
        self.reload(runs, stamp, only=ill)
        seen = self.health(mine, stamp, release)
        if all(site.healthy for site in seen.values()) or not self._unlisted(look(self.pm2)):
            return seen
        self._quiet(runs)
        return self.health(mine, stamp, release)

    def observe(self, runs: Sequence[SiteRun]) -> dict[SiteName, SiteSeen]:
        """Return what is there, at once. Never starts a daemon."""
        view, places = look(self.pm2), self._places(runs, self.current.resolve())
        return {run.name: _seen(run, view, places[run.name]) for run in runs}

    def wake(self, published: Path) -> str:
        """Start, after a boot, what the file names and pm2 does not have; return a sentence that says what was done.

        Nothing starts unless file, `current` and `published` all name one release: whatever a ship that was cut
        short left there, its recovery decides.
        """
        told = ecosystem.read(self.file)
        if told is None:
            return "there is nothing to start yet"
        if not told["release"] == self.current.resolve().name == published.resolve().name:
            return "a ship is under way, or was cut short: the Librarian says what runs"
        if self.pm2.daemon() is None:
            self.pm2.boot()
        had = {one.name for one in self.pm2.processes()}
        missing = [app for app in told["apps"] if app["name"] not in had]
        self.pm2.apply(missing, (), ecosystem=self.file)
        return f"started from {told['release']}" if missing else "it runs already"

    def dismiss(self, names: Collection[str]) -> None:
        """Stop the processes of these sites and wait for their end: somebody else is about to run them."""
        if self.pm2.daemon() is None:
            return
        self._quiet(())
        ours = [one for one in self.pm2.processes() if plan.is_ours(one, self.current) and one.name in names]
        self.pm2.delete((one.pm_id for one in ours), timeout=60.0)

    def stop_all(self) -> None:
        """Stop every process that this gate started, and the daemon when nothing else is in it."""
        if self.pm2.daemon() is None:
            return
        self._quiet(())
        ours = [one for one in self.pm2.processes() if plan.is_ours(one, self.current)]
        self.pm2.delete((one.pm_id for one in ours), timeout=60.0)
        if not self.pm2.processes():
            self.pm2.end()

    def _apply(self, todo: plan.Plan, runs: Sequence[SiteRun]) -> None:
        deadline = time.monotonic() + _longest(runs) + _MARGIN
        refused = self.pm2.apply(todo.start, todo.reload, ecosystem=self.file)
        while refused:
            # "already in progress" is the earlier reload, to an earlier state: it is never counted as this one
            if time.monotonic() >= deadline + _MARGIN:
                raise _busy(" ".join(sorted(set(refused.values()))))
            if time.monotonic() >= deadline:
                self.pm2.drop_parked(refused)
            time.sleep(_RETRY)
            now = {one.pm_id: one for one in self.pm2.processes()}
            again = [(now[one.pm_id], app) for one, app in todo.reload if one.pm_id in refused and one.pm_id in now]
            refused = self.pm2.apply((), again, ecosystem=self.file)

    def _ensure_daemon(self, runs: Sequence[SiteRun]) -> None:
        if self.pm2.daemon() is not None:
            return
        self.pm2.boot()
        self.pm2.require()
        self._strangers(runs, self.pm2.daemon())

    def _strangers(self, runs: Sequence[SiteRun], daemon: int | None) -> dict[int, int | None]:
        """Return who else holds the sites' ports, once the orphans of a daemon that died have let go of them."""
        ports = frozenset[int]().union(*(run.ports for run in runs))
        releases = self.current.resolve().parent
        deadline = time.monotonic() + _ORPHANS_LAST
        while True:
            ours = procfs.family(daemon, procfs.parents()) if daemon else set()
            found = procfs.strangers(ports, ours)
            orphans = [pid for pid in found.values() if pid and _inside(procfs.cwd(pid), releases)]
            if not orphans or time.monotonic() >= deadline:
                return found
            time.sleep(_RETRY / 3)

    def _unstick(self, todo: plan.Plan, places: dict[str, Place]) -> None:
        """Move on what a failed ship left half way, while pm2 still keeps the old processes beside it.

        A worker that hangs while it starts from another release is ended: pm2 starts it again from `current`,
        and when that one is ready lets the old one go. One that pm2 gave up is started. So nothing is lost;
        at its time-out pm2 would end the old ones whatever is in their place.
        """
        view = look(self.pm2)
        pairs = [(one, app) for one, app in todo.reload if one.status in ("errored", "stopped") and not one.in_motion]
        self.pm2.apply((), pairs, ecosystem=self.file)
        self.pm2.kill(one.pm_id for one, app in todo.reload if _hangs(one, app, view, places[one.name]))

    def _quiet(self, runs: Sequence[SiteRun]) -> None:
        """Wait until nothing of ours is being started, stopped or reloaded. Raises 504 when that never ends.

        A worker that dies in the middle of a reload can leave another that never ends and that pm2's list does not
        show: it is ended here, once it had all the time that a site has to leave.
        """
        began = time.monotonic()
        deadline = began + _longest(runs) + _MARGIN
        while busy := self._commotion(view := look(self.pm2), lately=time.monotonic() < began + _COMES_BACK):
            if time.monotonic() >= deadline + _MARGIN:
                raise _busy(busy)
            lost = self._unlisted(view) if time.monotonic() >= deadline else ()
            if lost:
                self.pm2.drop_parked(one.pm_id for one in view.processes if plan.is_ours(one, self.current))
            for pid in lost:
                _end(pid, view)
            time.sleep(_RETRY / 3)

    def _commotion(self, view: View, *, lately: bool) -> str:
        for one in view.processes:
            if plan.is_ours(one, self.current) and one.in_motion and (lately or not one.coming_back):
                return f'Process {one.pid} of "{one.name}" is {one.status}.'
        for pid in self._unlisted(view):
            return f"Process {pid} in {view.children[pid]} is on its way out, or pm2 has lost sight of it."
        return ""

    def _unlisted(self, view: View) -> list[int]:
        """Return the daemon's own children in our releases that it does not list."""
        listed, releases = {one.pid for one in view.processes}, self.current.resolve().parent
        return [pid for pid, cwd in view.children.items() if pid not in listed and _inside(cwd, releases)]

    def _told(self, runs: Sequence[SiteRun], stamp: Stamp) -> dict[str, Any]:
        return ecosystem.render(runs, stamp, base=base_environment(), logs=self.pm2.home / "logs")

    def _places(self, runs: Sequence[SiteRun], release: Path) -> dict[str, Place]:
        return {run.name: Place(release, run.cwd.relative_to(self.current)) for run in runs}


def _hangs(one: Pm2Process, app: ecosystem.App, view: View, place: Place) -> bool:
    cwd = view.children.get(one.pid, "")
    starting = one.status == "launching" and one.mode == "cluster" and bool(app["wait_ready"])
    return starting and place.has(cwd) and cwd != str(place.folder)


def _seen(run: SiteRun, view: View, place: Place) -> SiteSeen:
    own = plan.belonging(run, view.processes)
    if run.mode == "static" or not own:
        return SiteSeen("static" if run.mode == "static" else "absent" if view.daemon else "down")
    worst = next((one for one in own if one.status != "online"), own[0])
    return SiteSeen(
        status=worst.status,
        pid=worst.pid or None,
        cwd=procfs.cwd(worst.pid) if worst.pid else None,
        version=worst.version or None,
        commit=worst.commit or None,
        restarts=sum(one.restarts for one in own),
        strays=len(strays(place, view)),
    )


def _inside(cwd: str | None, folder: Path) -> bool:
    return cwd is not None and Path(cwd).is_relative_to(folder)


def _end(pid: int, view: View) -> None:
    """Kill a child of the daemon, and nobody who may have got its number since."""
    with suppress(ProcessLookupError), os.fdopen(os.pidfd_open(pid)) as handle:
        if procfs.parents().get(pid) == view.daemon:
            signal.pidfd_send_signal(handle.fileno(), signal.SIGKILL)


def _longest(runs: Sequence[SiteRun]) -> float:
    """Seconds after which pm2 has ended any start or reload, one way or the other."""
    return max((ecosystem.patience(run) + run.kill_timeout for run in runs), default=_UNKNOWN)


def _called(port: int, holder: int | None) -> str:
    """Return a stranger's process, or whose it is when the kernel tells no more."""
    if holder is not None:
        return procfs.describe(holder)
    return f"a process of user {' and '.join(map(name_of, sorted(procfs.owners(port)))) or 'unknown'}"


def name_of(uid: int) -> str:
    """Return a user's name, or its number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _busy(what: str) -> GateError:
    return GateError(
        f"pm2 does not come to rest: {what}",
        code="GATE-504",
        hints=("Look at `pm2 list` and the processes of its daemon, end what does not belong, then: gatekeeper tick",),
    )


def taken(runs: Sequence[SiteRun], port: int, holder: int | None) -> GateError:
    """Return GATE-501 for a port of one of these sites that somebody else holds."""
    site = next(run.name for run in runs if port in run.ports)
    return GateError(
        f'Port {port} of site "{site}" is held by {_called(port, holder)}, which this gate did not start.',
        code="GATE-501",
        hints=(f"Stop it, or give {site} another port in sites.toml, then: gatekeeper config check",),
    )
