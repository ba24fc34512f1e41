"""The storm: SIGKILL at random moments, of the Librarian, of pm2, of sites and of pushes, while sites are asked.

Run it as `python -m benchmarks.storm [--kills 200] [--minutes 60] [--seed 4]`. The whole invariant is checked after
each blow; the first that does not hold ends it with status 1 and the seed. It ends what it started, by process id.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from faults.crash import faulty_gate
from faults.storm import Storm
from faults.traffic import Traffic


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=4)
    asked = parser.parse_args()
    end = time.monotonic() + 60 * asked.minutes
    with faulty_gate() as gate, Traffic(gate.ports, rate=5) as traffic:
        storm = Storm(gate, asked.seed)
        try:
            for line in storm.rage(asked.kills):
                print(line, flush=True)
                if time.monotonic() > end:
                    print(f"the {asked.minutes:g} minutes are over")
                    break
        except AssertionError as problem:
            print(f"NOT WHOLE: {problem}")
            return 1
        print("\n".join([f"seed {asked.seed}", *storm.tally.lines(gate)]))
        print(
            f"asked {len(traffic.answers)} times beside it, {len(traffic.lost)} without an answer (pm2 was killed too)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
