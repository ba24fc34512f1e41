"""Runs one job on one tree: writes what it may see to a throw-away folder, runs it boxed, keeps what it printed."""

import shutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from msgspec import Struct
from msgspec.structs import replace

from gatekeeper import fault
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.home import Home
from gatekeeper.model import Kind, Oid, Outcome, Verdict
from gatekeeper.process import Cancel
from gatekeeper.repo.export import export, remove
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import utc
from gatekeeper.ship import runs, secrecy
from gatekeeper.verify import store
from gatekeeper.verify.jobs import NO_SANDBOX, WHOLE, Work
from gatekeeper.verify.perform import Orders, Said, Start, perform
from gatekeeper.verify.selftest import self_test

_EXCERPT_LINES = 20
_EXCERPT = 2000


class Interrupted(Struct, frozen=True):
    """The job was stopped before it said anything: no verdict."""


def run(gate: Gate, work: Work, tree: Oid, *, cancel: Cancel, attempt: int) -> Verdict | Interrupted:
    """Run a job to its verdict. Raises GateError 505 when the sandbox is missing: that says nothing about the tree."""
    gate.home.work.mkdir(parents=True, exist_ok=True)
    if gate.config.verify.sandbox != NO_SANDBOX:
        _proven(gate.home)
    folder = Path(mkdtemp(prefix=f"{work.job.name.kind}-", dir=gate.home.work))
    try:
        _lay_out(gate, work, tree, folder)
        said, output = perform(orders(gate, work, tree), folder, cancel), ""
        if said.ran.cancelled:
            return Interrupted()
        if work.job.name.kind is Kind.BUILD and said.ran.ok:
            said, output = _keep(gate, work, folder, said)
        return verdict(gate, work, said, attempt=attempt, output=output)
    finally:
        remove(folder)


def orders(gate: Gate, work: Work, tree: Oid) -> Orders:
    """Return what a run of this job depends on besides its inputs: no path but what a box has, and no secret."""
    limits = gate.config.limits
    return Orders(
        cwd=work.cwd,
        run=work.run,
        env=dict(work.env),
        timeout=work.timeout,
        network=work.network,
        sandbox=gate.config.verify.sandbox,
        read_only=gate.config.verify.read_only,
        memory=limits.memory,
        processes=limits.processes,
        disk=limits.disk,
        output=limits.output,
        start=_start(gate, work, tree),
    )


def verdict(gate: Gate, work: Work, said: Said, *, attempt: int, output: str = "", where: str = "") -> Verdict:
    """Keep what a job printed, its secrets masked, and return what that comes to; `where` names another machine."""
    ran = said.ran
    timed_out = ran.timed_out and work.site is None
    outcome = Outcome.TIMED_OUT if timed_out else Outcome.FAILED if said.wrong else Outcome.PASSED
    mask = secrecy.known(gate.home, gate.config)
    text, wrong = mask(ran.output.decode("utf-8", "replace")), mask(said.wrong)
    name = f"{work.job.key}-{attempt}.log"
    gate.home.logs.mkdir(parents=True, exist_ok=True)
    with fault.step("write: check log"):
        (gate.home.logs / name).write_text(f"{text}\n{wrong}\n" if wrong else text, "utf-8")
    return Verdict(
        key=work.job.key,
        job=str(work.job.name),
        outcome=outcome,
        at=utc(gate.clock()),
        seconds=round(ran.seconds, 3),
        sandbox=f"{gate.config.verify.sandbox} ({ran.limits}, {'own' if ran.own_user else 'same'} user){where}",
        log=name,
        excerpt="" if outcome is Outcome.PASSED else _excerpt(f"{text.rstrip()}\n{wrong}"),
        output=output,
    )


def put_builds(folder: Path, outputs: Iterable[tuple[str, Path]]) -> None:
    """Copy outputs of builds to where they belong: what a check does to a copy never reaches the one that ships."""
    for output, build in outputs:
        source, place = build / output, folder / output
        remove(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, symlinks=True)
        else:
            shutil.copy2(source, place)


@cache
def _proven(home: Home) -> None:
    """Have the sandbox tried once in this process, before anybody's code runs in it. Raises GateError 505."""
    found = self_test(home.work)
    if found is not None:
        raise GateError(found, code="GATE-505", hints=("gatekeeper explain GATE-505",))


def _lay_out(gate: Gate, work: Work, tree: Oid, folder: Path) -> None:
    """Write the paths that the job may see, and the outputs of the builds that belong there.

    Jobs run side by side, so each reads Git by itself.
    """
    paths = () if WHOLE in work.paths else work.paths
    with Git(gate.home.repo, apart=gate.trial.apart) as git:
        export(git, tree, folder, paths=paths)
    put_builds(folder, ((output, gate.home.builds / key) for output, key in work.mounts))


def _keep(gate: Gate, work: Work, folder: Path, said: Said) -> tuple[Said, str]:
    gate.home.builds.mkdir(parents=True, exist_ok=True)
    try:
        return said, store.keep(folder, work.outputs, gate.home.builds, work.job.key)
    except GateError as problem:
        return Said(replace(said.ran, status=1), problem.text), ""


def _start(gate: Gate, work: Work, tree: Oid) -> Start | None:
    """Return how a boot starts its site; None for a command."""
    site, name = work.site, work.job.name.site
    if site is None or name is None:
        return None
    public = replace(runs.run_of(name, site, gate.home, secrets={}), env=dict(work.env))
    return Start(public, site.path, (*site.data, *site.writable), str(gate.home.current), tree)


def _excerpt(text: str) -> str:
    """Return the end of what a job printed, its control characters shown as escapes: it is the agent's text."""
    lines = text.strip().splitlines()[-_EXCERPT_LINES:]
    shown = "\n".join("".join(c if c.isprintable() or c == "\t" else ascii(c)[1:-1] for c in line) for line in lines)
    return shown[-_EXCERPT:]
