"""All sites of this machine as one target: those of the gate's own user, and each other one through its steward.

They are told side by side and waited for together, so that lockstep holds whoever runs them.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from gatekeeper.errors import Exit, GateError
from gatekeeper.model import SiteName
from gatekeeper.sites import ecosystem, furniture, migration, plan, remote
from gatekeeper.sites.remote import Steward
from gatekeeper.sites.run import SiteRun, Stamp
from gatekeeper.sites.target import LocalTarget, SiteSeen
from gatekeeper.sites.watch import SiteHealth

_T = TypeVar("_T")
Verdicts = dict[SiteName, SiteHealth]


class Fleet(Struct, frozen=True):
    """`sites` is where the stewards' folders lie, `data` what sites keep.

    `runs` is always every site: one that is no longer named, or changed its user, is stopped where it was. A site
    whose steward fails once a ship has begun is a site that is not healthy; trouble of the shared daemon is raised.
    """

    local: LocalTarget
    sites: Path
    data: Path
    elsewhere: frozenset[str] = frozenset()
    """Sites of sites.toml that another pm2 still runs: verified like the others, and left alone."""

    def preflight(self, runs: Sequence[SiteRun]) -> None:
        """Raise before anything is touched: as LocalTarget does, and 504 for a steward that does not answer."""
        ecosystem.refuse_reserved(runs)
        own, others = _parted(runs)
        parting, moving = self._parting(runs), self._moving(others)
        if self._has_work(own):
            self.local.preflight(own, leaving={steward.uid for steward in parting})
        tasks: list[Callable[[], object]] = [partial(steward.observe, None) for steward in parting]
        tasks += [partial(self._check, run, leaving={os.geteuid()} if run in moving else set()) for run in others]
        for answer in side_by_side(tasks):
            _raised(answer)

    def reload(self, runs: Sequence[SiteRun], stamp: Stamp, *, only: Collection[str] | None = None) -> Verdicts:
        """Tell everybody at once; return, as not healthy, the sites that could not be told."""
        own, others = self._make_room(runs)

        def local() -> Verdicts:
            if self._has_work(own):
                self.local.reload(own, stamp, only=only)
            return {}

        def told(run: SiteRun) -> Verdicts:
            self._steward(run).reload(run, stamp, only=only)
            return {}

        return self._gathered(local, told, others)

    def health(self, runs: Sequence[SiteRun], stamp: Stamp, release: Path) -> Verdicts:
        """Wait until each site is proven healthy in `release`, or hopeless, or out of time; side by side."""
        own, others = _parted(runs)
        return self._gathered(
            lambda: self.local.health(own, stamp, release),
            lambda run: self._steward(run).health(run, stamp, release),
            others,
        )

    def converge(
        self, runs: Sequence[SiteRun], stamp: Stamp, release: Path, *, only: Collection[str] | None = None
    ) -> Verdicts:
        """Bring every site to `stamp` in `release`; what one cannot reach keeps no other from getting there."""
        own, others = self._make_room(runs)

        def local() -> Verdicts:
            if self._has_work(own):
                return self.local.converge(own, stamp, release, only=only)
            return self.local.health([run for run in own if only is None or run.name in only], stamp, release)

        return self._gathered(local, lambda run: self._steward(run).converge(run, stamp, release, only=only), others)

    def observe(self, runs: Sequence[SiteRun]) -> dict[SiteName, SiteSeen]:
        """Return what is there, at once; "unreachable" where a steward does not answer."""
        own, others = _parted(runs)
        answers = side_by_side([partial(self._look, run) for run in others])
        seen = self.local.observe(own)
        for run, answer in zip(others, answers, strict=True):
            found = {} if isinstance(answer, GateError) else answer
            seen[run.name] = found.get(run.name, SiteSeen("unreachable"))
        return seen

    def shares_dead_daemon(self, run: SiteRun) -> bool:
        """Tell whether a site fails because the daemon that it shares with others is gone: no release's fault."""
        return run.user is None and run.mode != "static" and self.local.pm2.daemon() is None

    def furnish(
        self, run: SiteRun, source: Path, release: str, data: Sequence[str], writable: Sequence[str]
    ) -> Mapping[str, Path]:
        """Make a site's folders outside the release; return where each of them lies. Scratch stays inside without."""
        homes = {kept: self.data / run.name / kept for kept in data}
        if run.user is None:
            for kept, home in homes.items():
                furniture.seed(source / kept, home)
            return homes
        self._steward(run).furnish(source, release, tuple(data), tuple(writable))
        scratch = self.sites / run.name / furniture.SCRATCH / release
        return homes | {folder: scratch / folder for folder in writable}

    def migrate(self, run: SiteRun, stamp: Stamp, argv: Sequence[str], cwd: Path) -> migration.Ended:
        """Run a site's migration as whoever runs the site."""
        if run.user is None:
            return migration.run(run, stamp, argv, cwd)
        return self._steward(run).migrate(run, stamp, tuple(argv), cwd)

    def stop_all(self) -> None:
        """Stop every process that this gate started. GateError, once all were tried, for one that cannot be told."""
        tasks = [steward.dismiss for steward in self._parting(())]
        for answer in side_by_side([self.local.stop_all, *tasks]):
            _raised(answer)

    def _look(self, run: SiteRun) -> dict[SiteName, SiteSeen]:
        return self._steward(run).observe(run)

    def _check(self, run: SiteRun, *, leaving: Collection[int]) -> None:
        steward = self._steward(run)
        if steward.uid == os.geteuid():
            raise GateError(
                f'Site "{run.name}" is to run as {run.user}, which is the gate\'s own user: it could do all that the'
                " Librarian can.",
                code="GATE-501",
                hints=(f"Give it a user of its own, such as site-{run.name}, then: gatekeeper setup --apply",),
                exit=Exit.CONFIG,
            )
        steward.preflight(run, leaving=leaving)

    def _steward(self, run: SiteRun) -> Steward:
        return remote.named(run, self.sites, self.local.pm2.command)

    def _has_work(self, own: Sequence[SiteRun]) -> bool:
        """Tell whether pm2 of the gate's own user is needed: where every site has a user, it is never started."""
        return any(run.mode != "static" for run in own) or self.local.pm2.daemon() is not None

    def _parting(self, runs: Sequence[SiteRun]) -> list[Steward]:
        """Return the stewards that still have something to boot and run no site any more."""
        pm2 = self.local.pm2.command
        return [Steward(SiteName(one.name), uid, one, pm2) for one, uid in self._left(runs) if remote.serves(uid)]

    def _left(self, runs: Sequence[SiteRun]) -> list[tuple[Path, int]]:
        """Return the folders, each with its owner, that have something to boot for a site that no steward runs now."""
        named = {run.name for run in runs if run.user is not None}
        files = self.sites.glob(f"*/{ecosystem.FILE}")
        return [(one, one.stat().st_uid) for one in sorted(file.parent for file in files) if one.name not in named]

    def _moving(self, others: Sequence[SiteRun]) -> list[SiteRun]:
        """Return the sites that a steward is to run and the gate's own daemon still does."""
        if not others or self.local.pm2.daemon() is None:
            return []
        ours = {one.name for one in self.local.pm2.processes() if plan.is_ours(one, self.local.current)}
        return [run for run in others if run.name in ours]

    def _make_room(self, runs: Sequence[SiteRun]) -> tuple[list[SiteRun], list[SiteRun]]:
        """Stop what runs under another user than it should, since two cannot have one port; part the runs."""
        own, others = _parted(runs)
        # preflight has asked each of them; on the way back one that fails may not keep the others from it
        side_by_side([steward.dismiss for steward in self._parting(runs)])
        for folder, uid in self._left(runs):
            if uid == os.geteuid():  # `setup --undo` has handed it back, and ended its user with all that it ran
                (folder / ecosystem.FILE).unlink(missing_ok=True)
        moving = self._moving(others)
        if moving:
            self.local.dismiss([run.name for run in moving])
        return own, others

    def _gathered(
        self, local: Callable[[], Verdicts], each: Callable[[SiteRun], Verdicts], others: Sequence[SiteRun]
    ) -> Verdicts:
        tasks: list[Callable[[], Verdicts]] = [local, *(partial(each, run) for run in others)]
        first, *rest = side_by_side(tasks)
        verdicts = dict(_raised(first))
        for run, answer in zip(others, rest, strict=True):
            if isinstance(answer, GateError):
                verdicts[run.name] = SiteHealth(healthy=False, reason=answer.text)
            else:
                verdicts |= answer
        return verdicts


def _parted(runs: Sequence[SiteRun]) -> tuple[list[SiteRun], list[SiteRun]]:
    """Return the sites of the gate's own user, and the others."""
    return [run for run in runs if run.user is None], [run for run in runs if run.user is not None]


def side_by_side(tasks: Sequence[Callable[[], _T]]) -> list[_T | GateError]:
    """Do all at once and return what each came to, in their order; what is no GateError is raised after the last."""
    if len(tasks) == 1:
        return [_outcome(tasks[0])]
    with ThreadPoolExecutor(max(1, len(tasks)), thread_name_prefix="sites") as pool:
        return list(pool.map(_outcome, tasks))


def _outcome(task: Callable[[], _T]) -> _T | GateError:
    try:
        return task()
    except GateError as problem:
        return problem


def _raised(answer: _T | GateError) -> _T:
    if isinstance(answer, GateError):
        raise answer
    return answer
