"""From `git push` to six sites on the new version, beside pm2's own reload of six and six calls of it."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import push_to_live as live
from benchmarks.figure import Figure, absent, at_most, faster, value

ROUNDS = 7


def figures(*, full: bool) -> Iterator[Figure]:  # noqa: ARG001 - one size
    """Yield push to live, the skew, and a rollback."""
    with tempfile.TemporaryDirectory(prefix="gk-bench-") as folder, live.gate(Path(folder)) as (home, clone, ports):
        gate = Path(folder, "gate")
        pm2 = {**live.environment(), "PM2_HOME": str(gate / "var" / "pm2"), "PM2_CONCURRENT_ACTIONS": "6"}
        whole, skews, one, six, back, parts = [], [], [], [], [], []
        for number in range(-1, ROUNDS):
            spans = [ms / 1000 for ms in live.one_round(home, clone, ports, number)]
            limit = timed(["pm2", "startOrReload", str(gate / "var" / "pm2" / "ecosystem.json")], pm2)
            each = _six(clone, pm2)
            rolled = timed(["gatekeeper", "--gate", str(gate), "rollback", "-m", "measured"], live.environment())
            live.git(clone, "fetch", "-q", "origin", "release")
            live.git(clone, "reset", "-q", "--hard", "FETCH_HEAD")
            if number >= 0:
                whole.append(spans[3])
                skews.append(spans[2])
                parts.append(spans)
                one.append(limit)
                six.append(each)
                back.append(rolled)
    middle = [sorted(part)[len(part) // 2] for part in zip(*parts, strict=True)]
    told = f"push answered {middle[0]:.2f} s, verified {middle[1]:.2f} s, live {middle[3]:.2f} s, medians"
    yield at_most("push → live on six sites", "pm2's own reload of the six at once", whole, one, 1.5)
    yield faster("push → live on six sites", "checkout and six `pm2 reload`", whole, six, 3)
    yield value("first to last site on the new version", sorted(skews)[len(skews) // 2], "s", 0.25, told)
    yield at_most("rollback of six sites", "pm2's own reload of the six at once", back, one, 1.3)
    for peer in ("capistrano", "`pm2 deploy` of six"):
        yield absent(f"push → live against {peer}", "not set up by this run")


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
