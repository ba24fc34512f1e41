"""Sixty requests over six sites through the real Librarian, 5 % bad, checks of 2 s: ours, serial, batch + bisect.

Run it as `python -m benchmarks.real_queue [--jobs 1 2] [--queues ours bors serial]` with pm2 in node_modules. Requests
are all there at the beginning. The other queues take the planner's place in this process, and nothing else: the same
merges, verdicts, sandbox and ships. They believe the first failure; ours does not.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from gatehouse import Gatehouse, build

from gatekeeper.model import Outcome, Request, Stage
from gatekeeper.policy import planner
from gatekeeper.policy.scene import Guilty, Plan, Ready, Run, Scene

SIX = ("shop", "shop-admin", "web", "api", "docs", "blog")
REQUESTS = 60
BAD = (7, 28, 49)
PATIENCE = 9
"""Heartbeats after which the queue must be done; ours needs one."""
CHECK = """[[checks]]
name = "page"
run = ["sh", "-c", "sleep 2; ! grep -rq FAULTY ."]
per_site = true
timeout = "60s"
"""


class Bors:
    """One batch at a time; a failure splits it, the lower half first. A batch of one is the serial queue."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: list[tuple[Request, ...]] = []

    def plan(self, scene: Scene) -> Plan:
        """Plan as the product's planner does, from the same scene."""
        open_ = set(scene.queue)
        self._parts = [part for part in self._parts if set(part) <= open_]
        if not self._parts:
            self._parts = [scene.queue[: self._most]] if scene.queue else []
        return self._verify(scene, self._parts[0]) if self._parts else Plan()

    def _verify(self, scene: Scene, part: tuple[Request, ...]) -> Plan:
        stages = scene.make(part)
        before = {job.key for job in stages[0].checks}
        jobs = [job for job in stages[-1].checks if job.key not in before]
        said = {job: scene.verdicts.get(job.key) for job in jobs}
        red = next((job for job, verdict in said.items() if verdict and verdict.outcome is not Outcome.PASSED), None)
        if red is not None and len(part) == 1:
            verdict = said[red]
            assert verdict is not None
            return Plan(cancel=frozenset(scene.running), guilty=Guilty(part[0], red, verdict, ()), line=part)
        if red is not None:
            self._parts[:1] = [part[: len(part) // 2], part[len(part) // 2 :]]
            return self._verify(scene, self._parts[0])
        wanted = {job.key for job in jobs}
        waiting = [job for job in jobs if said[job] is None and job.key not in scene.running]
        going = wanted & scene.running.keys()
        start = tuple(Run(stages[-1], job) for job in waiting[: scene.slots - len(going)])
        cancel = frozenset(scene.running) - wanted
        if start or cancel or going or waiting:
            return Plan(start=start, cancel=cancel, line=part, running=bool(going))
        return Plan(ready=_ready(scene, stages), line=part)


def _ready(scene: Scene, stages: tuple[Stage, ...]) -> Ready:
    return Ready(stages, tuple(scene.verdicts[job.key] for job in stages[-1].checks))


_OURS = planner.plan
QUEUES: dict[str, Callable[[], Callable[[Scene], Plan]]] = {
    "ours": lambda: _OURS,
    "bors": lambda: Bors(8).plan,
    "serial": lambda: Bors(1).plan,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--queues", nargs="+", default=list(QUEUES), choices=QUEUES)
    asked = parser.parse_args()
    print("| Queue | Jobs | Wall time s | Check runs | Ships | Landed | Blocked |\n|---|---:|---:|---:|---:|---:|---:|")
    for queue in asked.queues:
        for jobs in asked.jobs:
            print(f"| {queue} | {jobs} | {' | '.join(measure(queue, jobs))} |", flush=True)


def measure(queue: str, jobs: int) -> Sequence[str]:
    with build(SIX) as gate:
        text = gate.configure(
            f"[verify]\njobs = {jobs}\n[limits]\nopen_requests = {REQUESTS}\n",
            sites=dict.fromkeys(SIX, 'boot_check = false\nlisten_timeout = "30s"'),
            check=CHECK,
        )
        gate.home.sites_toml.write_text(text.replace('health_timeout = "3s"', 'health_timeout = "30s"'))
        gate.tick()
        file_all(gate)
        last, versions = gate.records()[0].sequence, len(gate.refs("refs/tags/"))
        planner.plan = QUEUES[queue]()  # type: ignore[assignment]
        left = {f"n{number:02}" for number in BAD}
        began = time.monotonic()
        try:
            for _ in range(PATIENCE):
                if gate.open() != left:
                    gate.tick()
        finally:
            planner.plan = _OURS
        seconds = time.monotonic() - began
        assert gate.open() == left, gate.open()
        checks = sum(record.sequence > last for record in gate.records("checked"))
        ships = len(gate.refs("refs/tags/")) - versions
        return (f"{seconds:.0f}", str(checks), str(ships), str(REQUESTS - len(BAD)), str(len(BAD)))


def file_all(gate: Gatehouse) -> None:
    """Put sixty requests into the repository at once, each with a file of its own, ten a site in turn."""
    clone = gate.clone()
    base = clone.git("rev-parse", "HEAD")
    for number in range(REQUESTS):
        clone.git("checkout", "-q", "-B", f"n{number:02}", base)
        text = "FAULTY\n" if number in BAD else "fine\n"
        clone.commit({f"sites/{SIX[number % len(SIX)]}/n{number:02}.txt": text}, f"Do {number}")
    gate.git("fetch", "-q", str(clone.folder), "refs/heads/n*:refs/heads/request/n*")


if __name__ == "__main__":
    main()
