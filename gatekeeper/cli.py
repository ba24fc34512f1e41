"""The command line: which gate, which verb, and whether it goes through a door."""

import os
import sys
from functools import partial
from pathlib import Path

import click

import gatekeeper
from gatekeeper.commands import (
    agents,
    alert,
    audit,
    backup,
    boundary,
    changelog,
    config,
    decide,
    demo,
    doctor,
    explain,
    init,
    log,
    mcp,
    resolve,
    run,
    setup,
    shell,
    show,
    socket,
    status,
    steward,
    visit,
    wait,
)

_LEAKING = ("GIT_", "SSH_ASKPASS")
_OWN = ("GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_SSH", "GIT_PROTOCOL")
"""Who an agent is and how it reaches the gate: `mcp` hands them on, `shell` reads the last, nothing else looks."""


class _Front(click.Group):
    """The verbs; those that a door serves go through it where the gate's state is another user's."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return what to run, given everything from the verb on."""
        name, command, rest = super().resolve_command(ctx, args)
        door = visit.door_to(_home(ctx.params["home"]), name)
        return (name, command, rest) if door is None else (name, visit.through(door, args), [])


@click.group(cls=_Front, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--gate", "home", metavar="DIR", help="Which gate (or GATEKEEPER_HOME, or the folder you stand in).")
@click.version_option(gatekeeper.__version__, prog_name="gatekeeper")
@click.pass_context
def cli(context: click.Context, home: str | None) -> None:
    """Agents may build anything and ship nothing: a Git-native deploy gate for sites under pm2."""
    context.obj = _home(home)


for _command in (
    *(demo.demo, init.init, setup.setup, doctor.doctor, config.config),
    *(run.run, run.tick, steward.steward, shell.shell, socket.socket),
    *(status.status, show.show, log.log, changelog.changelog, explain.explain, wait.wait),
    *(
        *decide.COMMANDS,
        resolve.resolve,
        audit.audit,
        agents.agents,
        alert.alert,
        mcp.mcp,
        backup.backup,
        backup.restore,
    ),
):
    cli.add_command(_command)


def main() -> None:
    """Run the command line and end the process with the status of the table in docs/reference.md."""
    for name in [name for name in os.environ if name.startswith(_LEAKING) and not name.startswith(_OWN)]:
        del os.environ[name]  # a hook, or a person's shell, must not change which repository Git works on
    # Without standalone mode click hands statuses and interrupts over instead of ending the process.
    sys.exit(boundary.status_of(partial(cli.main, standalone_mode=False)))


def _home(given: str | None) -> Path:
    chosen = given or os.environ.get("GATEKEEPER_HOME")
    return Path(chosen).absolute() if chosen else Path.cwd()
