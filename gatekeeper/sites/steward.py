"""A site's steward: a small fixed program that runs as the site's own user and does, for this site, what is asked.

Only the owner of the gate is answered. It decides nothing, and can touch no other site. Its end, also by SIGKILL,
ends neither pm2 nor the site; a call under way is given up where it stands.
"""

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import gatekeeper.sites.health  # noqa: F401 - read now: an upgrade may put another in its place while this runs
from gatekeeper import peer
from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home
from gatekeeper.model import SiteName
from gatekeeper.sites import ecosystem, furniture, logs, migration, wire
from gatekeeper.sites.pm2 import Pm2
from gatekeeper.sites.remote import SOCKET
from gatekeeper.sites.rpc import fits
from gatekeeper.sites.target import LocalTarget, name_of

_AT_ONCE = 16
_PATIENCE = 10.0


class Steward:
    """The steward of one site of the gate in `home`. `tell` gets a line for what a person should be able to read."""

    def __init__(self, home: Home, site: SiteName, tell: Callable[[str], None]) -> None:
        self._home, self._site, self._tell = home, site, tell
        self._folder = home.sites / site
        self._file = self._folder / ecosystem.FILE
        self._changing = threading.Lock()
        self._room = threading.BoundedSemaphore(_AT_ONCE)

    def serve(self) -> None:
        """Listen, bring the site up as it was published, then answer for ever. GateError when it must not begin."""
        self._refuse_others()
        os.umask(0o077)
        with self._listener() as listener:
            self._tell(self._woken())
            while True:
                line, _ = listener.accept()
                if peer.of(line).uid == self._home.path.stat().st_uid and self._room.acquire(blocking=False):
                    threading.Thread(target=self._visited, args=(line,), daemon=True).start()
                else:
                    line.close()

    def _refuse_others(self) -> None:
        owner = self._folder.stat().st_uid if self._folder.is_dir() else None
        if owner is None or owner != os.geteuid() or owner == 0:
            who = f"user {name_of(owner)}" if owner else "a user of its own"
            raise GateError(
                f'The steward of site "{self._site}" must run as {who}, the owner of {self._folder}.',
                hints=("gatekeeper setup --apply",),
                exit=Exit.USAGE,
            )

    def _listener(self) -> socket.socket:
        path = self._folder / SOCKET
        if not fits(path):
            raise GateError(f"A socket cannot have a path as long as {path}.", code="GATE-501", exit=Exit.CONFIG)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, suppress(OSError):
            probe.connect(str(path))
            raise GateError(f'Another steward of site "{self._site}" answers at {path}.', exit=Exit.LOCKED)
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        path.chmod(0o666)  # the Librarian is another user: who asks is seen when it has connected
        listener.listen(_AT_ONCE)
        return listener

    def _woken(self) -> str:
        try:
            told = ecosystem.read(self._file)
            return self._target(tuple(told["pm2"]) if told else ()).wake(self._home.published)
        except (GateError, OSError, ValueError, LookupError, TypeError) as problem:
            return f"error: it was not started: {problem}"

    def _visited(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            try:
                call = wire.call(wire.receive(line, timeout=_PATIENCE))
                answer = self._answer(call, line)
            except ValueError as problem:
                answer = wire.Answer(wire.FORMAT, trouble=wire.Trouble(f"It is no call: {problem}.", "GATE-504"))
            finally:
                self._room.release()
            wire.send(line, wire.encode(answer), timeout=_PATIENCE)

    def _answer(self, call: wire.Call, line: socket.socket) -> wire.Answer:
        run = getattr(call.asked, "run", None)
        if call.v != wire.FORMAT or call.site != self._site or (run is not None and run.name != self._site):
            raise ValueError(f'it is not for site "{self._site}", or of another version of gatekeeper')
        try:
            result = self._done(call, line)
        except GateError as problem:
            return wire.Answer(wire.FORMAT, trouble=wire.Trouble(problem.text, problem.code, problem.hints))
        except OSError as problem:
            return wire.Answer(wire.FORMAT, trouble=wire.Trouble(f"{problem}.", "GATE-503"))
        return wire.Answer(wire.FORMAT, wire.raw(result))

    def _done(self, call: wire.Call, line: socket.socket) -> object:
        """Do what is asked. What changes anything waits its turn, and is left when who asked is gone by then."""
        target = self._target(call.pm2)
        match call.asked:
            case wire.Observe(run):
                logs.shorten(logs.of_daemon(target.pm2.home))
                return target.observe([run] if run else [])
            case wire.Judge(run, stamp, release):
                return target.health([run], stamp, release)
        with self._changing:
            if wire.hung_up(line):
                raise ConnectionResetError("who asked has gone")
            return self._changed(call.asked, target, line)

    def _changed(self, asked: wire.Asked, target: LocalTarget, line: socket.socket) -> object:
        match asked:
            case wire.Preflight(run, leaving):
                target.preflight([run], leaving=leaving)
            case wire.Reload(run, stamp, only):
                target.reload([run], stamp, only=only)
            case wire.Converge(run, stamp, release, only):
                return target.converge([run], stamp, release, only=only)
            case wire.Furnish(source, release, data, writable):
                self._furnish(source, release, data, writable)
            case wire.Migrate(run, stamp, argv, cwd):
                gone = "who asked for it has gone"
                return migration.run(run, stamp, argv, cwd, watch=lambda: gone if wire.hung_up(line) else None)
            case wire.Dismiss():
                target.stop_all()
                self._file.unlink(missing_ok=True)  # last: until then it is asked again
        return None

    def _furnish(self, source: Path, release: str, data: tuple[str, ...], writable: tuple[str, ...]) -> None:
        for kept in data:
            furniture.seed(source / kept, self._home.data / self._site / kept)
        scratch = self._folder / furniture.SCRATCH
        furniture.prune(scratch, self._home.releases)
        furniture.scratch(writable, scratch / release)

    def _target(self, pm2: tuple[str, ...]) -> LocalTarget:
        return LocalTarget(Pm2.at(pm2, self._folder / "pm2"), self._home.current, self._file)
