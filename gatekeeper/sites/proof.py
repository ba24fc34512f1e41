"""Whether a site's own processes, and no others, serve it from the right tree. Pure: judges one view of a moment.

An answer on a port proves little: an old worker, another daemon or a process with a new environment and old
code answers as well. What counts is the kernel's word (children, folders) together with pm2's list.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Literal

from msgspec import Struct, field

from gatekeeper.sites.listed import Pm2Process
from gatekeeper.sites.plan import belonging
from gatekeeper.sites.run import SiteRun, Stamp

GIVE_UP_AFTER = 3
"""Restarts within a short time after which a site is not waited for."""


class View(Struct, frozen=True):
    """One moment: the daemon, its list, and its children with the folder each is in."""

    daemon: int | None = None
    processes: tuple[Pm2Process, ...] = ()
    children: Mapping[int, str] = field(default_factory=dict)


class Proof(Struct, frozen=True):
    """`state` is "right" (they serve), "wait" (not yet) or "dead" (pm2 gave up); `reason` says why.

    "leaving": they serve, but outgoing processes still do so beside them, so that an answer may come from those.
    """

    state: Literal["right", "leaving", "wait", "dead"]
    reason: str = ""
    own: tuple[Pm2Process, ...] = ()


class Place(Struct, frozen=True):
    """Where a site lives: a release's folder, physically, and the path inside it."""

    release: Path
    inside: PurePath

    @property
    def folder(self) -> Path:
        """What `/proc/PID/cwd` of each of its processes must say."""
        return self.release / self.inside

    def has(self, cwd: str) -> bool:
        """Tell whether a folder is this site's in any release."""
        path, releases = Path(cwd), self.release.parent
        return path.is_relative_to(releases) and path.relative_to(releases).parts[1:] == self.inside.parts


def prove(run: SiteRun, place: Place, stamp: Stamp, view: View) -> Proof:
    """Judge one site at one moment."""
    own = tuple(belonging(run, view.processes))
    if view.daemon is None:
        return Proof("dead", "pm2's daemon is not running")
    wrong = _first_wrong(run, place.folder, stamp, own, view.children)
    if wrong is None:
        stray = strays(place, view)
        if stray:
            return Proof("leaving", f"the outgoing process {stray[0]} still runs", own)
        return Proof("right", "", own)
    dead = next((one for one in own if one.status in ("errored", "stopped")), None)
    failing = next((one for one in own if one.unstable >= GIVE_UP_AFTER), None)
    if dead is not None:
        return Proof("dead", f"pm2 gave it up ({dead.status}{_exit(dead)})", own)
    if failing is not None:
        return Proof("dead", f"it ended {failing.unstable} times while starting{_exit(failing)}", own)
    return Proof("wait", wrong, own)


def strays(place: Place, view: View) -> list[int]:
    """Return the daemon's children that its list does not name, in this site's folder of any release.

    They are the outgoing workers of a reload, or processes that pm2 has lost sight of.
    """
    listed = {one.pid for one in view.processes}
    return sorted(pid for pid, cwd in view.children.items() if pid not in listed and place.has(cwd))


def _first_wrong(
    run: SiteRun, folder: Path, stamp: Stamp, own: Sequence[Pm2Process], children: Mapping[int, str]
) -> str | None:
    if len(own) != run.instances:
        return f"pm2 has {len(own)} of its {run.instances} processes"
    said = (_wrong_process(one, run, folder, stamp, children) for one in own)
    return next((problem for problem in said if problem), None)


def _wrong_process(
    one: Pm2Process, run: SiteRun, folder: Path, stamp: Stamp, children: Mapping[int, str]
) -> str | None:
    if one.status == "launching" and run.wait_ready:
        return f"process {one.pid} has not said that it is ready"
    if one.status != "online":
        return f"pm2 says {one.status}{_exit(one)}"
    if one.pid not in children:
        return f"process {one.pid} is not a child of pm2's daemon"
    if children[one.pid] != str(folder):
        return f"process {one.pid} runs from {children[one.pid] or 'a folder that cannot be read'}"
    if (one.version, one.commit, one.settled) != (stamp.version, stamp.commit, True):
        return f"pm2 has it as {one.version or 'no version'}, not {stamp.version}"
    return None


def _exit(one: Pm2Process) -> str:
    return "" if one.exit_code is None else f", exit status {one.exit_code}"
