"""The machine that this process runs on, as something to ship to: its releases, its `current`, its sites."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

from gatekeeper.config.schema import Site
from gatekeeper.home import Home
from gatekeeper.model import SiteName, Version
from gatekeeper.repo.export import OnDisk, remove
from gatekeeper.repo.git import Git
from gatekeeper.ship import link, releases, room, runs
from gatekeeper.ship.runs import LivePlan
from gatekeeper.ship.stage import Changed, Load, stage
from gatekeeper.ship.target import Verdicts
from gatekeeper.sites import logs
from gatekeeper.sites.fleet import Fleet
from gatekeeper.sites.migration import Ended
from gatekeeper.sites.run import SiteRun, Stamp
from gatekeeper.sites.target import SiteSeen
from gatekeeper.sites.watch import answer_problem


class Here(Struct, frozen=True):
    """A Target: the gate's own machine to the Librarian, a host to the program that serves it."""

    home: Home
    fleet: Fleet

    @property
    def elsewhere(self) -> frozenset[str]:
        """As a Target."""
        return self.fleet.elsewhere

    def reachable(self, runs: Sequence[SiteRun]) -> "Here":  # noqa: ARG002 - it is one machine
        """As a Target."""
        return self

    def preflight(self, live: LivePlan, *, free: int) -> None:
        """As a Target."""
        room.require(self.home.releases, live.folder, free=free)
        self.fleet.preflight(live.runs)

    def stage(self, git: Git, load: Load, live: LivePlan) -> Changed | None:
        """As a Target; unchanged files are linked from the release that is live."""
        folder, known = self.home.releases / live.folder, {run.name: run for run in live.runs}

        def furnish(name: str, site: Site, source: Path) -> Mapping[str, Path]:
            return self.fleet.furnish(known[SiteName(name)], source, folder.name, site.data, site.writable)

        like = _present(git, self.home)
        return stage(git, load, folder, builds=self.home.builds, furnish=furnish, like=like)

    def migrate(self, run: SiteRun, stamp: Stamp, argv: Sequence[str], release: str) -> Ended:
        """As a Target."""
        place = self.home.releases / release / run.cwd.relative_to(self.home.current)
        return self.fleet.migrate(run, stamp, argv, place)

    def switch(self, live: LivePlan) -> None:
        """As a Target."""
        link.point(self.home.current, live.folder)

    def reload(self, runs: Sequence[SiteRun], stamp: Stamp, *, only: Collection[str] | None = None) -> Verdicts:
        """As a Target."""
        return self.fleet.reload(runs, stamp, only=only)

    def health(self, runs: Sequence[SiteRun], stamp: Stamp, release: str) -> Verdicts:
        """As a Target."""
        return self.fleet.health(runs, stamp, self.home.releases / release)

    def converge(
        self, runs: Sequence[SiteRun], stamp: Stamp, release: str, *, only: Collection[str] | None = None
    ) -> Verdicts:
        """As a Target."""
        folder = self.home.releases / release
        if self.home.current.resolve() != folder.resolve():
            link.point(self.home.current, release)
        return self.fleet.converge(runs, stamp, folder, only=only)

    def publish(self, live: LivePlan) -> None:
        """As a Target."""
        link.point(self.home.published, live.folder)

    def discard(self, release: str, *, live: str | None) -> None:
        """As a Target."""
        remove(self.home.releases / f".new-{release}")
        if release != live:
            remove(self.home.releases / release)

    def observe(self, runs: Sequence[SiteRun]) -> Mapping[SiteName, SiteSeen]:
        """As a Target."""
        return self.fleet.observe(runs)

    def ask(self, runs: Sequence[SiteRun], versions: Mapping[SiteName, Version]) -> Mapping[SiteName, str]:
        """As a Target."""
        asked = [run for run in runs if run.health is not None]
        if not asked:
            return {}
        with ThreadPoolExecutor(len(asked), thread_name_prefix="well") as pool:
            said = pool.map(lambda run: answer_problem(run, versions[run.name]), asked)
        return {run.name: problem for run, problem in zip(asked, said, strict=True) if problem}

    def astray(self, release: str) -> Mapping[str, str]:
        """As a Target; the name of this machine is empty."""
        leads = self.home.current.resolve()
        return {} if leads == (self.home.releases / release).resolve() else {"": leads.name}

    def lacking(self, release: str) -> bool:
        """As a Target."""
        return not (self.home.releases / release).is_dir()

    def lost(self) -> Mapping[str, str]:
        """As a Target."""
        return {}

    def shares_dead_daemon(self, run: SiteRun) -> bool:
        """As a Target."""
        return self.fleet.shares_dead_daemon(run)

    def stop_all(self) -> None:
        """As a Target; nothing is live then."""
        self.fleet.stop_all()
        self.home.current.unlink(missing_ok=True)

    def prune(self, *, keep: int, used: Collection[str]) -> None:
        """As a Target."""
        logs.shorten(logs.of_daemon(self.fleet.local.pm2.home))
        releases.prune(self.home.releases, keep=keep, used=used)


def _present(git: Git, home: Home) -> OnDisk | None:
    """Return the release that is live, as something to link unchanged files from."""
    live = runs.load(home.live_plan)
    folder = home.releases / live.folder if live else None
    if live is None or folder is None or not folder.is_dir():
        return None
    return OnDisk(folder, live.tree or git.tree_of(live.stamp.commit))
