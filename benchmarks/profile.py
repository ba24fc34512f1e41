"""Where the time of a heartbeat goes that ships a verified tree to six sites, by phase, and what programs it starts.

Run it as `python -m benchmarks.profile [--of CHECKOUT ...]` with pm2 and bwrap on PATH. It measures this checkout, and
the others in turn with it: each heartbeat runs in a process that takes the product from there, so that before and
after are of one session. Phases are cProfile's cumulative seconds of the functions that stand for them; those that are
indented are part of the one above. cProfile itself makes Python's share about half as slow again.
"""

import argparse
import cProfile
import json
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
TURNS, ROUNDS = 3, 3
_WARM = 2
"""Rounds that do not count: from then on every tree was verified before."""
PHASES = {
    "open the gate: sites.toml, what is in force": (
        ("librarian/gates.py", "opened"),
        ("librarian/opening.py", "opened"),
    ),
    "recover, apply": (("librarian/opening.py", "make_good"), ("librarian/opening.py", "apply")),
    "look at everything": (("librarian/observe.py", "observe"),),
    "  proofs: refs, tag, settings, hooks": (("librarian/watch.py", "tampering"),),
    "  merges and rules": (("librarian/train.py", "form"), ("librarian/planning.py", "plan")),
    "  the sites as they are": (("librarian/observe.py", "_ailing_sites"),),
    "file what came": (("librarian/filing.py", "file"),),
    "make the candidate": (("librarian/cargo.py", "of_train"),),
    "ship": (("ship/protocol.py", "ship"),),
    "  preflight": (("ship/protocol.py", "_preflight"),),
    "  write-ahead": (("ship/protocol.py", "_begin"),),
    "  stage": (("ship/protocol.py", "_stage"),),
    "  switch, reload, health": (("ship/protocol.py", "_bring_live"),),
    "  commit point": (("ship/publish.py", "commit_point"),),
    "  publish": (("ship/publish.py", "publish"),),
    "tell people, write the page": (("librarian/telling.py", "begin"), ("librarian/telling.py", "end")),
    "keep house": (("librarian/keeping.py", "keep_house"), ("librarian/doors.py", "call_roll")),
}


def main() -> int:
    """Measure each checkout in turn and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--of", action="append", default=[], metavar="CHECKOUT", help="another checkout, too")
    parser.add_argument("--in-this", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.in_this:
        print(f"found {json.dumps(_profiled())}")
        return 0
    places = [ROOT, *(Path(each).resolve() for each in asked.of)]
    turns = [[_told(place) for place in places] for _ in range(TURNS)]
    told = [_middle([turn[at] for turn in turns]) for at in range(len(places))]
    _row("Phase", [place.name for place in places])
    print(f"|---|{'---:|' * len(places)}")
    for name in ("the heartbeat", *PHASES):
        _row(name.replace("  ", "- "), [f"{1000 * one['seconds'][name]:.0f} ms" for one in told])
    for name in sorted({name for one in told for name in one["programs"]}):
        _row(f"programs: {name}", [f"{one['programs'].get(name, 0):.0f}" for one in told])
    _row("programs in all", [f"{sum(one['programs'].values()):.0f}" for one in told])
    return 0


def _middle(told: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians of the turns."""
    parts = ("seconds", "programs")
    names = {part: dict.fromkeys(name for one in told for name in one[part]) for part in parts}
    return {
        part: {name: statistics.median(one[part].get(name, 0) for one in told) for name in names[part]}
        for part in parts
    }


def _row(head: str, rest: list[str]) -> None:
    print(f"| {head} | {' | '.join(rest)} |")


def _told(checkout: Path) -> dict[str, Any]:
    argv = [sys.executable, "-P", str(Path(__file__).resolve()), "--in-this"]
    env = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(argv, cwd=checkout, env=env, stdout=subprocess.PIPE, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("found "))
    return dict(json.loads(line.removeprefix("found ")))


def _profiled() -> dict[str, Any]:
    """Return the median seconds of each phase, and of the programs that each heartbeat starts."""
    import gatekeeper  # noqa: F401, PLC0415 - of the checkout in PYTHONPATH; all below it then comes from there

    sys.path.insert(0, str(ROOT))
    from benchmarks import push_to_live as live  # noqa: PLC0415 - always this one

    rounds, programs = list[dict[str, float]](), list[Counter[str]]()
    with tempfile.TemporaryDirectory(prefix="gk-profile-") as name:
        folder = Path(name)
        with live.at_rest(folder) as (home, clone):
            for number in range(-_WARM, ROUNDS):
                (clone / "sites" / "shop" / "page.txt").write_text(f"round {number % 2}\n")
                live.git(clone, "commit", "-qam", f"Round {number}")
                live.git(clone, "push", "-q", "origin", f"HEAD:request/round-{number}")
                seconds, started = _beat(home)
                live.git(clone, "fetch", "-q", "origin", "release")
                live.git(clone, "reset", "-q", "--hard", "FETCH_HEAD")
                if number >= 0:
                    rounds.append(seconds)
                    programs.append(started)
    names = {name for one in programs for name in one}
    return {
        "seconds": {name: statistics.median(one[name] for one in rounds) for name in rounds[0]},
        "programs": {name: statistics.median(one[name] for one in programs) for name in names},
    }


def _beat(folder: Path) -> tuple[dict[str, float], Counter[str]]:
    from gatekeeper.home import Home  # noqa: PLC0415 - of the checkout that is measured
    from gatekeeper.librarian import loop, opening  # noqa: PLC0415
    from gatekeeper.process import Cancel  # noqa: PLC0415

    home, popen, started = Home(folder), subprocess.Popen, Counter[str]()

    def counted(argv: list[str], *args: object, **options: object) -> "subprocess.Popen[bytes]":
        started[Path(argv[0]).name] += 1
        return popen(argv, *args, **options)  # type: ignore[call-overload, no-any-return]

    profile = cProfile.Profile()
    with opening.locked(home) as held, closing(Cancel()) as brake, patch("subprocess.Popen", counted):
        began = time.perf_counter()
        profile.runcall(loop.beat_once, home, held, brake, lambda _: None)
        whole = time.perf_counter() - began
    found = {"the heartbeat": whole}
    stats = pstats.Stats(profile)
    return found | {name: _seconds(stats, places) for name, places in PHASES.items()}, started


def _seconds(stats: pstats.Stats, places: tuple[tuple[str, str], ...]) -> float:
    told: dict[tuple[str, int, str], tuple[Any, ...]] = stats.stats  # type: ignore[attr-defined]
    return sum(
        one[3]
        for (file, _, name), one in told.items()
        if any(file.endswith(f"gatekeeper/{path}") and name == wanted for path, wanted in places)
    )


if __name__ == "__main__":
    sys.exit(main())
