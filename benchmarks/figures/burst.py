"""A burst of requests with an instant check: until all have landed on six sites, beside a bot that takes one by one."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from faults.crash import faulty_gate, start_again
from faults.many import lay
from gatehouse import Gatehouse

from benchmarks import load
from benchmarks import push_to_live as live
from benchmarks.figure import Figure, faster, growth
from benchmarks.figures.ship import timed

SAMPLE = 4
"""Requests that the bot lands in each round; each takes it as long as the one before."""
ROUNDS = 2


def figures(*, full: bool) -> Iterator[Figure]:
    """Yield the ratio for a burst of 1,000, or of 200 in the short run, and how a burst grows."""
    sizes, rounds = ((10, 100, 1_000), 1) if full else ((2, 20, 200), ROUNDS)
    least, less, count = sizes
    first, second = _burst(least)[0], _burst(less)[0]
    ours, bot = zip(*(_burst(count) for _ in range(rounds)), strict=True)
    what = f"burst of {count:,} requests, instant check, until live on six sites"
    told = f"the bot landed {SAMPLE} in each round, counted for all"
    yield replace(faster(what, "a serial bot: fetch, merge, check, push, reload", ours, bot, 20), note=told)
    yield growth("burst, requests", sizes, [first, second, min(ours)])


def _burst(count: int) -> tuple[float, float]:
    """Return the seconds until all have landed, and those that the bot takes for as many."""
    with faulty_gate(load.SIX, patience="15s") as gate:
        text = gate.toml.replace("max_train = 20", "max_train = 200")
        gate.home.sites_toml.write_text(text.replace("open_requests = 1000", "open_requests = 100000"))
        lay(gate, "burst", count, site="web")
        return _landed(gate, count), _bot(gate) * count / SAMPLE


def _landed(gate: Gatehouse, count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        if not gate.open():
            break
        start_again(gate)
    seconds = time.perf_counter() - began
    shipped = sum(len(record.data["requests"]) for record in gate.records("shipped"))
    if shipped < count:
        raise RuntimeError(f"{shipped} of {count} landed")
    return seconds


def _bot(gate: Gatehouse) -> float:
    """Return the seconds for a sample; it has a clone, merges there, checks, pushes, and has pm2 reload all six."""
    with tempfile.TemporaryDirectory(prefix="gk-bot-") as name:
        folder = Path(name)
        live.git(folder, "clone", "-q", "--bare", str(gate.home.repo), str(folder / "app.git"))
        live.git(folder, "clone", "-q", "-b", "release", str(folder / "app.git"), str(folder / "clone"))
        live.git(folder, "clone", "-q", "-b", "release", str(folder / "app.git"), str(folder / "live"))
        clone, pm2 = folder / "clone", gate.home.var / "pm2"
        env = {**live.environment(), "PM2_HOME": str(pm2), "PM2_CONCURRENT_ACTIONS": "6"}
        for at in range(SAMPLE):
            (clone / "sites" / "web" / f"bot-{at}.txt").write_text(f"{at}\n")
            live.git(clone, "checkout", "-q", "-b", f"bot-{at}")
            live.git(clone, "add", ".")
            live.git(clone, "commit", "-qm", f"Bot {at}")
            live.git(clone, "push", "-q", "origin", f"bot-{at}")
            live.git(clone, "checkout", "-q", "release")
        began = time.perf_counter()
        for at in range(SAMPLE):
            live.git(clone, "fetch", "-q", "origin")
            live.git(clone, "merge", "-q", "--no-ff", "-m", f"Merge {at}", f"origin/bot-{at}")
            timed(["env", "-C", str(clone / "sites" / "web"), "sh", "test.sh"], {})
            live.git(clone, "push", "-q", "origin", "HEAD:release")
            live.git(folder / "live", "pull", "-q", "--ff-only")
            timed(["pm2", "startOrReload", str(pm2 / "ecosystem.json")], env)
        return time.perf_counter() - began
