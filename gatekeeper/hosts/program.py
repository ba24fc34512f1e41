"""The host's side: a small fixed program that sshd starts with the gate's key, and that key starts nothing else.

It does what is asked of the one home that its command line names, and decides one thing by itself: a host that is
cut off while a ship is undecided goes back to what was published last, as the gate does.
"""

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

import gatekeeper.sites.health  # noqa: F401 - read now: an upgrade may put another in its place while this runs
from gatekeeper import __version__
from gatekeeper.errors import GateError
from gatekeeper.home import Home
from gatekeeper.hosts import freight, wire
from gatekeeper.hosts.pipes import Pipes
from gatekeeper.process import Cancel
from gatekeeper.repo import lock
from gatekeeper.repo.git import Git
from gatekeeper.ship import runs
from gatekeeper.ship.here import Here
from gatekeeper.sites import ecosystem
from gatekeeper.sites.fleet import Fleet
from gatekeeper.sites.pm2 import Pm2
from gatekeeper.sites.target import LocalTarget
from gatekeeper.sites.wire import Answer, Trouble, encode, raw, receive, send

_PATIENCE = 60.0
_LETTING_GO = 30.0
"""Seconds in which a predecessor that was killed has let go of the lock."""


def main(home: Home) -> None:
    """Serve on the standard files, as sshd gives them; whatever prints meanwhile prints to the gate's last words."""
    source, sink = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a descriptor is wanted
        os.dup2(nothing.fileno(), 0)
    serve(home, Pipes(source, sink))


def serve(home: Home, line: Pipes) -> None:
    """Answer one call after the other until the gate hangs up, or is silent in the middle of a ship."""
    os.umask(0o077)
    prepare(home)
    with ExitStack() as held:
        _Session(home, line, held).run()


def prepare(home: Home) -> None:
    """Make what a host's home lacks."""
    home.path.mkdir(mode=0o711, parents=True, exist_ok=True)
    for folder in (home.releases.parent, home.releases, home.data, home.sites):
        folder.mkdir(mode=0o711, exist_ok=True)
    for folder in (home.var, home.builds, home.work):
        folder.mkdir(mode=0o700, exist_ok=True)
    freight.repository(home.repo)


