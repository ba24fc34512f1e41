"""Runs jobs side by side while other things go on, and keeps what they said as verdicts."""

import hashlib
import os
import select
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

from msgspec import Struct
from msgspec.structs import replace

from gatekeeper import progress
from gatekeeper.gate import Gate
from gatekeeper.librarian import pulse
from gatekeeper.librarian.recollection import Recollection
from gatekeeper.model import Job, Kind, Oid, Outcome, Verdict
from gatekeeper.process import Cancel
from gatekeeper.repo import verdicts
from gatekeeper.verify.cluster import Away, Cluster
from gatekeeper.verify.jobs import Work
from gatekeeper.verify.run import Interrupted, run

Tell = Callable[[str], None]
"""Shows a person a line of progress."""


class _Going(Struct, frozen=True):
    """A job that was started: how to stop it, and where its answer will be."""

    brake: Cancel
    answer: Future[Verdict | Interrupted | Away]


class Checks:
    """The jobs of one heartbeat. Threads run them; only the caller's thread writes down what they said.

    With a cluster checks run there, and what runs here, builds above all, is no more than this machine has processors.
    """

    def __init__(self, gate: Gate, mind: Recollection, tell: Tell, cluster: Cluster | None = None) -> None:
        self._gate, self._mind, self._tell = gate, mind, tell
        self._cluster = cluster if gate.config.verify.executor != "local" else None
        slots = gate.config.verify.jobs
        self._here = ThreadPoolExecutor(slots if self._cluster is None else min(slots, os.cpu_count() or 1))
        self._there = ThreadPoolExecutor(slots)
        self._ended = Cancel()
        self._going: dict[str, _Going] = {}
        self._stopping: list[_Going] = []

    def start(self, job: Job) -> None:
        """Run a job; when it said something before, it is asked once more."""
        known = verdicts.lookup(self._gate.git, (job.key,)).get(job.key)
        work, tree = self._mind.works[job.key]
        brake, attempt = Cancel(), known.runs + 1 if known else 1
        answer: Future[Verdict | Interrupted | Away]
        if self._cluster is None or job.name.kind is Kind.BUILD:
            answer = self._here.submit(run, self._gate, work, tree, cancel=brake, attempt=attempt)
        else:
            answer = self._there.submit(self._elsewhere, self._cluster, work, tree, self._built(work), brake, attempt)
        answer.add_done_callback(lambda _: self._ended.throw())
        self._going[job.key] = _Going(brake, answer)
        self._mind.running[job.key] = self._gate.clock()
        self._show()

    def stop(self, key: str) -> None:
        """End a job that does not matter any more; it says nothing."""
        going = self._going.pop(key)
        del self._mind.running[key]
        going.brake.throw()
        self._stopping.append(going)
        self._show()

    def collect(self) -> tuple[Verdict, ...]:
        """Keep and record what has come to an end. Raises what stopped a job from being run at all."""
        self._ended.reset()
        said = [self._taken(key) for key, going in list(self._going.items()) if going.answer.done()]
        known = tuple(verdict for verdict in said if verdict is not None)
        if known:
            for verdict in known:
                work, tree = self._mind.works[verdict.key]
                _record(self._gate, verdict, work.job, tree)
            self._gate.ledger.move(verdicts.add(self._gate.signer, known, at=self._gate.clock()))
            self._gate.ledger.commit("verdicts")
        self._show()
        return known

    def wait(self, *others: Cancel) -> None:
        """Return when a job has come to an end, or one of the others is thrown."""
        while not select.select([self._ended, *others], [], [], pulse.EVERY)[0]:
            pulse.alive()

    def close(self) -> None:
        """Stop whatever runs, and wait until it has ended."""
        everything = (*self._going.values(), *self._stopping)
        for going in everything:
            going.brake.throw()
        for pool in (self._there, self._here):
            pool.shutdown()
        for going in everything:
            going.brake.close()
        self._ended.close()
        self._mind.running.clear()
        self._show()

    def _built(self, work: Work) -> dict[str, str]:
        """Return the digests of what the builds left that a job sees, by their keys."""
        known = verdicts.lookup(self._gate.git, (key for _, key in work.mounts))
        return {key: verdict.output for key, verdict in known.items()}

    def _elsewhere(
        self, cluster: Cluster, work: Work, tree: Oid, built: dict[str, str], brake: Cancel, attempt: int
    ) -> Verdict | Interrupted | Away:
        """Have a check run by a worker; by this machine when there is none and sites.toml says so."""
        tools = self._mind.toolchain or ""
        said = cluster.run(self._gate, work, tree, built=built, toolchain=tools, cancel=brake, attempt=attempt)
        if not isinstance(said, Away) or self._gate.config.verify.executor_away == "wait":
            return said
        return self._here.submit(run, self._gate, work, tree, cancel=brake, attempt=attempt).result()

    def _show(self) -> None:
        running = self._mind.running
        progress.jobs({str(self._mind.works[key][0].job.name): since for key, since in running.items()})

    def _taken(self, key: str) -> Verdict | None:
        going = self._going.pop(key)
        del self._mind.running[key]
        going.brake.close()
        said = going.answer.result()
        if isinstance(said, Away):
            self._mind.barred.add(key)
        if not isinstance(said, Verdict):
            return None
        self._mind.asked.add(key)
        before = verdicts.lookup(self._gate.git, (key,)).get(key)
        verdict = _together(before, said)
        flaky = " (another answer than the first time)" if verdict.flaky else ""
        again = f", {verdict.runs} times" if verdict.runs > 1 else ""
        self._tell(f"  {verdict.job}: {verdict.outcome}{again} in {verdict.seconds:.1f} s{flaky}")
        return verdict


