"""Sites that an engine elsewhere runs: it follows a branch of the mirrors, and is asked what it is healthy on.

Nothing here starts, stops or reaches a site. What the engine said is kept, so that whoever looks is told no guess.
"""

import json
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from gatekeeper import fault, messages, process
from gatekeeper.config.schema import Config
from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home
from gatekeeper.model import Oid, SiteName, Version
from gatekeeper.policy.texts import cleaned
from gatekeeper.repo import mirror
from gatekeeper.repo.export import write_file
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import utc
from gatekeeper.ship import room
from gatekeeper.ship.runs import LivePlan
from gatekeeper.ship.stage import Changed, Load
from gatekeeper.ship.target import Target, Verdicts
from gatekeeper.sites import health
from gatekeeper.sites.migration import Ended
from gatekeeper.sites.run import SiteRun, Stamp
from gatekeeper.sites.target import SiteSeen
from gatekeeper.sites.watch import SiteHealth

ENGINE = SiteName("the engine")
"""Whose verdict stands where it is not well: which of the sites is to blame, nobody here can know."""
_TRY = 30.0
"""Seconds that one question may take."""
_LEAST = 2.0
"""Seconds that the last one has at least: cut short it would hide what the engine said before."""
_SLICE = 0.5
_SAID_AT_MOST = 300


class Said(Struct, frozen=True):
    """What the engine said last, and where the mirrors' branch stood before a ship moved it."""

    at: str = ""
    version: str = ""
    commit: str = ""
    problem: str = "it has not been asked yet"
    published: bool = False
    """A ship of ours was once published through the engine: there is something to go back to."""
    coming: str = ""
    """The release, by its folder, that the branch was last moved for; and `moved` the commit."""
    moved: str = ""
    before: Mapping[str, str | None] = field(default_factory=dict)


