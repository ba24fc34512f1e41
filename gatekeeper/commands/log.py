"""`gatekeeper log`: the audit log, newest first, or as it grows."""

from pathlib import Path

import click

from gatekeeper.commands.home import gate_in
from gatekeeper.commands.out import as_json, print_json
from gatekeeper.model import Oid
from gatekeeper.policy.answer import shown
from gatekeeper.repo import records
from gatekeeper.repo.git import Git
from gatekeeper.repo.records import Written

_UNNOTICED, _BLIND = 10.0, 0.5
"""Seconds between two looks: where the kernel tells that the log has grown, and where it does not."""


@click.command("log")
@click.option(
    "-n", "--lines", metavar="N", type=click.IntRange(min=1), default=40, show_default=True, help="How many records."
)
@click.option("--follow", is_flag=True, help="Go on with each record as it is written, oldest first.")
@as_json
@click.pass_obj
def log(folder: Path, *, lines: int, follow: bool, as_json: bool) -> None:
    """Show the records of the audit log, newest first.

    With --json one object holds them all; with --follow it is one object a line.

    Example: gatekeeper log -n 100
    """
    with Git(gate_in(folder).repo) as git:
        found = list(records.walk(git, limit=lines))
        if follow:
            _follow(git, found, as_json=as_json)
            return
    if as_json:
        print_json(records=[_json(written) for written in found])
        return
    for written in found:
        click.echo(_line(written))


def _follow(git: Git, found: list[Written], *, as_json: bool) -> None:
    from gatekeeper.repo.notice import Notice  # noqa: PLC0415 - who follows waits anyway

    seen: Oid | None = None
    with Notice(git.folder) as notice:
        while True:
            for written in reversed(found):
                if as_json:
                    print_json(**_json(written))
                else:
                    click.echo(_line(written))
                seen = written.oid
            notice.wait(_UNNOTICED if notice.works else _BLIND)
            found = list(records.walk(git, since=seen))


def _json(written: Written) -> dict[str, object]:
    record = written.record
    return {
        "oid": written.oid,
        "seq": record.sequence,
        "at": record.at,
        "event": record.event,
        "subject": record.subject,
        "actor": {"name": record.actor.name, "assurance": record.actor.assurance, "role": record.actor.role},
        "mode": record.mode,
        "data": record.data,
    }


def _line(written: Written) -> str:
    record = written.record
    who = "" if record.actor.role == "librarian" else f"  [{shown(record.actor.name)}, {record.actor.assurance}]"
    return f"{record.at}  {record.sequence:>5}  {record.event:<12} {shown(record.subject)}{who}"
