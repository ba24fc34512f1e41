"""One pm2 daemon: its list, and what can be done by pm2 id. Never by name: pm2 itself matches names loosely.

It speaks RPC, or pm2's command line when the socket is of no use. pm2's exit status proves nothing and is not
asked. Which process is a site's, and whether it is well, is decided elsewhere.
"""

import fcntl
import json
import os
import re
import select
import shutil
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from gatekeeper import fault, process
from gatekeeper.errors import GateError
from gatekeeper.sites import procfs
from gatekeeper.sites.calls import reload, start
from gatekeeper.sites.ecosystem import App
from gatekeeper.sites.listed import Pm2Process, parse
from gatekeeper.sites.rpc import Answer, Call, Rpc, fits

OLDEST = (7, 0, 4)
"""Before it, overlapping reloads left workers behind that nobody could stop."""

_PROBE = 2.0
_QUICK = 10.0
_SLOW = 20.0
_PAUSE = 0.05
_NOTHING: Mapping[str, str] = {}
_NEW_ENOUGH = set[tuple[tuple[str | int, ...], ...]]()
"""Commands that told their version once, which takes a while: each with the very files that it then was."""
_BUSY = re.compile(r"already in progress for process id (\d+)")


class Pm2(Struct, frozen=True):
    """The daemon of one PM2_HOME; `socket` is where its RPC is looked for."""

    command: tuple[str, ...]
    home: Path
    socket: Path

    @classmethod
    def at(cls, command: Sequence[str], home: Path) -> "Pm2":
        """Return the daemon whose socket lies where pm2 puts it."""
        return cls(tuple(command), home, home / "rpc.sock")

    def daemon(self) -> int | None:
        """Return the daemon's process id; None when it is not running. Never starts it."""
        with suppress(OSError), self._rpc() as rpc:
            return rpc.pid
        with suppress(OSError, ValueError):
            pid = int((self.home / "pm2.pid").read_text("ascii"))
            if f"God Daemon ({self.home})" in procfs.title(pid):
                return pid
        return None

    def require(self) -> None:
        """Raise GATE-504 unless pm2, and its daemon when it runs, are new enough to be trusted."""
        if not fits(self.home / "rpc.sock"):
            raise GateError(
                f"pm2's socket cannot have a path as long as {self.home}/rpc.sock (107 bytes).",
                code="GATE-504",
                hints=("Give `[pm2] home` a shorter, absolute path, then: gatekeeper tick",),
            )
        asked = tuple(map(_identity, self.command))
        if asked not in _NEW_ENOUGH:
            self._refuse_old(self._run("-v", "--"), "pm2", "npm install --global pm2@latest")
            _NEW_ENOUGH.add(asked)
        if self.daemon() is not None:
            upgrade = f"PM2_HOME={self.home} {' '.join(self.command)} update   (it stops the sites for a moment)"
            self._refuse_old(self._daemon_version(), "The running pm2 daemon", upgrade)

    def boot(self) -> None:
        """Start the daemon, with a clean environment and nothing of ours open; it outlives this program."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _turn(self.home / "boot.lock") as held:
            if self.daemon() is not None:
                return
            said = self._run("ping", pass_fds=(held,))
        if self.daemon() is None:
            raise _unreachable(f"pm2's daemon did not start: {said[-300:] or 'it said nothing'}.")

    def processes(self) -> tuple[Pm2Process, ...]:
        """Return the daemon's whole list, foreign processes included."""
        return tuple(parse(entry) for entry in self.entries() if "pm_id" in entry)

    def apply(
        self, starts: Sequence[App], reloads: Sequence[tuple[Pm2Process, App]], *, ecosystem: Path
    ) -> dict[int, str]:
        """Begin all starts and reloads at once; return the pm2 ids that were refused, with pm2's words.

        It does not wait until they are done. The command line, which does, reads them from `ecosystem`.
        """
        if not starts and not reloads:
            return {}
        try:
            with self._rpc() as rpc:
                calls = [start(app, self.home) for app in starts]
                calls += [reload(one, app) for one, app in reloads]
                answers = rpc.post(calls, timeout=_QUICK)
        except OSError:
            return self._apply_by_command([*starts, *(app for _, app in reloads)], ecosystem)
        _refuse_failed(answers[: len(starts)])
        begun = zip(reloads, answers[len(starts) :], strict=True)
        return {one.pm_id: answer.error for (one, _), answer in begun if answer and answer.error}

    def delete(self, ids: Iterable[int], *, timeout: float) -> None:
        """Stop processes and take them off the list; returns when they have ended.

        Never while one of them is being reloaded or started: pm2 would lose sight of a living process.
        """
        self._each("delete", list(ids), timeout)

    def stop(self, ids: Iterable[int], *, timeout: float) -> None:
        """Stop processes, which stay on the list; returns when they have ended."""
        self._each("stop", list(ids), timeout)

    def resume(self, ids: Iterable[int], *, timeout: float) -> None:
        """Start stopped processes as they were started before."""
        self._each("start", list(ids), timeout)

    def kill(self, ids: Iterable[int]) -> None:
        """Send SIGKILL to processes; pm2 starts each again from where its paths lead by then."""
        calls = [Call("sendSignalToProcessId", {"process_id": one, "signal": "SIGKILL"}) for one in ids]
        with suppress(OSError), self._rpc() as rpc:
            rpc.all(calls, timeout=_QUICK)

    def drop_parked(self, ids: Iterable[int]) -> None:
        """End what a reload left beside these processes, if anything: never while one is being reloaded.

        An outgoing worker that dies while its successor starts is started again by pm2 7.0.4, under an id that no list
        shows, whenever it ends; and until that is deleted, no reload of the process is taken on.
        """
        calls = [Call("deleteProcessId", f"_old_{one}") for one in ids]
        with suppress(OSError), self._rpc() as rpc:
            rpc.all(calls, timeout=_SLOW)

    def end(self) -> None:
        """End the daemon and wait for it; whatever it still holds ends with it."""
        pid = self.daemon()
        if pid is None:
            return
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(handle, signal.SIGTERM)
                select.select([handle], [], [], _SLOW)
            finally:
                os.close(handle)

    def _each(self, verb: str, wanted: list[int], timeout: float) -> None:
        if not wanted:
            return
        try:
            with self._rpc() as rpc:
                _refuse_failed(rpc.all([Call(f"{verb}ProcessId", one) for one in wanted], timeout=timeout))
        except OSError:
            for one in wanted:
                self._command(verb, str(self._unmistakable(one)))

    def _rpc(self) -> Rpc:
        """Return a connection that answered a ping. Raises OSError when the socket is of no use."""
        rpc = Rpc(self.socket, timeout=_PROBE)
        try:
            answer = rpc.all([Call("ping", {})], timeout=_PROBE)[0]
        except (OSError, ValueError):
            answer = Answer(error="no ping")
        if answer.error is not None:
            rpc.close()
            raise ConnectionRefusedError(answer.error)
        return rpc

    def entries(self) -> list[dict[str, Any]]:
        """Return the list as pm2 tells it, secrets included."""
        try:
            with self._rpc() as rpc:
                return _result(rpc.all([Call("getMonitorData", {})], timeout=_QUICK)[0])  # type: ignore[no-any-return]
        except OSError:
            said = self._command("jlist")
        # pm2 may print notices round the one line that counts
        line = next((one for one in reversed(said.splitlines()) if one.startswith(("[{", "[]"))), "")
        try:
            return json.loads(line)  # type: ignore[no-any-return]
        except ValueError as problem:
            raise _unreachable("`pm2 jlist` did not answer with a list.") from problem  # it tells every secret

    def _daemon_version(self) -> str:
        try:
            with self._rpc() as rpc:
                return str(_result(rpc.all([Call("getVersion", {})], timeout=_QUICK)[0]))
        except OSError:
            said = self._command("report")
            found = re.search(r"pm2d version\s*:\s*(\S+)", said)
            return found[1] if found else said

    def _apply_by_command(self, apps: Sequence[App], ecosystem: Path) -> dict[int, str]:
        """Do the same slower; a variable that is no longer named lives on until its process is replaced."""
        names = ",".join(app["name"] for app in apps)
        argv = ("startOrReload", str(ecosystem), "--only", names, "--update-env")
        patience = max(app["listen_timeout"] + app["kill_timeout"] for app in apps) / 1000
        said = self._command(*argv, timeout=_SLOW + patience, PM2_CONCURRENT_ACTIONS=str(len(apps)))
        return {int(one): f"Reload already in progress for process id {one}" for one in _BUSY.findall(said)}

    def _unmistakable(self, pm_id: int) -> int:
        if any(one.name == str(pm_id) for one in self.processes()):
            raise GateError(
                f'A pm2 process is named "{pm_id}", so pm2 could not tell it from the one with this id.',
                code="GATE-501",
                hints=("Rename that process.",),
            )
        return pm_id

    def _command(self, *words: str, timeout: float = _SLOW, **env: str) -> str:
        """Run pm2 against the running daemon only: every one of its commands would start an empty one."""
        if self.daemon() is None:
            raise _unreachable(f"pm2's daemon in {self.home} is not running.")
        return self._run(*words, timeout=timeout, env=env)

    def _run(
        self, *words: str, timeout: float = _SLOW, env: Mapping[str, str] = _NOTHING, pass_fds: tuple[int, ...] = ()
    ) -> str:
        try:
            cwd = self.home if self.home.is_dir() else None
            with fault.step(f"pm2 command: {words[0]}"):
                done = process.run(
                    [*self.command, *words],
                    cwd=cwd,
                    env={**self._environment(), **env},
                    timeout=timeout,
                    merge=True,
                    pass_fds=pass_fds,
                )
        except FileNotFoundError as problem:
            remedy = "npm install --global pm2@latest   (or name another in `[pm2] command` of sites.toml)"
            text = f"pm2 cannot be started: there is no program `{self.command[0]}`."
            raise GateError(text, code="GATE-504", hints=(remedy,)) from problem
        except OSError as problem:
            raise _unreachable(f"pm2 cannot be started: {problem}.") from problem
        if done.timed_out:
            raise _unreachable(f"`pm2 {words[0]}` did not end within {timeout:.0f} seconds.")
        return done.text

    def _environment(self) -> dict[str, str]:
        """Return what the daemon and, in cluster mode, every site inherits: nothing of whoever started us."""
        kept = {name: value for name, value in process.clean_environment().items() if not name.startswith("GIT_")}
        return kept | {
            "PM2_HOME": str(self.home),
            "PM2_DISABLE_VERSION_CHECK": "1",
            "PM2_DISCRETE_MODE": "1",
            "PM2_NO_INTERACTION": "true",
        }

    def _refuse_old(self, said: str, what: str, upgrade: str) -> None:
        found = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
        if found is None:
            raise _unreachable(f"{what} does not tell its version: {said[:200]}.")
        if tuple(int(part) for part in found.groups()) < OLDEST:
            raise GateError(
                f"{what} is {found[0]}; the gate needs {'.'.join(map(str, OLDEST))} or newer.",
                code="GATE-504",
                hints=(upgrade,),
            )


