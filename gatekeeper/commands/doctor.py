"""`gatekeeper doctor`: what is wrong, and the command that puts each right."""

from pathlib import Path

import click

from gatekeeper.commands.home import gate_in
from gatekeeper.commands.out import as_json, print_json
from gatekeeper.doctor.facts import gather
from gatekeeper.doctor.finding import Finding, Level
from gatekeeper.doctor.judge import examine
from gatekeeper.errors import Exit
from gatekeeper.policy.answer import shown


@click.command("doctor")
@as_json
@click.pass_obj
def doctor(folder: Path, *, as_json: bool) -> None:
    """Look for what is wrong with the gate and its machine. Offline; changes nothing.

    A line a finding, with what puts it right. Exit status 1: something is wrong; a note is no failure.

    Example: gatekeeper --gate /srv/gate doctor
    """
    facts = gather(gate_in(folder))
    found = examine(facts)
    if as_json:
        mode = "enforced" if facts.enforced else "advisory"
        print_json(enforcement=mode, versions=dict(facts.programs.versions), findings=[_json(one) for one in found])
    else:
        for finding in found:
            click.echo(_line(finding))
    if any(finding.level is Level.WRONG for finding in found):
        raise click.exceptions.Exit(Exit.FAILED)


def _line(finding: Finding) -> str:
    fix = f"  ->  {finding.fix}" if finding.fix else ""
    return f"{finding.level:<5}  {shown(finding.text)}{shown(fix)}"


def _json(finding: Finding) -> dict[str, str]:
    return {"level": finding.level, "about": finding.about, "text": finding.text, "fix": finding.fix}
