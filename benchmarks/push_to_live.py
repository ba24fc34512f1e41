"""From `git push` to six sites on the new version: the median of ten, and where the time goes.

Run it as `python -m benchmarks.push_to_live` with gatekeeper, pm2 and bwrap on PATH. Its gate lies in a temporary
folder, its sites on loopback ports that were free; it ends what it started.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROUNDS = 10
SITES = ("shop", "shop-admin", "web", "api", "docs", "blog")
SERVER = """
const http = require("http"), fs = require("fs"), path = require("path");
const text = fs.readFileSync(path.join(__dirname, "page.txt"), "utf8").trim();
let stopping = false;
const server = http.createServer((request, response) => {
  if (stopping) response.setHeader("connection", "close");
  response.end(JSON.stringify({ version: process.env.GATE_VERSION, text }));
});
process.on("SIGINT", () => {
  stopping = true;
  server.close(() => setTimeout(() => process.exit(0), 300));
  setInterval(() => server.closeIdleConnections(), 20);
});
server.listen(process.env.PORT, "127.0.0.1", () => process.send && process.send("ready"));
"""
GATEKEEPER = (sys.executable, "-m", "gatekeeper")
"""Of the checkout that PYTHONPATH, or this folder, names."""
STEPS = ("filed", "verifying", "shipping", "shipped")


@dataclass(slots=True)
class Watcher:
    """Notes when the Librarian said each step of a request."""

    seen: dict[str, float] = field(default_factory=dict)
    done: threading.Event = field(default_factory=threading.Event)

    def listen(self, lines: Iterator[str]) -> None:
        for line in lines:
            word = line.split(" ", 1)[1].split(" ", 1)[0].rstrip(":")
            if word in STEPS:
                self.seen.setdefault(word, time.perf_counter())
            if word == "shipped":
                self.done.set()

    def forget(self) -> None:
        self.seen.clear()
        self.done.clear()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gk-bench-") as folder, gate(Path(folder)) as (home, clone, ports):
        rounds = [one_round(home, clone, ports, number) for number in range(-2, ROUNDS)][2:]
    names = ("push answered", "verified", "shipped from first to last site", "live on six sites")
    print(f"push -> live on six sites, {ROUNDS} rounds, milliseconds (median, min, max)")
    for name, values in zip(names, zip(*rounds, strict=True), strict=True):
        print(f"  {name:<34} {statistics.median(values):6.0f} {min(values):6.0f} {max(values):6.0f}")


def one_round(home: "Librarian", clone: Path, ports: tuple[int, ...], number: int) -> tuple[float, ...]:
    """Ship one change; from the third round on its tree has been verified before, so that no check runs."""
    (clone / "sites" / "shop" / "page.txt").write_text(f"round {number % 2}\n")
    git(clone, "commit", "-qam", f"Round {number}")
    home.watcher.forget()
    before = set(versions(ports))
    start = time.perf_counter()
    git(clone, "push", "-q", "origin", f"HEAD:request/round-{number}")
    pushed = time.perf_counter()
    first = None
    while True:
        moved = [version not in before for version in versions(ports)]
        now = time.perf_counter()
        first = first or (now if any(moved) else None)
        if all(moved):
            break
    assert first is not None
    home.watcher.done.wait(30)
    git(clone, "fetch", "-q", "origin", "release")
    git(clone, "reset", "-q", "--hard", "FETCH_HEAD")
    verified = home.watcher.seen["shipping"]
    return tuple(1000 * span for span in (pushed - start, verified - start, now - first, now - start))


def versions(ports: tuple[int, ...]) -> list[str]:
    found = []
    for port in ports:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as reply:
            found.append(str(json.load(reply)["version"]))
    return found


@dataclass(slots=True)
class Librarian:
    process: subprocess.Popen[str]
    watcher: Watcher


@contextmanager
def gate(folder: Path) -> Iterator[tuple[Librarian, Path, tuple[int, ...]]]:
    """Yield a running Librarian of six live sites, an agent's clone, and the sites' ports."""
    with at_rest(folder) as (home, clone):
        argv = [*GATEKEEPER, "--gate", str(home), "run"]
        process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=environment())
        assert process.stderr is not None
        watcher = Watcher()
        threading.Thread(target=watcher.listen, args=(process.stderr,), daemon=True).start()
        try:
            yield Librarian(process, watcher), clone, _ports(home)
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def at_rest(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the home of a gate whose six sites are live, with no Librarian, and an agent's clone."""
    app, home, clone = folder / "app", folder / "gate", folder / "clone"
    for site in SITES:
        (app / "sites" / site).mkdir(parents=True)
        (app / "sites" / site / "server.js").write_text(SERVER)
        (app / "sites" / site / "page.txt").write_text("start\n")
    git(folder, "init", "-q", "-b", "main", str(app))
    git(app, "add", ".")
    git(app, "commit", "-qm", "Start")
    run(*GATEKEEPER, "init", str(home), "--from", str(app))
    (home / "sites.toml").write_text(config(free_ports(len(SITES))))
    try:
        run(*GATEKEEPER, "--gate", str(home), "tick")
        git(folder, "clone", "-q", "-b", "release", str(home / "repo.git"), str(clone))
        yield home, clone
    finally:
        env = {**environment(), "PM2_HOME": str(home / "var" / "pm2")}
        subprocess.run(["pm2", "kill"], env=env, capture_output=True, check=False)


def _ports(home: Path) -> tuple[int, ...]:
    said = tomllib.loads((home / "sites.toml").read_text())["sites"]
    return tuple(int(said[site]["env"]["PORT"]) for site in SITES)


def config(ports: tuple[int, ...]) -> str:
    parts = ['[[checks]]\nname = "instant"\nrun = ["true"]\nper_site = true\n']
    for site, port in zip(SITES, ports, strict=True):
        parts.append(
            f'[sites.{site}]\npath = "sites/{site}"\nscript = "server.js"\nwait_ready = true\nsoak = "0s"\n'
            f'env = {{ PORT = "{port}" }}\nhealth = "http://127.0.0.1:{port}/"\n'
        )
    return "\n".join(parts)


def free_ports(count: int) -> tuple[int, ...]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = tuple(each.getsockname()[1] for each in sockets)
    for each in sockets:
        each.close()
    return ports


def environment() -> dict[str, str]:
    people = {f"GIT_{role}_{part}": "bench" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    quiet = {"PM2_DISABLE_VERSION_CHECK": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return {**os.environ, **people, **quiet}


def git(folder: Path, *args: str) -> None:
    run("git", "-C", str(folder), *args)


def run(*argv: str) -> None:
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{argv} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")


if __name__ == "__main__":
    main()
