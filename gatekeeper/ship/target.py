"""What a ship asks of whatever it ships to: the one interface between the protocol and the machines.

`Here` is this machine; hosts that are reached over SSH, and several machines together, answer to the same.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from gatekeeper.model import SiteName, Version
from gatekeeper.repo.git import Git
from gatekeeper.ship.runs import LivePlan
from gatekeeper.ship.stage import Changed, Load
from gatekeeper.sites.migration import Ended
from gatekeeper.sites.run import SiteRun, Stamp
from gatekeeper.sites.target import SiteSeen
from gatekeeper.sites.watch import SiteHealth

Verdicts = Mapping[SiteName, SiteHealth]


class Target(Protocol):
    """The sites, wherever they run. A release is named by its folder below `live/releases/`.

    `runs` is always every site: one that is no longer named is stopped. `only` narrows what else is touched. Every
    method raises GateError: 501 for how a machine is set up, 503 for its disk, 504 for what cannot be reached.
    """

    @property
    def elsewhere(self) -> frozenset[str]:
        """Sites of sites.toml that another pm2 still runs: verified like the others, and left alone."""

    def reachable(self, runs: Sequence[SiteRun]) -> "Target":
        """Return it without the hosts that cannot be reached now: for a way back, which waits for nobody.

        Where none of the sites could be reached it is returned whole, and its preflight says why.
        """

    def preflight(self, live: LivePlan, *, free: int) -> None:
        """Raise before anything is touched, where a machine is not as the ship needs it; `free` is bytes of disk."""

    def stage(self, git: Git, load: Load, live: LivePlan) -> Changed | None:
        """Make the whole release on every machine; Changed when a build's output is no longer what was verified."""

    def migrate(self, run: SiteRun, stamp: Stamp, argv: Sequence[str], release: str) -> Ended:
        """Run a site's migration in the staged release, as whoever runs the site."""

    def switch(self, live: LivePlan) -> None:
        """Point `current` of every machine at the release: one rename each."""

    def reload(self, runs: Sequence[SiteRun], stamp: Stamp, *, only: Collection[str] | None = None) -> Verdicts:
        """Tell all sites at once to follow `current`; return, as not healthy, those that could not be told."""

    def health(self, runs: Sequence[SiteRun], stamp: Stamp, release: str) -> Verdicts:
        """Wait until each site is proven healthy in the release, or hopeless, or out of time; side by side."""

    def converge(
        self, runs: Sequence[SiteRun], stamp: Stamp, release: str, *, only: Collection[str] | None = None
    ) -> Verdicts:
        """Point `current` there first, then bring every site to it, whatever state it is in."""

    def publish(self, live: LivePlan) -> None:
        """Note what went live as what may start at boot. What cannot be reached is told at its next look."""

    def discard(self, release: str, *, live: str | None) -> None:
        """Take away what was staged and did not go live; never the release that is."""

    def observe(self, runs: Sequence[SiteRun]) -> Mapping[SiteName, SiteSeen]:
        """Return what is there, at once; "unreachable" where nobody answers."""

    def ask(self, runs: Sequence[SiteRun], versions: Mapping[SiteName, Version]) -> Mapping[SiteName, str]:
        """Ask each site's health address once, all at once; return what is wrong with those that are not well."""

    def astray(self, release: str) -> Mapping[str, str]:
        """Return the machines whose `current` was led elsewhere by somebody else, each with where it leads."""

    def lacking(self, release: str) -> bool:
        """Tell whether a machine that can be reached does not hold the release."""

    def lost(self) -> Mapping[str, str]:
        """Return the hosts that could not be reached when they were asked last, each with why."""

    def shares_dead_daemon(self, run: SiteRun) -> bool:
        """Tell whether a site fails because the daemon that it shares with others is gone: no release's fault."""

    def stop_all(self) -> None:
        """Stop every process that this gate started."""

    def prune(self, *, keep: int, used: Collection[str]) -> None:
        """Let the newest `keep` releases of each machine stay, and those in use; shorten what sites print."""
