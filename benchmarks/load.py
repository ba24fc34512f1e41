"""Requests lost, skew between the sites and times, while people use all sites during ships and rollbacks.

Run it as `python -m benchmarks.load [--rate 30] [--rounds 3]` with pm2 in node_modules. `--rate` is requests a second
to each of six sites, each on a connection of its own. Cluster mode must lose none; what fork mode costs is stated.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from faults.crash import clear, faulty_gate
from faults.traffic import Traffic
from faults.whole import assert_whole
from gatehouse import Gatehouse

SIX = ("shop", "shop-admin", "web", "api", "docs", "blog")
_AFTER = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    lost = 0
    print(f"six sites, {asked.rate:g} requests a second to each, {asked.rounds} rounds; seconds are medians")
    heads = ("command", "all new", "skew", "down", "slowest")
    print(f"{'mode':8} {'what':26} {'sent':>6} {'lost':>5}", *(f"{head:>7}" for head in heads))
    for mode in ("cluster", "fork"):
        with faulty_gate(SIX, mode=mode, patience="15s") as gate:
            for what, act in SCENES.items():
                rounds = [_measure(gate, act, asked.rate, number) for number in range(asked.rounds)]
                total = [sum(one[index] for one in rounds) for index in (0, 1)]
                middle = [statistics.median(one[index] for one in rounds) for index in (2, 3, 4, 5, 6)]
                lost += int(total[1]) if mode == "cluster" else 0
                print(
                    f"{mode:8} {what:26} {total[0]:6.0f} {total[1]:5.0f}",
                    *(f"{one:7.2f}" for one in middle),
                    flush=True,
                )
    return int(lost > 0)


def _measure(gate: Gatehouse, act: Callable[[Gatehouse, str], None], rate: float, number: int) -> tuple[float, ...]:
    """Return requests sent and lost, and five times in seconds, as the table has them.

    `down` is the longest time for which one site answered nobody.
    """
    before = gate.version
    clear(gate)
    gate.cli("tick")
    key = f"{act.__name__.strip('_').replace('_', '-')}-{number}"
    if act is not _roll_back:
        _ask_for(gate, act, key)
    with Traffic(gate.ports, rate=rate) as traffic:
        began = time.monotonic()
        act(gate, key)
        took = time.monotonic() - began
        time.sleep(_AFTER)
    assert_whole(gate)
    moved = gate.version != before
    skew = traffic.skew(gate.version) if moved else 0.0
    reached = max(traffic.first_answers(gate.version).values()) - began if moved else 0.0
    down = max(traffic.down(site) for site in gate.ports)
    return (
        len(traffic.answers),
        len(traffic.lost),
        took,
        reached,
        skew,
        down,
        max(one.seconds for one in traffic.answers),
    )


def _ask_for(gate: Gatehouse, act: Callable[[Gatehouse, str], None], key: str) -> None:
    mood = {"_ship_sick": "ALWAYS 500 ", "_ship_dying": "DIES AT BOOT "}.get(act.__name__, "")
    gate.clone().request(key, {"sites/web/page.txt": f"{mood}{key} {time.time_ns()}\n"})


def _ship(gate: Gatehouse, _key: str) -> None:
    gate.cli("tick", ok=True)


def _ship_sick(gate: Gatehouse, key: str) -> None:
    gate.cli("tick")
    assert gate.code(key) == "GATE-404"


def _ship_dying(gate: Gatehouse, key: str) -> None:
    gate.cli("tick")
    assert gate.code(key) == "GATE-404"


def _roll_back(gate: Gatehouse, _key: str) -> None:
    gate.cli("rollback", "-m", "measured", ok=True)


SCENES = {
    "good ship": _ship,
    "rollback": _roll_back,
    "bad ship: answers 500": _ship_sick,
    "bad ship: dies at boot": _ship_dying,
}

if __name__ == "__main__":
    sys.exit(main())