class External(Struct, frozen=True):
    """A Target. `here` is what ran the sites before an engine did: the way back of the first ship to it."""

    home: Home
    config: Config
    here: Target
    asks: bool
    """Whoever only looks asks nobody, and is told what the Librarian heard."""
    aborted: Callable[[], bool]

    @property
    def elsewhere(self) -> frozenset[str]:
        """As a Target."""
        return frozenset()

    def reachable(self, runs: Sequence[SiteRun]) -> "External":
        """As a Target."""
        return self

    def preflight(self, live: LivePlan, *, free: int) -> None:
        """As a Target: the mirrors can be reached (504), and there is somebody to ask (501, 504)."""
        room.require(self.home.releases, live.folder, free=free)
        external = self.config.external
        if external.health and shutil.which(external.health[0]) is None:
            raise _unasked(external.health[0], "there is no such program")
        if external.url is not None and (problem := health.answers(external.url, timeout=_TRY)):
            raise _unreachable("the engine's address", problem)
        for url in self._mirrors:
            self._tip(url)

    def stage(self, git: Git, load: Load, live: LivePlan) -> Changed | None:
        """As a Target: every mirror gets the objects, and says no before anything is touched if it will."""
        for number, url in enumerate(self._mirrors):
            with fault.step(f"stage: mirror {number}"):
                self._push(url, mirror.STAGED, live.stamp.commit)
        return None

    def migrate(self, run: SiteRun, stamp: Stamp, argv: Sequence[str], release: str) -> Ended:
        """As a Target; sites.toml asks for none of an engine's sites."""
        raise GateError(f"The engine runs {run.name}, and its migrations.", code="GATE-501")

    def switch(self, live: LivePlan) -> None:
        """As a Target: the branch of each mirror is forced to the release's commit, once it is noted where it stood."""
        before = {url: self._tip(url) for url in self._mirrors}
        self._note(replace(self._said(), coming=live.folder, moved=live.stamp.commit, before=before))
        self._move(live.stamp.commit)

    def reload(self, runs: Sequence[SiteRun], stamp: Stamp, *, only: Collection[str] | None = None) -> Verdicts:
        """As a Target: an engine that follows needs no telling."""
        return {}

    def health(self, runs: Sequence[SiteRun], stamp: Stamp, release: str) -> Verdicts:
        """As a Target. Raises GateError (408) when an operator asks to stop meanwhile."""
        return self._waited(runs, stamp, stoppable=True)

    def converge(
        self, runs: Sequence[SiteRun], stamp: Stamp, release: str, *, only: Collection[str] | None = None
    ) -> Verdicts:
        """As a Target; a mirror that cannot be reached is tried again for as long as the engine may take."""
        said = self._said()
        ran_here = not said.published and release != said.coming
        if ran_here or any(run.mode != "static" for run in runs):
            self._restore(said)
            return self.here.converge(runs, stamp, release, only=only)
        self._insist(lambda: self._move(stamp.commit))
        if said.moved == stamp.commit:  # the engine was led nowhere else, so there is nothing to wait for
            return {run.name: SiteHealth(healthy=True, version=stamp.version) for run in runs}
        return self._waited(runs, stamp, stoppable=False)

    def publish(self, live: LivePlan) -> None:
        """As a Target."""
        self._note(replace(self._said(), published=True, before={}))

    def discard(self, release: str, *, live: str | None) -> None:
        """As a Target: what the mirrors were given ahead stays there until the next ship."""

    def observe(self, runs: Sequence[SiteRun]) -> Mapping[SiteName, SiteSeen]:
        """As a Target: what the engine said last; the version is the one that it was healthy on."""
        said = self._said()
        healthy = (said.version, said.commit) if not said.problem else (None, None)
        return {run.name: SiteSeen("external", version=healthy[0], commit=healthy[1]) for run in runs}

    def ask(self, runs: Sequence[SiteRun], versions: Mapping[SiteName, Version]) -> Mapping[SiteName, str]:
        """As a Target: the engine is asked of the version that was spoken of last."""
        said = self._said()
        if self.asks and runs and said.commit:
            said = self._asked(Stamp(Version(said.version), Oid(said.commit)), timeout=_TRY)
        return {run.name: _told(said) for run in runs if said.problem or said.version != versions[run.name]}

    def astray(self, release: str) -> Mapping[str, str]:
        """As a Target: no link of this machine leads an engine."""
        return {}

    def lacking(self, release: str) -> bool:
        """As a Target: a mirror keeps what it was given."""
        return False

    def lost(self) -> Mapping[str, str]:
        """As a Target: it has no hosts."""
        return {}

    def shares_dead_daemon(self, run: SiteRun) -> bool:
        """As a Target."""
        return False

    def stop_all(self) -> None:
        """As a Target: nothing was live, so the branch goes back to where it stood, or away."""
        self._restore(self._said())

    def prune(self, *, keep: int, used: Collection[str]) -> None:
        """As a Target: nothing is staged on this machine."""

    @property
    def _mirrors(self) -> tuple[str, ...]:
        return self.config.external.mirrors or self.config.mirror.urls

    @property
    def _branch(self) -> str:
        return f"refs/heads/{self.config.external.branch}"

    def _tip(self, url: str) -> str | None:
        found = mirror.tip(url, self._branch, timeout=self.config.mirror.timeout)
        if found.problem is not None:
            raise _unreachable(f"the mirror {url}", found.problem)
        return found.oid

    def _move(self, commit: str) -> None:
        for number, url in enumerate(self._mirrors):
            with fault.step(f"switch: mirror {number}"):
                self._push(url, self._branch, commit)

    def _push(self, url: str, ref: str, commit: str | None) -> None:
        problem = mirror.force(self.home.repo, url, ref, commit, timeout=self.config.mirror.timeout)
        if problem is not None:
            raise _unreachable(f"the mirror {url}", problem)

    def _restore(self, said: Said) -> None:
        def back() -> None:
            for url, oid in said.before.items():
                self._push(url, self._branch, oid)

        self._insist(back)
        self._note(replace(said, before={}))

    def _insist(self, do: Callable[[], None]) -> None:
        """Do it again until it succeeds or the engine's time is over; GateError of the last try."""
        deadline = time.monotonic() + self.config.external.timeout
        while True:
            try:
                return do()
            except GateError:
                if time.monotonic() + self.config.external.interval >= deadline:
                    raise
            time.sleep(self.config.external.interval)

    def _waited(self, runs: Sequence[SiteRun], stamp: Stamp, *, stoppable: bool) -> Verdicts:
        deadline = time.monotonic() + self.config.external.timeout
        while True:
            said = self._asked(stamp, timeout=max(_LEAST, min(_TRY, deadline - time.monotonic())))
            if not said.problem:
                return {run.name: SiteHealth(healthy=True, version=stamp.version) for run in runs}
            if not self._rested(deadline, stoppable=stoppable):
                late = f"it was not healthy within {self.config.external.timeout:g} s; the last answer: {said.problem}"
                return {ENGINE: SiteHealth(healthy=False, reason=late)}

    def _rested(self, deadline: float, *, stoppable: bool) -> bool:
        """Wait until it is time to ask again; False when there is no time left for that."""
        again = time.monotonic() + self.config.external.interval
        if again >= deadline:
            return False
        while (left := again - time.monotonic()) > 0:
            if stoppable and self.aborted():
                raise GateError("The wait for the engine was ended by `gatekeeper abort`.", code="GATE-408")
            time.sleep(min(_SLICE, left))
        return True

    def _asked(self, stamp: Stamp, *, timeout: float) -> Said:
        problem = self._question(stamp, timeout) or ""
        said = replace(self._said(), at=utc(time.time()), version=stamp.version, commit=stamp.commit, problem=problem)
        self._note(said)
        return said

    def _question(self, stamp: Stamp, timeout: float) -> str | None:
        external = self.config.external
        if external.url is not None:
            return health.ask_engine(external.url, stamp, timeout=timeout)
        told = process.clean_environment({"GATE_VERSION": stamp.version, "GATE_COMMIT": stamp.commit})
        try:
            done = process.run(external.health, cwd=self.home.path, env=told, timeout=timeout, merge=True, limit=65_536)
        except OSError as problem:
            raise _unasked(external.health[0], problem.strerror or str(problem)) from problem
        if done.ok:
            return None
        how = f"no answer within {timeout:.3g} s" if done.timed_out else f"status {done.status}"
        *_, last = done.text.splitlines() or [""]
        return f"{external.health[0]} ended with {how}{': ' if last else ''}{cleaned(last, _SAID_AT_MOST)}"

    def _said(self) -> Said:
        return last_said(self.home)

    def _note(self, said: Said) -> None:
        write_file(self.home.engine, json.dumps(asdict(said)).encode() + b"\n", mode=0o600)


def last_said(home: Home) -> Said:
    """Read what the engine said last; that it was never asked, when nothing can be read."""
    try:
        return Said(**json.loads(home.engine.read_bytes()))
    except (OSError, ValueError, TypeError):
        return Said()


def last_problem(home: Home) -> str | None:
    """Return, as the end of a sentence, what the engine said last when it was not well."""
    last = last_said(home)
    return _told(last) if last.problem else None


def _told(last: Said) -> str:
    when = f" at {last.at}" if last.at else ""
    return f"the engine said{when} of {last.version or 'no version'}: {last.problem or 'healthy'}"


def _unreachable(what: str, problem: str) -> GateError:
    return GateError(messages.reason("GATE-504", what=what, problem=problem), code="GATE-504")


def _unasked(program: str, problem: str) -> GateError:
    return GateError(
        f"The engine cannot be asked: {program}: {problem}.",
        code="GATE-501",
        hints=("Name a program in `health` of [external] that the Librarian can run, then: gatekeeper config check",),
        exit=Exit.CONFIG,
    )
