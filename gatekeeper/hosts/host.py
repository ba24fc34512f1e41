"""One host as a Target: each of its verbs is a call over the host's line. Decides nothing."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from gatekeeper import fault
from gatekeeper.hosts import freight, wire
from gatekeeper.hosts.line import Line
from gatekeeper.hosts.wire import Lack
from gatekeeper.model import Oid, SiteName, Version
from gatekeeper.repo import packing
from gatekeeper.repo.git import Git
from gatekeeper.ship.runs import LivePlan
from gatekeeper.ship.stage import Changed, Load
from gatekeeper.ship.target import Verdicts
from gatekeeper.sites import migration
from gatekeeper.sites.migration import Ended
from gatekeeper.sites.remote import span, watched
from gatekeeper.sites.run import SiteRun, Stamp
from gatekeeper.sites.target import SiteSeen
from gatekeeper.sites.watch import SiteHealth
from gatekeeper.sites.wire import LONGEST
from gatekeeper.verify import store

_GLANCE = 15.0
_QUICK = 60.0
_COPYING = 1800.0

Said = dict[SiteName, SiteHealth]


class Host(Struct, frozen=True):
    """The sites of one host. `builds` is where the gate keeps what builds left. GATE-504 when it cannot be reached."""

    line: Line
    builds: Path
    work: Path
    elsewhere: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Its name in sites.toml."""
        return self.line.machine.name

    @property
    def unsettled(self) -> bool:
        """True when it said, as it was reached, that it never heard the end of a ship."""
        return self.line.greeting is not None and self.line.greeting.undecided is not None

    def reachable(self, runs: Sequence[SiteRun]) -> "Host":  # noqa: ARG002 - it is one machine
        """As a Target."""
        return self

    def preflight(self, live: LivePlan, *, free: int) -> None:
        """As a Target."""
        self.line.ask(wire.Preflight(live, free), type(None), _QUICK)

    def stage(self, git: Git, load: Load, live: LivePlan) -> Changed | None:
        """As a Target: what it lacks travels first."""
        outputs = {output.key: output.digest for output in load.outputs}
        lack = self.line.ask(wire.Needs(load.tree, outputs), Lack, _COPYING)
        with fault.step(f"{self.name}: freight"):
            if not lack.whole:
                self._send_tree(git, load.tree, lack.trees)
            for key in lack.outputs:
                self._send_output(key, outputs[key])
        with fault.step(f"{self.name}: stage"):
            changed = self.line.ask(wire.Stage(load, live), str | None, _COPYING)  # type: ignore[arg-type]
        return Changed(changed) if changed else None

    def migrate(self, run: SiteRun, stamp: Stamp, argv: Sequence[str], release: str) -> Ended:
        """As a Target."""
        asked = wire.Migrate(run, stamp, tuple(argv), release)
        return self.line.ask(asked, Ended, migration.LONGEST + _QUICK, most=LONGEST)

    def switch(self, live: LivePlan) -> None:
        """As a Target; from here on the host must hear from us."""
        with fault.step(f"{self.name}: switch"):
            self.line.ask(wire.Switch(live), type(None), _QUICK)
        self.line.beat()

    def reload(self, runs: Sequence[SiteRun], stamp: Stamp, *, only: Collection[str] | None = None) -> Verdicts:
        """As a Target."""
        with fault.step(f"{self.name}: reload"):
            asked = wire.Reload(tuple(runs), stamp, wire.whole(only))
            return self.line.ask(asked, Said, _QUICK + 3 * _longest(runs))

    def health(self, runs: Sequence[SiteRun], stamp: Stamp, release: str) -> Verdicts:
        """As a Target."""
        return self.line.ask(wire.Judge(tuple(runs), stamp, release), Said, _QUICK + _judged(runs))

    def converge(
        self, runs: Sequence[SiteRun], stamp: Stamp, release: str, *, only: Collection[str] | None = None
    ) -> Verdicts:
        """As a Target."""
        with fault.step(f"{self.name}: converge"):
            asked = wire.Converge(tuple(runs), stamp, release, wire.whole(only))
            said = self.line.ask(asked, Said, _QUICK + 5 * _longest(runs) + 2 * _judged(runs))
        self.line.rest()
        return said

    def publish(self, live: LivePlan) -> None:
        """As a Target."""
        with fault.step(f"{self.name}: publish"):
            self.line.ask(wire.Publish(live), type(None), _QUICK)
        self.settle()

    def settle(self) -> None:
        """Give no more signs of life: nothing is undecided any more."""
        self.line.rest()
        if self.line.greeting is not None:
            self.line.greeting = replace(self.line.greeting, undecided=None)

    def discard(self, release: str, *, live: str | None) -> None:
        """As a Target."""
        self.line.ask(wire.Discard(release, live), type(None), _QUICK)
        self.settle()

    def observe(self, runs: Sequence[SiteRun]) -> Mapping[SiteName, SiteSeen]:
        """As a Target."""
        return self.line.ask(wire.Observe(tuple(runs)), dict[SiteName, SiteSeen], _GLANCE)

    def ask(self, runs: Sequence[SiteRun], versions: Mapping[SiteName, Version]) -> Mapping[SiteName, str]:
        """As a Target."""
        asked = wire.Ask(tuple(runs), {run.name: versions[run.name] for run in runs})
        return self.line.ask(asked, dict[SiteName, str], _GLANCE)

    def astray(self, release: str) -> Mapping[str, str]:
        """As a Target."""
        leads = self.line.ask(wire.Astray(release), str | None, _GLANCE)  # type: ignore[arg-type]
        return {self.name: leads} if leads else {}

    def lacking(self, release: str) -> bool:
        """As a Target."""
        return self.line.ask(wire.Lacking(release), bool, _GLANCE)

    def lost(self) -> Mapping[str, str]:
        """As a Target."""
        return {self.name: self.line.lost} if self.line.lost else {}

    def shares_dead_daemon(self, run: SiteRun) -> bool:
        """As a Target."""
        return self.line.ask(wire.Orphaned(run), bool, _GLANCE)

    def stop_all(self) -> None:
        """As a Target."""
        self.line.ask(wire.StopAll(), type(None), 2 * _QUICK)
        self.settle()

    def prune(self, *, keep: int, used: Collection[str]) -> None:
        """As a Target."""
        self.line.ask(wire.Prune(keep, tuple(used)), type(None), _COPYING)

    def _send_tree(self, git: Git, tree: Oid, there: Sequence[Oid]) -> None:
        with freight.draft(self.work) as file:
            size = packing.pack(git, (tree,), there, file, scratch=self.work)
            self.line.carry(wire.Pack(tree, size), file, _COPYING)

    def _send_output(self, key: str, digest: str) -> None:
        with freight.draft(self.work) as file:
            size = store.archive(self.builds / key, file)
            self.line.carry(wire.Output(key, digest, size), file, _COPYING)


def _longest(runs: Sequence[SiteRun]) -> float:
    return max(map(span, runs), default=_QUICK)


def _judged(runs: Sequence[SiteRun]) -> float:
    return max(map(watched, runs), default=0.0)
