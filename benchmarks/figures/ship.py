"""From `git push` to six sites on the new version, beside pm2's own reload of six, six calls of it, and two tools."""

import os
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks import push_to_live as live
from benchmarks import rivals
from benchmarks.figure import Figure, absent, at_most, faster, value

ROUNDS = 5
_FIRST = -2
"""Two rounds before them do not count: from then on every tree was verified before."""


def figures(*, full: bool) -> Iterator[Figure]:  # noqa: ARG001 - one size
    """Yield push to live, the skew, and a rollback, each beside the limit and the peers."""
    missing = rivals.missing()
    taken: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        place = partial(_folder, stack)
        gate = place("ours")
        home, clone, ports = stack.enter_context(live.gate(gate))
        peers = {
            name: stack.enter_context(way(place(f"peer{number}")))
            for number, (name, way) in enumerate(rivals.RIVALS.items())
            if name not in missing
        }
        for number in range(_FIRST, ROUNDS):
            once = _round(gate / "gate", home, clone, ports, number) | _peers(peers, number)
            for name, seconds in once.items():
                taken[name] += [seconds] if number >= 0 else []
    whole, one, back, skew = (taken[name] for name in ("whole", "one", "back", "skew"))
    told = f"push answered {_middle(taken['pushed']):.2f} s, ship begun {_middle(taken['begun']):.2f} s, medians"
    yield at_most("push → live on six sites", "pm2's own reload of the six at once", whole, one, 1.5)
    yield faster("push → live on six sites", "checkout and six `pm2 reload`", whole, taken["six"], 3)
    for name in peers:
        yield faster("push → live on six sites", name, whole, taken[name], 3)
    yield value("first to last site on the new version", _middle(skew), "s", 0.25, told)
    for name in peers:
        theirs = f"{_middle(taken[f'{name}, skew']):.2f} s"
        yield Figure("first to last site on the new version", name, f"{_middle(skew):.2f} s", theirs, note="medians")
    yield at_most("rollback of six sites, the whole command", "pm2's own reload of the six at once", back, one, 1.3)
    if "capistrano" in peers:
        yield faster("rollback of six sites", "capistrano's rollback", back, taken["capistrano, back"], None)
    for name, why in missing.items():
        yield absent(f"push → live against {name}", why)


def _folder(stack: ExitStack, name: str) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"gk-{name}-")))


def _middle(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) // 2]


def _round(gate: Path, home: live.Librarian, clone: Path, ports: tuple[int, ...], number: int) -> dict[str, float]:
    pm2 = {**live.environment(), "PM2_HOME": str(gate / "var" / "pm2"), "PM2_CONCURRENT_ACTIONS": "6"}
    spans = (ms / 1000 for ms in live.one_round(home, clone, ports, number))
    found = dict(zip(("pushed", "begun", "skew", "whole"), spans, strict=True))
    found["one"] = timed(["pm2", "startOrReload", str(gate / "var" / "pm2" / "ecosystem.json")], pm2)
    found["six"] = _six(clone, pm2)
    found["back"] = timed(["gatekeeper", "--gate", str(gate), "rollback", "-m", "measured"], live.environment())
    live.git(clone, "fetch", "-q", "origin", "release")
    live.git(clone, "reset", "-q", "--hard", "FETCH_HEAD")
    return found


def _peers(peers: Mapping[str, rivals.Rival], number: int) -> dict[str, float]:
    """Deploy with each, and go back with capistrano, which then deletes what it left: so always to the first round."""
    found = {}
    for name, peer in peers.items():
        found[name], found[f"{name}, skew"] = peer.ship(number)
        if peer.rollback and number > _FIRST:
            found[f"{name}, back"] = peer.back(_FIRST)
    return found


def _six(clone: Path, env: dict[str, str]) -> float:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="gk-checkout-") as folder:
        live.run("git", "clone", "-q", "-s", str(clone), folder)
        for site in live.SITES:
            timed(["pm2", "reload", site], env)
    return time.perf_counter() - began


def timed(argv: list[str], env: dict[str, str]) -> float:
    """Run a program to its end and return the seconds; RuntimeError when it failed."""
    began = time.perf_counter()
    done = subprocess.run(argv, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{argv} ended with {done.returncode}: {done.stdout[-500:]} {done.stderr[-500:]}")
    return time.perf_counter() - began
