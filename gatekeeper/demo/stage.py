"""The throw-away place of the demo: one folder with the gate, the clones and the commands, and its clean end.

Whatever runs in that folder was started from here, and `close` ends it by its id.
"""

import os
import select
import shlex
import shutil
import signal
import textwrap
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from gatekeeper import process
from gatekeeper.demo.witness import Witness
from gatekeeper.errors import GateError
from gatekeeper.home import Home
from gatekeeper.process import Cancel, Done
from gatekeeper.repo.export import remove
from gatekeeper.sites import procfs
from gatekeeper.sites.pm2 import Pm2

Tell = Callable[[str], None]
_WIDTH = 100
_PATIENCE = 300.0
_LAST_WORDS = 3000
_GLANCE = 0.5
_FAREWELL = 60.0


class Stage(Struct):
    """One demo under way; `cancel` is thrown by Ctrl-C and ends whatever runs."""

    root: Path
    ports: dict[str, int]
    tell: Tell
    cancel: Cancel
    env: dict[str, str]
    witness: Witness
    librarian: int | None = None

    @property
    def home(self) -> Home:
        """The gate."""
        return Home(self.root / "gate")

    @property
    def pm2(self) -> Pm2:
        """The daemon that runs the six sites."""
        return Pm2.at(("pm2",), self.home.var / "pm2")

    def say(self, text: str) -> None:
        """Narrate: one paragraph."""
        self.tell("")
        self.tell(textwrap.fill(text, _WIDTH))

    def type(self, who: str, command: str, *, status: int = 0, shows: Sequence[str] = (), cwd: str = "") -> str:
        """Show a command as typed and what it really prints; the demo stops unless it ends as the story says."""
        self.tell(f"{who} $ {command}")
        done = self._run(shlex.split(command), self.root / cwd)
        for line in done.text.splitlines():
            self.tell(f"  {line}".rstrip())
        missing = [words for words in shows if words not in done.text]
        if done.status != status or missing:
            said = f"It ended with status {done.status}, not {status}." if done.status != status else ""
            raise wrong(f"`{command}` did not go as told. {said}{''.join(f' It does not say {m!r}.' for m in missing)}")
        return done.text

    def quietly(self, *argv: str, cwd: str = "") -> str:
        """Run what the story need not show."""
        done = self._run(argv, self.root / cwd)
        if not done.ok:
            raise wrong(f"`{shlex.join(argv)}` ended with status {done.status}: {done.text[-500:]}")
        return done.text

    def edit(self, who: str, path: str, old: str, new: str) -> None:
        """Change a file in somebody's clone, and show the lines."""
        file = self.root / who / path
        before = file.read_text("utf-8")
        if before.count(old) != 1:
            raise wrong(f"{path} does not hold the line to change once.")
        file.write_text(before.replace(old, new), "utf-8")
        self.tell(f"{who} edits {path}")
        for mark, text in (("-", old), ("+", new)):
            for line in text.splitlines():
                self.tell(f"  {mark} {line.strip()}")

    def start_librarian(self) -> None:
        """Run `gatekeeper run` beside the story; what it says goes to a file."""
        self.tell("kim $ gatekeeper run &")
        argv = [str(self.root / "bin" / "gatekeeper"), "run"]
        self.librarian = process.start_detached(argv, env=self.env, cwd=self.root, log=self.root / "librarian.log")

    def show_sites(self, version: str) -> None:
        """Wait until `version` is live, and show the sites them."""
        self.live_at(version)
        for site, port in self.ports.items():
            self.tell(f"  {site:<11} http://127.0.0.1:{port}/  serves {self.witness.seen[site][-1].said}")

    def live_at(self, version: str) -> float:
        """Wait until all sites serve `version` and it is published; return when the last of them first did."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until and not self.cancel.thrown and not self._librarian_gone():
            found = self.witness.all_on(version, within=_GLANCE)
            if found is not None and self._published(version):
                return found
        self._stop_if_cancelled()
        raise wrong(f"Not all six sites came to serve {version}. The Librarian said:\n{self._log()}")

    def _published(self, version: str) -> bool:
        """Sites serve a version before its tag is written: the commit point comes last."""
        tag = f"refs/tags/{version}"
        return self._run(("git", "--git-dir", str(self.home.repo), "rev-parse", "-q", "--verify", tag), self.root).ok

    def close(self) -> None:
        """End everything that was started here, and remove the folder."""
        self.witness.close()
        if self.librarian is not None:
            end(self.librarian)
            os.waitpid(self.librarian, 0)
        self.pm2.end()
        for pid in self._left():
            end(pid)
        remove(self.root)

    def _left(self) -> list[int]:
        """Return what still runs in our folder: the sites of a pm2 that was killed, say."""
        inside = str(self.root)
        return [pid for pid in procfs.parents() if (procfs.cwd(pid) or "").startswith(inside) and pid != os.getpid()]

    def _librarian_gone(self) -> bool:
        return self.librarian is not None and self.librarian not in procfs.parents()

    def _log(self) -> str:
        log = self.root / "librarian.log"
        return log.read_text("utf-8", "replace")[-_LAST_WORDS:] if log.exists() else "nothing"

    def _run(self, argv: Sequence[str], cwd: Path) -> Done:
        self._stop_if_cancelled()
        found = shutil.which(argv[0], path=self.env["PATH"]) or argv[0]
        done = process.run((found, *argv[1:]), cwd=cwd, env=self.env, merge=True, cancel=self.cancel, timeout=_PATIENCE)
        self._stop_if_cancelled()
        return done

    def _stop_if_cancelled(self) -> None:
        if self.cancel.thrown:
            raise KeyboardInterrupt


def wrong(text: str) -> GateError:
    """Return what ends a demo that does not go as told."""
    return GateError(text, hints=("It is a bug, of the demo or of the gate: tell it with the output above.",))


def end(pid: int) -> None:
    """Ask a process of ours to end, and wait; one that does not hear is killed."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            for number in (signal.SIGTERM, signal.SIGKILL):
                signal.pidfd_send_signal(handle, number)
                if select.select([handle], [], [], _FAREWELL)[0]:
                    return
        finally:
            os.close(handle)
