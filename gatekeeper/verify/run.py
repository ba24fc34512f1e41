"""Runs one job on one tree: writes what it may see to a throw-away folder, runs it boxed, keeps what it printed."""

import shutil
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from gatekeeper import fault
from gatekeeper.config.schema import Config
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.home import Home
from gatekeeper.model import Kind, Oid, Outcome, Verdict, Version
from gatekeeper.process import Cancel
from gatekeeper.repo.export import export, remove
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import utc
from gatekeeper.ship import runs, secrecy
from gatekeeper.sites.run import Stamp
from gatekeeper.verify import store
from gatekeeper.verify.boot import BootSpec, boot
from gatekeeper.verify.box import Box
from gatekeeper.verify.jobs import NO_SANDBOX, WHOLE, Work
from gatekeeper.verify.sandbox import Ran
from gatekeeper.verify.sandbox import run as run_boxed
from gatekeeper.verify.selftest import self_test

_EXCERPT_LINES = 20
_EXCERPT = 2000
_BOOT_VERSION = Version("v0.0.0")
"""A tree that is verified has no version yet; the site must only repeat the one it is told."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The job was stopped before it said anything: no verdict."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What came of a job: how it ended, why that is no success in one sentence, the digest of what it left."""

    ran: Ran
    wrong: str = ""
    output: str = ""


def run(gate: Gate, work: Work, tree: Oid, *, cancel: Cancel, attempt: int) -> Verdict | Interrupted:
    """Run a job to its verdict. Raises GateError 505 when the sandbox is missing: that says nothing about the tree."""
    gate.home.work.mkdir(parents=True, exist_ok=True)
    if gate.config.verify.sandbox != NO_SANDBOX:
        _proven(gate.home)
    folder = Path(mkdtemp(prefix=f"{work.job.name.kind}-", dir=gate.home.work))
    try:
        _lay_out(gate, work, tree, folder)
        said = _boot(gate, work, tree, folder, cancel) if work.site else _command(gate, work, folder, cancel)
        if said.ran.cancelled:
            return Interrupted()
        return _verdict(gate, work, said, attempt)
    finally:
        remove(folder)


@cache
def _proven(home: Home) -> None:
    """Have the sandbox tried once in this process, before anybody's code runs in it. Raises GateError 505."""
    found = self_test(home.work)
    if found is not None:
        raise GateError(found, code="GATE-505", hints=("gatekeeper explain GATE-505",))


def _lay_out(gate: Gate, work: Work, tree: Oid, folder: Path) -> None:
    """Write the paths that the job may see, and the outputs of the builds that belong there.

    They are copies: what a check does to them must not reach the ones that ship. Jobs run side by side, so each
    reads Git by itself.
    """
    paths = () if WHOLE in work.paths else work.paths
    with Git(gate.home.repo, apart=gate.trial.apart) as git:
        export(git, tree, folder, paths=paths)
    (folder / work.cwd).mkdir(parents=True, exist_ok=True)  # of what the tree does not hold it sees an empty folder
    for output, key in work.mounts:
        source, place = gate.home.builds / key / output, folder / output
        remove(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, symlinks=True)
        else:
            shutil.copy2(source, place)


def _command(gate: Gate, work: Work, folder: Path, cancel: Cancel) -> _Said:
    limit = gate.config.limits.output
    ran = run_boxed(_box(gate.config, work, folder), work.run, timeout=work.timeout, cancel=cancel, output_limit=limit)
    if ran.ok and work.job.name.kind is Kind.BUILD:
        return _keep(gate, work, folder, ran)
    return _Said(ran, "" if ran.ok else ran.stopped or f"It ended with status {ran.status}.")


def _keep(gate: Gate, work: Work, folder: Path, ran: Ran) -> _Said:
    gate.home.builds.mkdir(parents=True, exist_ok=True)
    try:
        return _Said(ran, output=store.keep(folder, work.outputs, gate.home.builds, work.job.key))
    except GateError as problem:
        return _Said(replace(ran, status=1), problem.text)


def _box(config: Config, work: Work, folder: Path) -> Box:
    limits = config.limits
    return Box(
        tree=folder,
        cwd=work.cwd,
        env=work.env,
        read_only=config.verify.read_only,
        network=work.network,
        kind=config.verify.sandbox,
        memory=limits.memory,
        processes=limits.processes,
        file_size=limits.disk,
        disk=limits.disk,
    )


def _boot(gate: Gate, work: Work, tree: Oid, folder: Path, cancel: Cancel) -> _Said:
    """Start the site where it will stand: below `live/current`, which in the box is the tree."""
    site, name = work.site, work.job.name.site
    assert site is not None  # noqa: S101 - the caller looked
    assert name is not None  # noqa: S101 - a boot is always one of a site
    public = replace(runs.run_of(name, site, gate.home, secrets={}), env=dict(work.env))
    folders = tuple(str(public.cwd / kept) for kept in (*site.data, *site.writable))
    for kept in (*site.data, *site.writable):
        remove(folder / site.path / kept)
        (folder / site.path / kept).mkdir(parents=True)
    limits = gate.config.limits
    booted = boot(
        BootSpec(
            site=public,
            stamp=Stamp(_BOOT_VERSION, tree),
            tree=folder,
            at=str(gate.home.current),
            scratch=folders,
            read_only=gate.config.verify.read_only,
            memory=limits.memory,
            processes=limits.processes,
            disk=limits.disk,
        ),
        cancel=cancel,
        output_limit=limits.output,
    )
    return _Said(booted.ran, "" if booted.passed else booted.reason)


def _verdict(gate: Gate, work: Work, said: _Said, attempt: int) -> Verdict:
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
        sandbox=f"{gate.config.verify.sandbox} ({ran.limits}, {'own' if ran.own_user else 'same'} user)",
        log=name,
        excerpt="" if outcome is Outcome.PASSED else _excerpt(f"{text.rstrip()}\n{wrong}"),
        output=said.output,
    )


def _excerpt(text: str) -> str:
    """Return the end of what a job printed, its control characters shown as escapes: it is the agent's text."""
    lines = text.strip().splitlines()[-_EXCERPT_LINES:]
    shown = "\n".join("".join(c if c.isprintable() or c == "\t" else ascii(c)[1:-1] for c in line) for line in lines)
    return shown[-_EXCERPT:]
