"""What workers are worth: 60 checks of about 2 s, here with jobs = 1, and on 1, 2 and 4 workers of one thread each.

Run it as `python -m benchmarks.cluster [--checks 60] [--seconds 2]`; it works in a temporary folder. Scheduler and
workers run on this machine too, so the checks mostly wait: what is measured is that they wait side by side, and what
asking somebody else costs, not what more processors would bring. Each figure is one whole heartbeat of a gate of its
own, which has never verified anything, up to the last verdict. Every twentieth check fails, and so is run twice.
The last run has two workers, one of which is killed in mid-check after ten have ended. All verdicts are compared.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cluster.crew import Worker, crew
from gatehouse import Gatehouse, build

from gatekeeper.librarian import loop, opening
from gatekeeper.process import Cancel

_RED = 20
"""Each check whose number is a multiple of it fails."""
_GLANCE = 0.05
Tell = Callable[[str], None]
Seen = Mapping[str, tuple[str, str]]
"""What each check said, and where."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checks", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=2.0)
    asked = parser.parse_args()
    local, seen = measured(asked.checks, asked.seconds, workers=0)
    print("| Where | Wall time s | Times faster | Verdicts | Wrong |\n|---|---:|---:|---:|---:|")
    print(row("this machine, jobs = 1", local, local, asked.checks, seen), flush=True)
    for workers in (1, 2, 4):
        taken, seen = measured(asked.checks, asked.seconds, workers=workers)
        print(row(f"{workers} worker{'s' if workers > 1 else ''}", local, taken, asked.checks, seen), flush=True)
    taken, seen = measured(asked.checks, asked.seconds, workers=2, kill=True)
    print(row("2 workers, one killed in mid-check", local, taken, asked.checks, seen), flush=True)


def row(where: str, local: float, taken: float, checks: int, seen: Seen) -> str:
    truth = {f"c{number}": "passed" if number % _RED else "failed" for number in range(1, checks + 1)}
    wrong = sum(seen[name][0] != said for name, said in truth.items() if name in seen)
    assert seen.keys() == truth.keys(), sorted(truth.keys() - seen.keys())
    return f"| {where} | {taken:.1f} | {local / taken:.2f} | {len(seen)} | {wrong} |"


def measured(checks: int, seconds: float, *, workers: int, kill: bool = False) -> tuple[float, Seen]:
    """Have a new gate verify its release; return the seconds that its first heartbeat takes, and what was said."""
    with ExitStack() as stack:
        gate = stack.enter_context(build(("web",)))
        verify, tell = "jobs = 1", gate.told.append
        if workers:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gk-crew-")), "crew")
            team = stack.enter_context(crew(folder))
            hired = [team.hire(threads=1) for _ in range(workers)]
            verify = f'jobs = {workers}\nexecutor = "{team.address}"'
            tell = stack.enter_context(killing(hired[0], after=10, tell=tell)) if kill else tell
        configure(gate, checks, seconds, verify)
        with opening.locked(gate.home) as held, closing(Cancel()) as brake:
            began = time.perf_counter()
            loop.beat_once(gate.home, held, brake, tell)
            taken = time.perf_counter() - began
        found = {str(r.data["job"]): r.data for r in reversed(gate.records("checked"))}
    seen = {job: (str(data["outcome"]), str(data["sandbox"]).partition(" on ")[2]) for job, data in found.items()}
    assert {bool(where) for _, where in seen.values()} == {bool(workers)}, "all ran where they should"
    return taken, seen


@contextmanager
def killing(worker: Worker, *, after: int, tell: Tell) -> Iterator[Tell]:
    """Give what listens like `tell`; once so many checks have ended, the worker is killed as soon as it is busy."""
    heard, due = list[str](), threading.Event()

    def listen(line: str) -> None:
        tell(line)
        heard.extend([line] if line.startswith("  c") else [])
        if len(heard) >= after:
            due.set()

    def kill() -> None:
        due.wait()
        while not worker.busy:
            time.sleep(_GLANCE)
        worker.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    yield listen
    killer.join()


def configure(gate: Gatehouse, checks: int, seconds: float, verify: str) -> None:
    sections = [
        f'[[checks]]\nname = "c{number}"\npaths = ["sites/web"]\n'
        f'run = ["sh", "-c", "sleep {seconds}; exit {0 if number % _RED else 1}"]\n'
        for number in range(1, checks + 1)
    ]
    site = '[sites.web]\npath = "sites/web"\nmode = "static"\n'
    gate.home.sites_toml.write_text(f"[verify]\n{verify}\n{''.join(sections)}{site}")


if __name__ == "__main__":
    main()
