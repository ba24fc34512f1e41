"""Takes one site over: the ship that adds it stops the old process at the last moment, and starts it again if it fails.

Nothing else is touched: the other sites keep their processes, and what was prepared beforehand is all but the switch.
"""

import pwd
import threading
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from gatekeeper.adopt import hearing
from gatekeeper.adopt.old import Old
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.librarian import cargo, gates, recollection
from gatekeeper.librarian.present import present_release
from gatekeeper.model import Outcome, SiteName
from gatekeeper.repo import verdicts
from gatekeeper.ship import protocol, runs
from gatekeeper.ship.adoption import Known
from gatekeeper.ship.protocol import Shipped
from gatekeeper.sites import ecosystem, procfs
from gatekeeper.sites.fleet import Fleet, Verdicts
from gatekeeper.sites.run import SiteRun, Stamp
from gatekeeper.sites.target import taken
from gatekeeper.verify import jobs

_PACE = 0.005
_LONGEST = 30.0


class Gap(Struct):
    """How long nobody listened on the site's ports: from when the old one was told to end to the first connection."""

    ports: frozenset[int]
    began: float | None = None
    ended: float | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Look from now on, beside what happens."""
        self.began = time.monotonic()
        threading.Thread(target=self._look, daemon=True).start()

    def close(self) -> float | None:
        """Look no more; return the seconds, None when it has no port or nobody listened in time."""
        self._over.set()
        return None if self.began is None or self.ended is None else self.ended - self.began

    def _look(self) -> None:
        while self.ports and hearing.answers("127.0.0.1", self.ports) and not self._over.wait(_PACE):
            pass
        while self.ports and not self._over.wait(_PACE):
            if hearing.answers("127.0.0.1", self.ports):
                self.ended = time.monotonic()
                return


class Taking(Fleet, frozen=True, kw_only=True):
    """The sites of a gate, one of which still runs elsewhere: it is ended there in the moment that it starts here."""

    site: SiteName
    old: Old
    ids: tuple[int, ...]
    known: Known
    kept: tuple[str, ...]
    gap: Gap

    def preflight(self, runs: Sequence[SiteRun]) -> None:
        """Raise 501 for a port that neither the gate nor the old site itself holds, else what a Fleet raises."""
        ecosystem.refuse_reserved(runs)
        Fleet.preflight(self, [run for run in runs if run.name != self.site])
        mine = [run for run in runs if run.name == self.site]
        refuse_strangers(mine, self.old)

    def reload(self, runs: Sequence[SiteRun], stamp: Stamp, *, only: Collection[str] | None = None) -> Verdicts:
        """Stop the old one, move what it keeps, and have the gate's pm2 start its own."""
        run = next(run for run in runs if run.name == self.site)
        if run.user is None and run.mode != "static":
            self.local.pm2.boot()
        self.gap.begin()
        self.old.stop(self.ids)
        for name in self.kept:
            home = self.data / self.site / name
            self.old.move(str(Path(self.known.cwd, name)), str(home), _owner(run, home))
        return Fleet.reload(self, runs, stamp, only=only)


def take(gate: Gate, old: Old, name: SiteName, known: Known) -> tuple[protocol.Outcome, float | None]:
    """Ship what is live with this site added; on any failure the old one runs again. Returns how long it was away.

    Raises GateError, the old one running, for what keeps a ship from beginning.
    """
    site = gate.config.sites[name]
    ids = ids_of(old, known)
    run = runs.run_of(name, site, gate.home, secrets={})
    gap = Gap(run.ports)
    fleet = gates.fleet(gate.home, gate.config)
    target = Taking(
        local=fleet.local,
        sites=fleet.sites,
        data=fleet.data,
        elsewhere=fleet.elsewhere - {name},
        site=name,
        old=old,
        ids=ids,
        known=known,
        kept=site.data,
        gap=gap,
    )
    link(gate, name, known)
    mine = replace(gate, target=gates.target(gate.home, gate.config, ours=target))
    mind = recollection.Recollection()
    release = present_release(mine, mine.git.refs())
    made = cargo.of_present(mine, release, mind)
    live = made.live.keeping(runs.load(gate.home.live_plan))
    outcome = None
    try:
        outcome = protocol.ship(mine, replace(made, live=live, intents=(f"{name} is taken over from pm2",)))
    finally:
        away = gap.close()
        if not isinstance(outcome, Shipped) and known.running:
            old.start(ids)
    return outcome, away


def ids_of(old: Old, known: Known) -> tuple[int, ...]:
    """Return pm2's ids of a site of theirs: exactly this name, program and folder; none when that pm2 is down.

    Raises GATE-504 when it is up and has none.
    """
    found = old.ids(known.called, known.script, known.cwd)
    if not found and old.family():
        raise GateError(
            f'pm2 has no process "{known.called}" of {known.script} any more.',
            code="GATE-504",
            hints=("gatekeeper adopt",),
        )
    return tuple(found)


def refuse_strangers(runs: Sequence[SiteRun], old: Old, *, daemon: int | None = None) -> None:
    """Raise GATE-501 for a port of these sites that a process outside that pm2, and the gate's own, holds."""
    known = set(old.family()) | (procfs.family(daemon, procfs.parents()) if daemon else set())
    for port, holder in procfs.strangers({port for run in runs for port in run.ports}, known).items():
        raise taken(runs, port, holder)


def unproven(gate: Gate, name: SiteName) -> list[str]:
    """Return the builds and checks of `release`, as today's sites.toml has them, that did not pass for this site."""
    mind = recollection.Recollection()
    tree = present_release(gate, gate.git.refs()).tree
    place = recollection.ground(gate, tree, mind)
    made = jobs.builds(gate.config, place)
    said = dict(verdicts.lookup(gate.git, (work.job.key for work in made)))
    built = {key: verdict.output for key, verdict in said.items() if verdict.output}
    work = (*made, *jobs.checks(gate.config, place, built, made))
    said |= verdicts.lookup(gate.git, (one.job.key for one in work))
    mine = [one.job for one in work if one.job.name.site in (None, name)]
    return [str(job.name) for job in mine if job.key not in said or said[job.key].outcome is not Outcome.PASSED]


def link(gate: Gate, name: SiteName, known: Known) -> None:
    """Let each thing that a site keeps be found in the gate while it still lies where the old one has it."""
    for kept in gate.config.sites[name].data:
        home, there = gate.home.data / name / kept, Path(known.cwd, kept)
        if not home.exists() and not home.is_symlink() and there.exists():
            home.parent.mkdir(parents=True, exist_ok=True)
            home.symlink_to(there.resolve())


def _owner(run: SiteRun, home: Path) -> tuple[int, int]:
    if run.user is not None:
        entry = pwd.getpwnam(run.user)
        return entry.pw_uid, entry.pw_gid
    seen = home.parent.stat()
    return seen.st_uid, seen.st_gid