def _identity(word: str) -> tuple[str | int, ...]:
    """Return what tells the file behind a word of a command from every other, also from one that takes its place."""
    try:
        seen = Path(shutil.which(word) or word).stat()
    except OSError:
        return (word,)
    return word, seen.st_dev, seen.st_ino, seen.st_size, seen.st_ctime_ns


@contextmanager
def _turn(path: Path) -> Iterator[int]:
    """Hold the turn to start a daemon. It is the starting pm2's too: one that outlives its Librarian keeps it.

    Two that start at once would leave two daemons of one home, of which only the last can be talked to.
    """
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + _SLOW
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > until:
                raise _unreachable(f"another pm2 has been starting in {path.parent} for {_SLOW:.0f} seconds.")
            time.sleep(_PAUSE)
        yield held
    finally:
        os.close(held)


def base_environment() -> Mapping[str, str]:
    """Return what every site finds besides its own variables: where programs are, and a home."""
    return {name: value for name, value in process.clean_environment().items() if name in ("PATH", "HOME")}


def _unreachable(text: str) -> GateError:
    hints = ("Check `[pm2]` in sites.toml and that `pm2 ping` answers, then: gatekeeper tick",)
    return GateError(text, code="GATE-504", hints=hints)


def _result(answer: Answer) -> Any:
    if answer.error is not None:
        raise _unreachable(f"pm2 refused: {answer.error}.")
    return answer.result


def _refuse_failed(answers: Iterable[Answer | None]) -> None:
    for answer in answers:
        if answer is not None:
            _result(answer)
