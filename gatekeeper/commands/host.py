"""`gatekeeper host`: machines besides this one that run sites, made ready and let go of."""

from collections.abc import Callable
from pathlib import Path

import click

from gatekeeper.commands import completing
from gatekeeper.commands.home import gate_in
from gatekeeper.commands.out import as_json, print_json
from gatekeeper.config.force import in_force
from gatekeeper.errors import Exit, GateError
from gatekeeper.hosts import enrol
from gatekeeper.hosts.enrol import Enrolment, Step, Visit
from gatekeeper.policy.texts import nearest
from gatekeeper.ship import runs
from gatekeeper.sites.run import Machine

_MARKS = {"done": "done   ", "do": "do     ", "missing": "missing"}

_as = click.option("--as", "login", metavar="USER@HOST", help="Whom to log in as for this. [default: ssh of the host]")
_host_key = click.option("--host-key", metavar="SHA256:…", help="The fingerprint of a host that you do not know yet.")
_apply = click.option("--apply", is_flag=True, help="Carry it out.")


def _of_a_host(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb what each of them takes, in this order."""
    return click.argument("name", shell_complete=completing.hosts)(_as(_host_key(_apply(as_json(verb)))))


@click.group("host")
def host() -> None:
    """Make other machines ready to run sites, through your own SSH.

    Example: gatekeeper host add web2
    """


@host.command("add")
@_of_a_host
@click.pass_obj
def add(folder: Path, *, name: str, login: str | None, host_key: str | None, apply: bool, as_json: bool) -> None:
    """Print what host NAME of sites.toml needs to run sites of this gate; with --apply give it that.

    It gets this very gatekeeper in a folder, and a key that runs it and nothing else. Run it again after an upgrade.

    Example: gatekeeper host add web2 --apply
    """
    enrolment, machine = _enrolment(folder, name)
    with_host = enrol.visit(machine, login=login, host_key=host_key)
    steps = enrolment.plan(with_host)
    missing = [step for step in steps if step.state == "missing"]
    if apply and not missing:
        enrolment.apply(with_host)
        steps = enrolment.plan(with_host)
    _show(steps, applied=apply and not missing, as_json=as_json)
    if missing:
        raise GateError(
            f"{name} is not ready: {missing[0].what}.",
            code="GATE-501",
            hints=tuple(dict.fromkeys(step.fix for step in missing)),
            exit=Exit.FAILED,
        )
    if not apply and not as_json:
        click.echo(f"Nothing was changed. To do it: gatekeeper host add {name} --apply")


@host.command("remove")
@_of_a_host
@click.pass_obj
def remove(folder: Path, *, name: str, login: str | None, host_key: str | None, apply: bool, as_json: bool) -> None:
    """Take the key and the program from host NAME; releases and what sites keep stay there.

    Its sites are given to another host first, so that the next heartbeat stops them there.

    Example: gatekeeper host remove web2 --apply
    """
    home = gate_in(folder)
    enrolment, machine = _enrolment(folder, name)
    live = runs.load(home.live_plan)
    there = sorted(run.name for run in live.runs if run.host and run.host.name == name) if live else []
    if there:
        raise GateError(
            f"{name} runs {', '.join(there)}.",
            hints=("Give them another `host` in sites.toml, then: gatekeeper tick",),
            exit=Exit.FAILED,
        )
    visit: Visit = enrol.visit(machine, login=login, host_key=host_key)
    if apply:
        enrolment.remove(visit)
    state = "done" if apply else "do"
    what = (f"the key goes that runs {machine.home}/program", f"{machine.home}/program goes; releases and data stay")
    _show([Step(state, one) for one in what], applied=apply, as_json=as_json)


def _enrolment(folder: Path, name: str) -> tuple[Enrolment, Machine]:
    home = gate_in(folder)
    config = in_force(home).config
    machines = runs.machines_of(config)
    if name not in machines:
        near, wanted = nearest(name, machines), f'Add it to sites.toml: [hosts.{name}] with ssh = "…" and home = "…"'
        hint = f'Did you mean "{near}"?' if near else wanted
        raise GateError(f"sites.toml names no host {name!a}.", hints=(hint,), exit=Exit.NOT_FOUND)
    return Enrolment(home, machines[name], config.pm2.command[0]), machines[name]


def _show(steps: "tuple[Step, ...] | list[Step]", *, applied: bool, as_json: bool) -> None:
    if as_json:
        told = [{"state": step.state, "what": step.what, "fix": step.fix or None} for step in steps]
        print_json(applied=applied, steps=told)
        return
    for step in steps:
        click.echo(f"{_MARKS[step.state]}  {step.what}" + (f"  ->  {step.fix}" if step.fix else ""))
