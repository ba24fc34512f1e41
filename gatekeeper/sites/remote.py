"""A site that runs under a user of its own, as the Librarian reaches it: through that user's steward.

Nothing that comes back is trusted beyond the one site: it is bounded in time, size and type, and speaks of no other.
"""

import errno
import json
import os
import pwd
import socket
import time
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from gatekeeper import peer
from gatekeeper.errors import GateError, printable
from gatekeeper.model import SiteName
from gatekeeper.sites import ecosystem, migration, wire
from gatekeeper.sites.run import SiteRun, Stamp
from gatekeeper.sites.target import SiteSeen, name_of
from gatekeeper.sites.watch import SiteHealth, departure

_GLANCE = 5.0
_QUICK = 60.0
_COPYING = 600.0
_BACK = 3.0
"""Seconds in which a steward that was restarted listens again."""

_AWAY = (errno.ECONNREFUSED, errno.ENOENT)
_T = TypeVar("_T")


class Steward(Struct, frozen=True):
    """One site's steward. `folder` is `sites/<site>` of the gate, `uid` who must answer there.

    Every method raises GateError; 504, with the command that starts it, when the steward cannot be asked.
    """

    site: SiteName
    uid: int
    folder: Path
    pm2: tuple[str, ...]

    def preflight(self, run: SiteRun, *, leaving: Collection[int]) -> None:
        """Raise before anything is touched, as LocalTarget does."""
        self._ask(wire.Preflight(run, tuple(leaving)), type(None), _QUICK)

    def reload(self, run: SiteRun, stamp: Stamp, *, only: Collection[str] | None) -> None:
        """Return when pm2 has taken it on."""
        self._ask(wire.Reload(run, stamp, _named(only)), type(None), _QUICK + 3 * span(run))

    def health(self, run: SiteRun, stamp: Stamp, release: Path) -> dict[SiteName, SiteHealth]:
        """Wait for the verdict."""
        said = self._own(wire.Judge(run, stamp, release), SiteHealth, _QUICK + watched(run))
        return self._whole(said)

    def converge(
        self, run: SiteRun, stamp: Stamp, release: Path, *, only: Collection[str] | None
    ) -> dict[SiteName, SiteHealth]:
        """Bring it there and wait for the verdict; empty when `only` leaves it out."""
        patience = _QUICK + 5 * span(run) + 2 * watched(run)
        said = self._own(wire.Converge(run, stamp, release, _named(only)), SiteHealth, patience)
        return self._whole(said) if only is None or self.site in only else {}

    def observe(self, run: SiteRun | None) -> dict[SiteName, SiteSeen]:
        """Return what is there, at once; without a run only that the steward answers."""
        return self._own(wire.Observe(run), SiteSeen, _GLANCE)

    def dismiss(self) -> None:
        """Stop the site for good."""
        self._ask(wire.Dismiss(), type(None), 2 * _QUICK)

    def furnish(self, source: Path, release: str, data: tuple[str, ...], writable: tuple[str, ...]) -> None:
        """Make its folders outside the release."""
        self._ask(wire.Furnish(source, release, data, writable), type(None), _COPYING)

    def migrate(self, run: SiteRun, stamp: Stamp, argv: tuple[str, ...], cwd: Path) -> migration.Ended:
        """Run its migration as its user; it is killed when this program ends."""
        asked = wire.Migrate(run, stamp, argv, cwd)
        return self._ask(asked, migration.Ended, migration.LONGEST + _QUICK, most=wire.LONGEST)

    def _whole(self, said: dict[SiteName, SiteHealth]) -> dict[SiteName, SiteHealth]:
        """Return a verdict; to leave it out is none."""
        if not said:
            raise self._unreachable("it does not say how the site is")
        return said

    def _own(self, asked: wire.Asked, kind: type[_T], patience: float) -> dict[SiteName, _T]:
        said: dict[SiteName, _T] = self._ask(asked, dict[SiteName, kind], patience)  # type: ignore[valid-type]
        if not said.keys() <= {self.site}:
            raise self._unreachable("it speaks of other sites")
        return said

    def _ask(self, asked: wire.Asked, kind: type[_T], patience: float, *, most: int = 500) -> _T:
        call = wire.encode(wire.Call(wire.FORMAT, self.site, self.pm2, asked))
        try:
            with self._connected(0.0 if isinstance(asked, wire.Observe) else _BACK) as line:
                wire.send(line, call, timeout=_GLANCE)
                return wire.result(wire.receive(line, timeout=patience), kind, most=most)
        except (OSError, ValueError, msgspec.MsgspecError) as problem:
            raise self._unreachable(str(problem) or type(problem).__name__) from problem

    def _connected(self, wait: float) -> socket.socket:
        deadline = time.monotonic() + wait
        while True:
            line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            line.settimeout(_GLANCE)
            try:
                line.connect(str(self.folder / SOCKET))
                if peer.of(line).uid == self.uid:
                    return line
            except OSError as problem:
                line.close()
                if problem.errno not in _AWAY or time.monotonic() >= deadline:
                    raise
            else:
                line.close()
                raise PermissionError(f"somebody else than user {name_of(self.uid)} answers")
            time.sleep(0.1)

    def _unreachable(self, why: str) -> GateError:
        said = printable(why, 200)
        return GateError(
            f'The steward of site "{self.site}" cannot be asked: {said}.', code="GATE-504", hints=(self._start(),)
        )

    def _start(self) -> str:
        """Return the command that starts it: that of its unit, where `setup` made one."""
        gate = self.folder.parents[1]
        try:
            name = json.loads((gate / "var" / "setup.json").read_bytes())["name"]
        except (OSError, ValueError, LookupError, TypeError):
            return f"runuser -u {name_of(self.uid)} -- gatekeeper --gate {gate} steward {self.site}"
        return f"systemctl start gatekeeper-{name}-site-{self.site}"


SOCKET = "steward.sock"


def named(run: SiteRun, sites: Path, pm2: tuple[str, ...]) -> Steward:
    """Return the steward of a run that has a user. GateError 501 when this machine has no such user."""
    try:
        uid = pwd.getpwnam(str(run.user)).pw_uid
    except KeyError:
        raise GateError(
            f'Site "{run.name}" is to run as user {run.user}, and this machine has no such user.',
            code="GATE-501",
            hints=("gatekeeper setup --apply",),
        ) from None
    return Steward(run.name, uid, sites / run.name, pm2)


def is_gone(user: str | None) -> bool:
    """Tell whether a run names a user that this machine has no more: what it ran has ended with it."""
    if user is None:
        return False
    try:
        pwd.getpwnam(user)
    except KeyError:
        return True
    return False


def serves(uid: int) -> bool:
    """Tell whether a steward can run as the owner of its folder: somebody, and not who asks."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return uid != os.geteuid()


def _named(only: Collection[str] | None) -> tuple[SiteName, ...] | None:
    return None if only is None else tuple(SiteName(name) for name in only)


def span(run: SiteRun) -> float:
    """Seconds after which pm2 has ended any start or reload of it."""
    return ecosystem.patience(run) + departure(run)


def watched(run: SiteRun) -> float:
    """Seconds after which a verdict on it is there."""
    return run.health_timeout + departure(run) + run.soak