def check(gate: Gate, jobs: Iterable[Job], mind: Recollection, cancel: Cancel, tell: Tell) -> tuple[Verdict, ...]:
    """Run every job to its verdict, a failing one twice, and return those that were reached before `cancel`.

    They run on this machine: a way back must not wait for others.
    """
    waiting, sure = list(jobs), list[Verdict]()
    with closing(Checks(gate, mind, tell)) as checks:
        while (waiting or mind.running) and not cancel.thrown:
            for job in waiting:
                checks.start(job)
            checks.wait(cancel)
            said = checks.collect()
            again = [verdict for verdict in said if verdict.outcome is not Outcome.PASSED and verdict.runs == 1]
            sure += [verdict for verdict in said if verdict not in again]
            waiting = [mind.works[verdict.key][0].job for verdict in again]
    return tuple(sure)


def _together(before: Verdict | None, said: Verdict) -> Verdict:
    """A failure counts when it came twice; a different answer for the same key is a flake."""
    if before is None:
        return said
    same = (before.outcome is Outcome.PASSED) == (said.outcome is Outcome.PASSED)
    return replace(said, runs=before.runs + 1 if same else 1, flaky=before.flaky or not same)


def _record(gate: Gate, verdict: Verdict, job: Job, tree: Oid) -> None:
    """Record what was run on what, when and how, with a digest of the output that is kept apart."""
    log = gate.home.logs / verdict.log
    printed = hashlib.sha256(log.read_bytes()).hexdigest() if verdict.log and log.is_file() else ""
    gate.ledger.record(
        "checked",
        f"{verdict.job}: {verdict.outcome}",
        job=verdict.job,
        kind=job.name.kind,
        key=verdict.key,
        definition=job.definition,
        tree=tree,
        outcome=verdict.outcome,
        at=verdict.at,
        seconds=round(verdict.seconds, 3),
        sandbox=verdict.sandbox,
        log=verdict.log,
        log_digest=printed,
        output=verdict.output,
        flaky=verdict.flaky,
        runs=verdict.runs,
    )
