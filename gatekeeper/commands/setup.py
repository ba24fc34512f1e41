"""`gatekeeper setup`: the enforced set-up, as a plan that is printed, carried out or taken back."""

import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from gatekeeper.commands.enlist import person
from gatekeeper.commands.home import gate_in
from gatekeeper.commands.out import as_json, print_json
from gatekeeper.config import load
from gatekeeper.config.force import in_force
from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home
from gatekeeper.librarian.door import ourselves
from gatekeeper.setup import carry, leave, names, record
from gatekeeper.setup.blockers import Blocker
from gatekeeper.setup.facts import look
from gatekeeper.setup.ground import ground, with_agents
from gatekeeper.setup.judge import Action, Remove, Write
from gatekeeper.setup.plan import Plan, Step, Undo, of, undo
from gatekeeper.setup.record import Made
from gatekeeper.setup.wishes import Ground, Start, wishes


@click.command("setup")
@click.option(
    "--name", metavar="NAME", help="What this gate's users and units are called by; a gate each. [default: gate]"
)
@click.option("--apply", is_flag=True, help="Carry it out; needs root.")
@click.option("--undo", "back", is_flag=True, help="Take back what setup made; with --apply for real.")
@click.option("--leave", "ends", is_flag=True, help="End the gate: sites go on under pm2, repo.git is an ordinary one.")
@click.option("--agents", "more", metavar="A,B", default="", help="Agents to add to sites.toml, each a Unix user.")
@as_json
@click.pass_obj
def setup(folder: Path, *, name: str | None, apply: bool, back: bool, ends: bool, more: str, as_json: bool) -> None:
    """Make the enforced set-up: own users for the Librarian and the sites, doors, units. Prints the plan.

    What holds already is marked; run again it changes nothing.

    Example: sudo gatekeeper --gate /srv/gate setup --apply
    """
    home = gate_in(folder)
    made = record.read(home)
    if ends:
        _leave(home, made, apply=apply, as_json=as_json)
        return
    place = ground(home, load.load(home.sites_toml), _name(name, made))
    if apply and os.geteuid() != 0:
        raise _not_root()
    if back:
        _back(place, made, apply=apply, as_json=as_json)
        return
    place, block = with_agents(place, tuple(filter(None, more.split(","))), owner=person())
    plan = of(place, made)
    if not apply:
        _show(place, plan, block, as_json=as_json)
        return
    _refuse_blocked(plan.blockers)
    carry.add_agents(home, block)
    carry.apply(home, plan, tell=_to_stderr)
    _show_applied(of(place, record.read(home)), plan, as_json=as_json)


def _name(given: str | None, made: Made | None) -> str:
    name = given or (made.name if made else names.FIRST)
    if not names.fits(name):
        raise GateError(
            f"A gate cannot be called {name!r}: 1 to 21 of a-z and 0-9, a letter first.",
            hints=("gatekeeper setup --name two",),
            exit=Exit.USAGE,
        )
    return name


def _not_root() -> GateError:
    command = shlex.join(("sudo", sys.executable, "-P", "-m", "gatekeeper", *sys.argv[1:]))
    return GateError("Only root can make users and units, so nothing was changed.", hints=(command,))


def _refuse_blocked(blockers: tuple[Blocker, ...]) -> None:
    if blockers:
        hints = tuple(f"{blocker.text}  ->  {blocker.fix}" for blocker in blockers)
        raise GateError("The enforced set-up cannot be made yet, so nothing was changed.", code="GATE-501", hints=hints)


def _back(place: Ground, made: Made | None, *, apply: bool, as_json: bool) -> None:
    if made is None:
        _say_nothing_made(as_json=as_json)
        return
    units = [place.names.unit_file(name) for name in made.services]
    way = undo(place, look(place, wishes(place), also=units), made)
    if apply:
        carry.take_back(place.home, way, tell=_to_stderr)
    if as_json:
        print_json(name=made.name, applied=apply, steps=[_undo_json(*step) for step in way.steps], remains=way.remains)
        return
    for line in _undo_lines(way, done=apply):
        click.echo(line)


def _leave(home: Home, made: Made | None, *, apply: bool, as_json: bool) -> None:
    """End the gate as whoever owns it; `--undo` then takes back what root made."""
    told, config = leave.apps(home), in_force(home).config
    if apply:
        leave.leave(home, by=ourselves())
    then = [shlex.join(argv) for argv in leave.then(home, config, set_up=made is not None)]
    if as_json:
        print_json(applied=apply, file=str(leave.file(home)), sites=[app["name"] for app in told["apps"]], then=then)
        return
    mark = "done " if apply else "do   "
    click.echo(f"{mark}  {leave.file(home)} for pm2, mode 0600; values of env files are in it, and hidden here")
    if not apply:
        click.echo("\n".join(f"         | {line}" for line in leave.shown(told, config).splitlines()))
    click.echo(f"{mark}  the gate is sealed: it runs, ships and takes nothing any more (gatekeeper thaw --unseal)")
    click.echo(f"{mark}  {home.repo} is an ordinary repository: hooks and hidden refs go, history and audit log stay")
    click.echo("stays  live/current with the releases, data and keys; the sites are not touched")
    for command in then:
        click.echo(f"next   {command}")
    if not apply:
        click.echo(f"Nothing was changed. Carry it out: gatekeeper --gate {home.path} setup --leave --apply")


