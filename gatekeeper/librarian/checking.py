"""Runs the jobs that a step asks for, side by side, and keeps what they said as verdicts."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from gatekeeper.gate import Gate
from gatekeeper.librarian.observe import Recollection
from gatekeeper.model import Job, Oid, Outcome, Verdict
from gatekeeper.process import Cancel
from gatekeeper.repo import verdicts
from gatekeeper.verify.run import Interrupted, run

Tell = Callable[[str], None]
"""Shows a person a line of progress."""


def check(gate: Gate, jobs: tuple[Job, ...], mind: Recollection, cancel: Cancel, tell: Tell) -> tuple[Verdict, ...]:
    """Run every job, keep and record its verdict, and return those that came to an end before `cancel`.

    One that fails or runs out of time is run once more before it counts; a different answer then is a flake.
    """
    with ThreadPoolExecutor(gate.config.verify.jobs) as pool:
        said = list(pool.map(lambda job: _verdict(gate, job, mind, cancel, tell), jobs))
    known = tuple(verdict for verdict in said if verdict is not None)
    if known:
        for verdict in known:
            work, tree = mind.works[verdict.key]
            _record(gate, verdict, work.job, tree)
        gate.ledger.move(verdicts.add(gate.signer, known, at=gate.clock()))
        gate.ledger.commit("verdicts")
    return known


def _verdict(gate: Gate, job: Job, mind: Recollection, cancel: Cancel, tell: Tell) -> Verdict | None:
    work, tree = mind.works[job.key]
    first = _run(gate, job, tree, mind, cancel)
    if first is None or first.outcome is Outcome.PASSED:
        return _told(first, tell)
    second = run(gate, work, tree, cancel=cancel, attempt=2)
    if isinstance(second, Interrupted):
        return None
    return _told(replace(second, flaky=second.outcome is not first.outcome), tell)


def _run(gate: Gate, job: Job, tree: Oid, mind: Recollection, cancel: Cancel) -> Verdict | None:
    work, _ = mind.works[job.key]
    said = run(gate, work, tree, cancel=cancel, attempt=1)
    return None if isinstance(said, Interrupted) else said


def _told(verdict: Verdict | None, tell: Tell) -> Verdict | None:
    if verdict is not None:
        flaky = " (another answer than the first time)" if verdict.flaky else ""
        tell(f"  {verdict.job}: {verdict.outcome} in {verdict.seconds:.1f} s{flaky}")
    return verdict


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
    )
