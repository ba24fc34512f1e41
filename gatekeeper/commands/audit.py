"""`gatekeeper audit`: what an auditor asks of a gate, or of a plain mirror of its repository."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import click
from msgspec import Struct

from gatekeeper.audit import export as exporting
from gatekeeper.audit import remembered
from gatekeeper.audit.export import Period
from gatekeeper.audit.finding import Finding, Verification
from gatekeeper.audit.remembered import Remembered
from gatekeeper.audit.verify import verify as prove
from gatekeeper.commands.home import gate_in
from gatekeeper.commands.out import as_json, print_json
from gatekeeper.commands.plain import plain
from gatekeeper.errors import Exit
from gatekeeper.home import Home
from gatekeeper.model import LOG, Oid, Version
from gatekeeper.repo.export import write_file
from gatekeeper.repo.git import Git
from gatekeeper.repo.sign import Signer

_SHOWN = 20
_MAIN = {"jsonl": exporting.RECORDS, "csv": exporting.REQUESTS, "html": exporting.REPORT}
_MIRROR = click.Path(path_type=Path, exists=True, file_okay=False)


_signers = click.option(
    "--signers",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The file that names the keys that count (default: the gate's).",
)


@click.group("audit")
def audit() -> None:
    """Prove that the log is whole, or write it out for somebody else to read.

    Example: gatekeeper audit verify
    """


@audit.command("verify")
@click.option(
    "--since", metavar="VERSION", help="Begin with what followed this version; its signed tag vouches for it."
)
@click.option("--repo", metavar="MIRROR", type=_MIRROR, help="Verify a mirror instead of the gate.")
@_signers
@as_json
@click.pass_obj
def verify(folder: Path, *, since: str | None, repo: Path | None, signers: Path | None, as_json: bool) -> None:
    """Prove that log, version tags and `release` are as the Librarian wrote them. Exit status 30: they are not.

    With --repo and --signers no gate is needed; beside a gate, the mirror is also held against it.

    Example: gatekeeper audit verify --repo backup.git --signers allowed_signers
    """
    with _opened(folder, repo, signers) as place:
        known = remembered.load(_memory(place.own), place.signers) if place.own else None
        told, seen = prove(place.git, place.signers, since=_version(since), known=known, other=place.other)
    if place.own and not told.findings and since is None:
        remembered.save(_memory(place.own), Remembered.of(seen))
    _tell(told, as_json=as_json)
    if told.findings:
        raise click.exceptions.Exit(Exit.TAMPERED)


@audit.command("export")
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv", "html"]), required=True, help="In which form.")
@click.option(
    "--from", "first", metavar="DAY", callback=lambda _c, _p, day: _moment(day, "T00:00:00Z"), help="From it on."
)
@click.option("--to", "last", metavar="DAY", callback=lambda _c, _p, day: _moment(day, "T23:59:59Z"), help="Up to it.")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Write files and a signed manifest there.")
@click.option("--repo", metavar="MIRROR", type=_MIRROR, help="Export a mirror instead of the gate.")
@_signers
@click.pass_obj
def export(
    folder: Path,
    *,
    kind: str,
    first: str | None,
    last: str | None,
    out: Path | None,
    repo: Path | None,
    signers: Path | None,
) -> None:
    """Write the log out: every record, a row a request, or a report to print. Exit status 30 when it is not whole.

    Days are as in 2026-11-30 (UTC), both included. Without --out the one file goes to standard output; html with --out
    brings the data along.

    Example: gatekeeper audit export --format html --from 2026-11-01 --out november
    """
    period = Period(first or "", last or "9")
    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    with _opened(folder, repo, signers) as place:
        told, seen = prove(place.git, place.signers, other=place.other)
        tags = {tag.version: tag.oid for tag in seen.tags.values()}
        made = exporting.files(kind, seen.chain.links, period, told, tags, at=at)
        if out is None:
            click.echo(made[_MAIN[kind]], nl=False)
        else:
            _write(out, made, exporting.manifest(made, period, told, at=at), place)
    if told.findings:
        click.echo("error: GATE-502 The log is not as it was written: gatekeeper audit verify", err=True)
        raise click.exceptions.Exit(Exit.TAMPERED)


class _Place(Struct, frozen=True):
    """The repository to look at; `own` is the gate when it is the gate's own, `other` a gate's log beside a mirror."""

    git: Git
    signers: Path
    own: Home | None
    other: Oid | None


@contextmanager
def _opened(folder: Path, repo: Path | None, signers: Path | None) -> Iterator[_Place]:
    if repo is not None and signers is not None:
        with Git(repo.absolute()) as git:
            yield _Place(git, signers, None, None)
        return
    home = gate_in(folder)
    with Git(repo.absolute() if repo else home.repo) as git, Git(home.repo) as own:
        yield _Place(git, signers or home.allowed_signers, None if repo else home, own.resolve(LOG) if repo else None)


def _write(out: Path, made: Mapping[str, bytes], manifest: bytes, place: _Place) -> None:
    """Write the files, and the manifest that names them last; it is signed where the gate's key is at hand."""
    out.mkdir(parents=True, exist_ok=True)
    listed = {**made, exporting.MANIFEST: manifest}
    if place.own and place.own.key.is_file():
        listed[f"{exporting.MANIFEST}.sig"] = Signer(place.git, place.own.key).detached(manifest)
    for name, content in listed.items():
        write_file(out / name, content)
        click.echo(f"written  {out / name}")
    if len(listed) == len(made) + 1:
        click.echo("note     the manifest is not signed: only the gate itself can do that", err=True)


def _version(text: str | None) -> Version | None:
    return None if text is None else Version(text if text.startswith("v") else f"v{text}")


def _moment(text: str | None, rest: str) -> str | None:
    """Take a day, or a moment as records write it."""
    if text is None:
        return None
    for form, end in (("%Y-%m-%d", rest), ("%Y-%m-%dT%H:%M:%SZ", "")):
        with suppress(ValueError):
            datetime.strptime(text, form).replace(tzinfo=UTC)
            return f"{text}{end}"
    raise click.BadParameter("write a day like 2026-11-30, or a moment like 2026-11-30T15:00:00Z")


def _memory(home: Home) -> Path:
    return home.var / "audited.json"


def _tell(told: Verification, *, as_json: bool) -> None:
    if as_json:
        print_json(**_json(told))
        return
    for line in _lines(told):
        click.echo(plain(line))
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
