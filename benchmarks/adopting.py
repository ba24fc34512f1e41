"""Six sites of a foreign pm2 taken over while people use them: requests lost, seconds away, and the plan as printed.

Run it as `python -m benchmarks.adopting` with gatekeeper, pm2 and bwrap on PATH. Three sites are in cluster mode and
three in fork mode; each is asked 20 times a second, on a connection of its own, from before the first to after
the last.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from adopt.foreign import app, foreign, server
from faults.traffic import Traffic

SITES = ("shop", "shop-admin", "web", "api", "docs", "blog")
RATE = 20.0


def main() -> None:
    with foreign(*SITES) as place:
        for number, name in enumerate(SITES):
            folder = place.repository(name, {"server.js": server(boot=100), "uploads/.gitkeep": ""})
            (folder / "uploads" / "photo").write_text("x" * 1000)
            mode = {"exec_mode": "cluster", "wait_ready": True} if number % 2 == 0 else {"exec_mode": "fork"}
            place.start([app(name, folder, place.ports[name], **mode)])
        place.init()
        began = time.monotonic()
        drafted = place.adopt("--pm2-home", str(place.pm2_home))
        print(drafted.stdout, drafted.stderr, f"({time.monotonic() - began:.1f} s)")
        with Traffic(place.ports, rate=RATE) as traffic:
            began = time.monotonic()
            done = place.adopt("--apply")
            seconds = time.monotonic() - began
        print(done.stdout, done.stderr)
        print(f"{seconds:.1f} s in all; {len(traffic.answers)} requests, {len(traffic.lost)} lost:")
        for name in SITES:
            mine = [one for one in traffic.answers if one.site == name]
            lost = sum(1 for one in mine if one.problem)
            print(f"  {name:<12} {lost:>3} of {len(mine)} lost, away for {traffic.down(name):.2f} s")


if __name__ == "__main__":
    main()