class _Session:
    """One connection of the gate. What changes anything needs the host's lock; the youngest session has it."""

    def __init__(self, home: Home, line: Pipes, held: ExitStack) -> None:
        self._home, self._line, self._held = home, line, held
        self._claimed = self._undecided = False
        self._heard = time.monotonic()
        self._last: wire.Call | None = None

    def run(self) -> None:
        while True:
            patience = wire.SILENCE if self._undecided else None
            try:
                message = self._next(patience)
            except TimeoutError:
                self._return()
                return
            if message is None:
                return
            if message == wire.ALIVE:
                continue
            try:
                call = wire.call(message)
            except ValueError as problem:
                self._say(Answer(wire.FORMAT, trouble=Trouble(f"It is no call: {problem}.", "GATE-504")))
                return
            self._last = call
            self._answer(call)

    def _next(self, patience: float | None) -> bytes | None:
        """Return a message, None when the gate has hung up. TimeoutError after so much silence."""
        if not self._line.readable(patience):
            raise TimeoutError
        try:
            return receive(self._line, timeout=_PATIENCE)
        except ConnectionResetError:
            return None

    def _answer(self, call: wire.Call) -> None:
        """Work beside the line, so that the gate hears that we live, and that we hear when it goes."""
        if isinstance(call.asked, wire.Pack | wire.Output):
            self._say(self._received(call.asked))
            return
        ended, said = Cancel(), list[Answer]()
        worker = threading.Thread(target=self._work, args=(call, said, ended), daemon=True)
        worker.start()
        self._heard = time.monotonic()
        while not ended.thrown:
            if self._line.readable(wire.PACE, ended):
                if self._next(_PATIENCE) is None:
                    os._exit(0)  # who asked has gone: what is under way is given up where it stands
                self._heard = time.monotonic()
            if not ended.thrown:  # also as the answer to a sign of theirs: theirs come no slower than ours would
                with suppress(OSError):
                    send(self._line, wire.ALIVE, timeout=wire.PACE)
            if self._undecided and time.monotonic() - self._heard > wire.SILENCE:
                worker.join()
                self._return()
                os._exit(0)
        ended.close()
        self._say(said[0])

    def _say(self, answer: Answer) -> None:
        with suppress(OSError):
            send(self._line, encode(answer), timeout=_PATIENCE)

    def _work(self, call: wire.Call, said: list[Answer], ended: Cancel) -> None:
        try:
            said.append(self._outcome(lambda: self._done(call)))
        finally:
            ended.throw()  # a defect ends the session, in place of signs of life without end

    def _outcome(self, work: Callable[[], object]) -> Answer:
        try:
            return Answer(wire.FORMAT, raw(work()))
        except GateError as problem:
            return Answer(wire.FORMAT, trouble=Trouble(problem.text, problem.code, problem.hints))
        except OSError as problem:
            return Answer(wire.FORMAT, trouble=Trouble(f"{problem}.", "GATE-503"))

    def _received(self, asked: wire.Pack | wire.Output) -> Answer:
        """Take the bytes that follow off the line, whatever becomes of them."""
        with freight.draft(self._home.work) as file:
            self._take(file, asked.size)
            return self._outcome(lambda: self._unpacked(asked, file))

    def _take(self, file: BinaryIO, size: int) -> None:
        self._line.settimeout(_PATIENCE)
        while size:
            part = self._line.recv(min(freight.CHUNK, size))
            if not part:
                os._exit(0)
            file.write(part)
            size -= len(part)

    def _unpacked(self, asked: wire.Pack | wire.Output, file: BinaryIO) -> None:
        self._claim()
        match asked:
            case wire.Pack(tree):
                with Git(self._home.repo) as git:
                    freight.take_pack(git, tree, file)
            case wire.Output(key, digest):
                freight.take_output(self._home.builds, key, digest, file)

    def _done(self, call: wire.Call) -> object:  # noqa: PLR0911 - one line a verb
        here = self._here(call)
        match call.asked:
            case wire.Hello():
                return self._greeting()
            case wire.Needs(tree, outputs):
                with Git(self._home.repo) as git:
                    return freight.lack(git, self._home.builds, tree, outputs)
            case wire.Observe(of):
                return here.observe(of)
            case wire.Ask(of, versions):
                return here.ask(of, versions)
            case wire.Judge(of, stamp, release):
                return here.health(of, stamp, release)
            case wire.Astray(release):
                return self._astray(here, release)
            case wire.Lacking(release):
                return here.lacking(release)
            case wire.Orphaned(run):
                return here.shares_dead_daemon(run)
        self._claim()
        return self._changed(here, call.asked)

    def _changed(self, here: Here, asked: wire.Asked) -> object:  # noqa: C901 - one case a verb
        match asked:
            case wire.Preflight(live, free):
                here.preflight(live, free=free)
            case wire.Stage(load, live):
                with Git(self._home.repo) as git:
                    changed = here.stage(git, load, live)
                    if changed is None:
                        freight.keep(git, live.folder, load.tree)
                return changed.key if changed else None
            case wire.Migrate(run, stamp, argv, release):
                return here.migrate(run, stamp, argv, release)
            case wire.Switch(live):
                runs.save(self._home.next_plan, live)
                self._undecided = True
                here.switch(live)
            case wire.Reload(of, stamp, only):
                return here.reload(of, stamp, only=only)
            case wire.Converge(of, stamp, release, only):
                return self._converged(here, asked)
            case wire.Publish(live):
                runs.save(self._home.live_plan, live)
                here.publish(live)
                self._decided()
            case wire.Discard(release, live):
                here.discard(release, live=live)
                coming = runs.load(self._home.next_plan)
                if coming is not None and coming.folder == release:
                    self._decided()
            case wire.StopAll():
                here.stop_all()
                self._home.live_plan.unlink(missing_ok=True)
                self._decided()
            case wire.Prune(keep, used):
                here.prune(keep=keep, used=used)
                with Git(self._home.repo) as git:
                    freight.keep_house(self._home, git)
        return None

    def _converged(self, here: Here, asked: wire.Converge) -> object:
        said = here.converge(asked.runs, asked.stamp, asked.release, only=asked.only)
        live = runs.load(self._home.live_plan)
        if live is not None and live.folder == asked.release:
            self._decided()
        return said

    def _decided(self) -> None:
        """The ship that was under way is over here, one way or the other."""
        self._home.next_plan.unlink(missing_ok=True)
        self._undecided = False

    def _greeting(self) -> wire.Greeting:
        live, coming = runs.load(self._home.live_plan), runs.load(self._home.next_plan)
        return wire.Greeting(__version__, live.folder if live else None, coming.folder if coming else None)

    def _astray(self, here: Here, release: str) -> str | None:
        """Where `current` leads counts as ours when this gate has led it there, or nothing ever did."""
        ours = {plan.folder for plan in map(runs.load, (self._home.live_plan, self._home.next_plan)) if plan}
        leads = next(iter(here.astray(release).values()), None)
        return None if leads in ours or not self._home.current.is_symlink() else leads

    def _here(self, call: wire.Call) -> Here:
        home, pm2 = self._home, self._home.path / call.pm2_home
        local = LocalTarget(Pm2.at(call.pm2, pm2), home.current, pm2 / ecosystem.FILE)
        return Here(home, Fleet(local, home.sites, home.data))

    def _claim(self) -> None:
        """Hold the host's lock. An earlier session of the gate that holds it is one that nobody listens to: it ends."""
        if self._claimed:
            return
        deadline = time.monotonic() + _LETTING_GO
        while True:
            try:
                self._held.enter_context(lock.hold(self._home.path))
            except GateError:
                if time.monotonic() >= deadline:
                    raise
                _end(lock.holder(self._home.path))
            else:
                self._claimed = True
                freight.clear_leftovers(self._home)
                return

    def _return(self) -> None:
        """Cut off in the middle of a ship: go back to what was published, for that is what the gate does."""
        live, call = runs.load(self._home.live_plan), self._last
        if call is None or live is None:
            return
        with suppress(GateError, OSError):
            here = self._here(call)
            here.converge(live.runs, live.stamp, live.folder, only=live.moved if live.kept else None)


def _end(pid: int | None) -> None:
    """Kill the session that holds the lock, and wait for its end; whoever got its number since is not it."""
    if pid is None or pid == os.getpid():
        return
    with suppress(ProcessLookupError, OSError), os.fdopen(os.pidfd_open(pid)) as handle:
        if Path(f"/proc/{pid}/cmdline").read_bytes() == Path("/proc/self/cmdline").read_bytes():
            signal.pidfd_send_signal(handle.fileno(), signal.SIGKILL)
            select.select([handle], [], [], _PATIENCE)