def _say_nothing_made(*, as_json: bool) -> None:
    if as_json:
        print_json(name=None, applied=False, steps=[], remains=[])
    else:
        click.echo("Nothing to undo: setup has made nothing for this gate.")


def _show(place: Ground, plan: Plan, block: str, *, as_json: bool) -> None:
    if as_json:
        print_json(**_json(plan, applied=False))
        return
    for line in _lines(place, plan, block):
        click.echo(line)


def _show_applied(after: Plan, before: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json(**_json(after, applied=True))
        return
    done = len(before.todo)
    click.echo(
        f"done: {done} {'thing was' if done == 1 else 'things were'} made" if done else "nothing to do: all of it holds"
    )
    for line in _start_lines(after.starts):
        click.echo(line)


def _lines(place: Ground, plan: Plan, block: str) -> Iterator[str]:
    todo = len(plan.todo)
    yield f'The enforced set-up of {place.home.path}, named "{plan.name}":'
    yield f"{todo or 'nothing'} of {len(plan.steps)} things to do."
    for blocker in plan.blockers:
        yield f"FIRST  {blocker.text}"
        yield f"         -> {blocker.fix}"
    if block:
        yield f"do     {place.home.sites_toml}: agents to add at its end"
        yield from (f"         | {line}" for line in block.strip().splitlines())
    for step in plan.steps:
        yield from _step_lines(step)
    yield from _start_lines(plan.starts)
    if todo or block:
        yield f"Nothing was changed. Carry it out: sudo gatekeeper --gate {place.home.path} setup{_named(plan)} --apply"


def _named(plan: Plan) -> str:
    return "" if plan.name == names.FIRST else f" --name {plan.name}"


def _step_lines(step: Step) -> Iterator[str]:
    yield f"{'holds' if step.holds else 'do   '}  {step.what}"
    if not step.holds:
        yield from _action_lines(step.actions)


def _action_lines(actions: Iterable[Action]) -> Iterator[str]:
    for action in actions:
        match action:
            case Write(file):
                yield f"         write {file.path} (root, {file.mode:04o}):"
                yield from (f"         | {line}".rstrip() for line in file.content.splitlines())
            case Remove(path):
                yield f"         {shlex.join(('rm', '-f', str(path)))}"
            case _:
                yield f"         {shlex.join(action)}"


def _start_lines(starts: tuple[Start, ...]) -> Iterator[str]:
    if starts:
        yield "There is no systemd here. Start these, in this order, now and at every boot, and again when one ends:"
    for start in starts:
        yield f"  {shlex.join(_as_user(start))}   # {start.what}"


def _as_user(start: Start) -> tuple[str, ...]:
    return ("setpriv", "--reuid", start.user, "--regid", start.user, "--init-groups", "--reset-env", *start.argv)


def _undo_lines(way: Undo, *, done: bool) -> Iterator[str]:
    for what, actions in way.steps:
        yield f"{'done ' if done else 'do   '}  {what}"
        if not done:
            yield from _action_lines(actions)
    yield from (f"stays  {what}" for what in way.remains)
    if not done:
        yield "Nothing was changed. Carry it out: gatekeeper setup --undo --apply"


def _json(plan: Plan, *, applied: bool) -> dict[str, Any]:
    return {
        "name": plan.name,
        "applied": applied,
        "blockers": [{"text": blocker.text, "fix": blocker.fix} for blocker in plan.blockers],
        "steps": [{"holds": step.holds, **_undo_json(step.what, step.actions)} for step in plan.steps],
        "start": [{"user": start.user, "argv": list(start.argv), "what": start.what} for start in plan.starts],
    }


def _undo_json(what: str, actions: Iterable[Action]) -> dict[str, Any]:
    return {"what": what, "actions": [_action_json(action) for action in actions]}


def _action_json(action: Action) -> dict[str, Any]:
    match action:
        case Write(file):
            return {"write": str(file.path), "mode": f"{file.mode:04o}", "content": file.content}
        case Remove(path):
            return {"remove": str(path)}
        case _:
            return {"run": list(action)}


def _to_stderr(line: str) -> None:
    click.echo(line, err=True)
