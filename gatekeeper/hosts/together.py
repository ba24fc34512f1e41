"""All machines as one Target: told side by side, waited for together, so that lockstep holds wherever a site runs.

A host that is lost stops a ship before anything is touched, and fails it afterwards without blame for any request. On
the way back it keeps no other from getting there: its sites are "away", and it is brought along when it is reached.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gatekeeper.errors import GateError
from gatekeeper.hosts.host import Host
from gatekeeper.hosts.line import OtherVersionError, UnreachableError
from gatekeeper.model import SiteName, Version
from gatekeeper.repo.git import Git
from gatekeeper.ship.here import Here
from gatekeeper.ship.runs import LivePlan
from gatekeeper.ship.stage import Changed, Load
from gatekeeper.ship.target import Target, Verdicts
from gatekeeper.sites.fleet import side_by_side
from gatekeeper.sites.migration import Ended
from gatekeeper.sites.run import SiteRun, Stamp
from gatekeeper.sites.target import SiteSeen
from gatekeeper.sites.watch import SiteHealth

_T = TypeVar("_T")


class Together(Struct, frozen=True):
    """This machine, and the hosts that sites.toml or the release that is live names."""

    here: Here
    hosts: tuple[Host, ...]
    leaving: frozenset[str] = frozenset()
    """Hosts that sites.toml names no more: told to stop their sites when they can be told, and never waited for."""

    @property
    def elsewhere(self) -> frozenset[str]:
        """As a Target."""
        return self.here.elsewhere

    def reachable(self, runs: Sequence[SiteRun]) -> "Together":
        """As a Target; a host whose program is of another gatekeeper is there, and must be mended first."""
        said = zip(self.hosts, side_by_side([host.line.greet for host in self.hosts]), strict=True)
        there = tuple(host for host, answer in said if not _is_lost(answer))
        names = {None, *(host.name for host in there)}
        return replace(self, hosts=there) if any(_where(run) in names for run in runs) else self

    def preflight(self, live: LivePlan, *, free: int) -> None:
        """As a Target: every host must answer, also one that only has to stop its sites."""
        self._all(lambda one: one.preflight(_part(live, one), free=free))

    def stage(self, git: Git, load: Load, live: LivePlan) -> Changed | None:
        """As a Target: the whole tree on each machine, with the folders of its own sites."""

        def staged(one: Target) -> Changed | None:
            mine = _part(live, one)
            names = {str(run.name) for run in mine.runs}
            own = replace(load, sites={name: site for name, site in load.sites.items() if name in names})
            with Git(git.folder) as reader:  # a reader serves one thread
                return one.stage(reader, own, mine)

        return next((changed for changed in self._all(staged) if changed), None)

    def migrate(self, run: SiteRun, stamp: Stamp, argv: Sequence[str], release: str) -> Ended:
        """As a Target."""
        return self._of(run).migrate(run, stamp, argv, release)

    def switch(self, live: LivePlan) -> None:
        """As a Target."""
        self._all(lambda one: one.switch(_part(live, one)))

    def reload(self, runs: Sequence[SiteRun], stamp: Stamp, *, only: Collection[str] | None = None) -> Verdicts:
        """As a Target."""
        return self._verdicts(runs, lambda one, mine: one.reload(mine, stamp, only=only))

    def health(self, runs: Sequence[SiteRun], stamp: Stamp, release: str) -> Verdicts:
        """As a Target."""
        return self._verdicts(runs, lambda one, mine: one.health(mine, stamp, release) if mine else {})

    def converge(
        self, runs: Sequence[SiteRun], stamp: Stamp, release: str, *, only: Collection[str] | None = None
    ) -> Verdicts:
        """As a Target."""
        return self._verdicts(runs, lambda one, mine: one.converge(mine, stamp, release, only=only))

    def publish(self, live: LivePlan) -> None:
        """As a Target."""
        self.here.publish(_part(live, self.here))
        self._hosts(lambda host: host.publish(_part(live, host)))

    def discard(self, release: str, *, live: str | None) -> None:
        """As a Target."""
        self.here.discard(release, live=live)
        self._hosts(lambda host: host.discard(release, live=live))

    def observe(self, runs: Sequence[SiteRun]) -> Mapping[SiteName, SiteSeen]:
        """As a Target; "away": its host cannot be reached; "unsettled": it never heard how a ship ended."""

        def seen(one: Target) -> Mapping[SiteName, SiteSeen]:
            mine = _mine(runs, one)
            found = one.observe(mine) if mine else {}
            if isinstance(one, Host) and one.unsettled:
                return {name: replace(site, status="unsettled") for name, site in found.items()}
            return found

        said = self._told(seen)
        found: dict[SiteName, SiteSeen] = {run.name: SiteSeen("away" if run.host else "unreachable") for run in runs}
        for answer in said:
            found |= {} if isinstance(answer, GateError) else answer
        return found

    def ask(self, runs: Sequence[SiteRun], versions: Mapping[SiteName, Version]) -> Mapping[SiteName, str]:
        """As a Target; a host that cannot be reached says nothing of its sites, and is told of elsewhere."""
        said = self._told(lambda one: one.ask(mine, versions) if (mine := _mine(runs, one)) else {})
        return {name: text for answer in said if not isinstance(answer, GateError) for name, text in answer.items()}

    def astray(self, release: str) -> Mapping[str, str]:
        """As a Target."""
        said = self._told(lambda one: one.astray(release))
        return {name: leads for answer in said if not isinstance(answer, GateError) for name, leads in answer.items()}

    def lacking(self, release: str) -> bool:
        """As a Target."""
        return any(answer is True for answer in self._told(lambda one: one.lacking(release)))

    def lost(self) -> Mapping[str, str]:
        """As a Target."""
        return {name: why for host in self.hosts for name, why in host.lost().items()}

    def shares_dead_daemon(self, run: SiteRun) -> bool:
        """As a Target."""
        return self._of(run).shares_dead_daemon(run)

    def stop_all(self) -> None:
        """As a Target."""
        self._all(lambda one: one.stop_all())

    def prune(self, *, keep: int, used: Collection[str]) -> None:
        """As a Target."""
        self.here.prune(keep=keep, used=used)
        self._hosts(lambda host: host.prune(keep=keep, used=used))

    @property
    def _machines(self) -> tuple[Target, ...]:
        return (self.here, *self.hosts)

    def _of(self, run: SiteRun) -> Target:
        if run.host is None:
            return self.here
        return next(host for host in self.hosts if host.name == run.host.name)

    def _told(self, work: Callable[[Target], _T]) -> list[_T | GateError]:
        """Tell every machine at once; return what each came to, this one's first."""
        return side_by_side([partial(work, one) for one in self._machines])

    def _all(self, work: Callable[[Target], _T]) -> list[_T]:
        """Tell every machine at once; raise, once all have ended, what the first of them raised."""
        said = []
        for one, answer in zip(self._machines, self._told(work), strict=True):
            if not isinstance(answer, GateError):
                said.append(answer)
            elif not (isinstance(one, Host) and one.name in self.leaving):
                raise answer
        return said

    def _hosts(self, work: Callable[[Host], None]) -> None:
        """Tell the hosts; one that cannot be told hears of it at its next look."""
        self._told(lambda one: work(one) if isinstance(one, Host) else None)

    def _verdicts(self, runs: Sequence[SiteRun], work: Callable[[Target, Sequence[SiteRun]], Verdicts]) -> Verdicts:
        """Return all verdicts; the sites of a host that is lost are away. Trouble that a machine tells of is raised."""
        found: dict[SiteName, SiteHealth] = {}
        for one, answer in zip(self._machines, self._told(lambda one: work(one, _mine(runs, one))), strict=True):
            if isinstance(answer, UnreachableError):
                lost = SiteHealth(healthy=False, reason=answer.text, away=True)
                found |= {run.name: lost for run in _mine(runs, one)}
            elif isinstance(answer, GateError):
                raise answer
            else:
                found |= answer
        return found


def _is_lost(answer: object) -> bool:
    return isinstance(answer, UnreachableError) and not isinstance(answer, OtherVersionError)


def _where(run: SiteRun) -> str | None:
    return run.host.name if run.host else None


def _mine(runs: Sequence[SiteRun], one: Target) -> list[SiteRun]:
    name = one.name if isinstance(one, Host) else None
    return [run for run in runs if _where(run) == name]


def _part(live: LivePlan, one: Target) -> LivePlan:
    return replace(live, runs=tuple(_mine(live.runs, one)))
