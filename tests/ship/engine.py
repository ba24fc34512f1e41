"""A fake engine: follows a branch of a mirror with a real clone, and says what it runs to a file and to an address.

What it applies is sick when a page of it holds SICK. `deaf` beside its files makes it stop following.
"""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PACE = 0.03
ASKED = """import json, os, pathlib, sys
try:
    said = json.loads(pathlib.Path(sys.argv[1]).read_text())
except FileNotFoundError:
    sys.exit("it runs nothing yet")
if said["commit"] != os.environ["GATE_COMMIT"]:
    sys.exit(f"it is on {said['commit']}, asked of {os.environ['GATE_VERSION']}")
sys.exit(None if said["healthy"] else "it is sick")
"""


@dataclass
class Engine:
    """`health` is the command that asks it, `url` its address; `seen` all the commits that it was on, in order."""

    mirror: Path
    folder: Path
    branch: str = "rollout"
    seen: list[str] = field(default_factory=list)
    says: dict[str, Any] = field(default_factory=dict)
    url: str = ""

    @property
    def health(self) -> list[str]:
        return ["python3", str(self.folder / "asked.py"), str(self.folder / "says.json")]

    @property
    def deaf(self) -> Path:
        return self.folder / "deaf"

    def git(self, *args: str) -> str:
        argv = ["git", "-C", str(self.folder / "clone"), *args]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def follow(self) -> None:
        """Pull once, when there is something new."""
        if self.deaf.exists():
            return
        try:
            self.git("fetch", "-q", "--prune", "origin", f"+refs/heads/{self.branch}:refs/remotes/origin/followed")
        except subprocess.CalledProcessError:
            return  # there is no such branch, or no mirror
        commit = self.git("rev-parse", "refs/remotes/origin/followed")
        if self.says.get("commit") == commit:
            return
        self.git("checkout", "-q", "--force", "--detach", commit)
        pages = (self.folder / "clone").glob("sites/*/page.txt")
        self.says = {"commit": commit, "healthy": not any("SICK" in page.read_text() for page in pages)}
        self.seen.append(commit)
        draft = self.folder / "says.new"
        draft.write_text(json.dumps(self.says))
        draft.rename(self.folder / "says.json")


@contextmanager
def engine(mirror: Path, folder: Path) -> Iterator[Engine]:
    """Let one follow until the end of the block."""
    folder.mkdir()
    (folder / "asked.py").write_text(ASKED)
    subprocess.run(["git", "init", "-q", str(folder / "clone")], check=True)
    one = Engine(mirror, folder)
    one.git("remote", "add", "origin", str(mirror))
    over = threading.Event()

    def loop() -> None:
        while not over.wait(PACE):
            one.follow()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            healthy = one.says.get("healthy", False)
            self.send_response(200 if healthy else 503)
            self.end_headers()
            self.wfile.write(json.dumps({key: one.says[key] for key in ("commit",) if key in one.says}).encode())

        def log_message(self, *_args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        one.url = f"http://127.0.0.1:{server.server_address[1]}/"
        threads = [threading.Thread(target=run) for run in (loop, server.serve_forever)]
        for thread in threads:
            thread.start()
        try:
            yield one
        finally:
            over.set()
            server.shutdown()
            for thread in threads:
                thread.join()
