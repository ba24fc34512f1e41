"""`gatekeeper audit`: what an auditor asks of a gate, or of a plain mirror of its repository."""

from collections.abc import Iterator
from pathlib import Path

import click

from gatekeeper.audit import remembered
from gatekeeper.audit.finding import Finding, Verification
from gatekeeper.audit.verify import verify as prove
from gatekeeper.commands.home import gate_in
from gatekeeper.commands.look import as_json, print_json
from gatekeeper.errors import Exit
from gatekeeper.home import Home
from gatekeeper.model import LOG, Oid, Version
from gatekeeper.repo.git import Git

_SHOWN = 20


@click.group("audit")
def audit() -> None:
    """Prove that the log is whole, or write it out for somebody else to read."""


@audit.command("verify")
@click.option(
    "--since", metavar="VERSION", help="Begin with what followed this version; its signed tag vouches for it."
)
@click.option("--repo", metavar="MIRROR", type=click.Path(path_type=Path), help="Verify a mirror instead of the gate.")
@click.option("--signers", metavar="FILE", type=click.Path(path_type=Path), help="The keys that count.")
@as_json
@click.pass_obj
def verify(folder: Path, *, since: str | None, repo: Path | None, signers: Path | None, as_json: bool) -> None:
    """Prove that log, version tags and `release` are as the Librarian wrote them. Exit status 30: they are not.

    With --repo and --signers no gate is needed; beside a gate, the mirror is also held against it.
    Example: gatekeeper audit verify --repo backup.git --signers allowed_signers
    """
    home = gate_in(folder) if repo is None or signers is None else None
    known = remembered.load(_memory(home), home.allowed_signers) if home and repo is None else None
    keys = signers or (home.allowed_signers if home else folder)
    version = Version(since if since is None or since.startswith("v") else f"v{since}") if since else None
    with Git((repo or (home.repo if home else folder)).absolute()) as git:
        told, found = prove(git, keys, since=version, known=known, other=_head(home) if repo else None)
    if found is not None and home is not None and repo is None:
        remembered.save(_memory(home), found)
    _tell(told, as_json=as_json)
    if told.findings:
        raise click.exceptions.Exit(Exit.TAMPERED)


def _memory(home: Home) -> Path:
    return home.var / "audited.json"


def _head(home: Home | None) -> Oid | None:
    if home is None:
        return None
    with Git(home.repo) as git:
        return git.resolve(LOG)


def _tell(told: Verification, *, as_json: bool) -> None:
    if as_json:
        print_json(**_json(told))
        return
    for line in _lines(told):
        click.echo(line)
    bad = told.first_bad
    if bad is not None:
        where = f"; the first bad record is {bad.sequence}" if bad.sequence else ""
        click.echo(f"error: GATE-502 {_count(len(told.findings), 'sign')} of tampering{where}.", err=True)
        click.echo(
            "hint: Keep this repository as it is, compare it with a mirror: gatekeeper explain GATE-502", err=True
        )


def _json(told: Verification) -> dict[str, object]:
    bad = told.first_bad
    return {
        "ok": not told.findings,
        "repository": told.repository,
        "head": told.head,
        "records": told.records,
        "first": {"seq": told.span[0], "at": told.times[0]},
        "last": {"seq": told.span[1], "at": told.times[1]},
        "versions": told.versions,
        "signatures": told.signatures,
        "verified_now": told.asked,
        "release": told.release,
        "first_bad": _finding(bad) if bad else None,
        "findings": [_finding(finding) for finding in told.findings],
        "notes": list(told.notes),
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {"seq": finding.sequence, "text": finding.text, "where": finding.where}


def _lines(told: Verification) -> Iterator[str]:
    yield f"audit of   {told.repository}"
    yield f"log        {told.records} records, {told.span[0]} to {told.span[1]}, {told.times[0]} to {told.times[1]}"
    yield f"versions   {told.versions}; the newest is {told.release}"
    yield f"signatures {told.signatures}, of which {told.asked} were verified now"
    yield from (f"note       {note}" for note in told.notes)
    ordered = sorted(told.findings, key=lambda finding: (finding.sequence is None, finding.sequence or 0))
    yield from (f"BAD        {finding.text}" for finding in ordered[:_SHOWN])
    if len(ordered) > _SHOWN:
        yield f"BAD        and {len(ordered) - _SHOWN} more"
    if not told.findings:
        yield "whole      nothing was changed since it was written"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
