"""The command line: which gate, which verb, and whether it goes through a door."""

import importlib
import os
import sys
from functools import partial
from typing import NoReturn

import click
from click.shell_completion import CompletionItem

import gatekeeper
from gatekeeper.commands import boundary
from gatekeeper.commands.home import chosen
from gatekeeper.commands.paper import colour
from gatekeeper.home import Home
from gatekeeper.policy.texts import nearest

_MODULES = {
    "decide": "abort approve freeze next reject reload repair retry revert rollback thaw",
    "backup": "backup restore",
    "run": "run tick",
}
"""Modules of `gatekeeper.commands` that hold other verbs than the one that they are named after."""
_ALONE = (
    "adopt agents alert audit changelog completion config demo doctor explain host init keys log manifests mcp resolve"
    " setup shell show socket status steward wait"
)
_MODULE_OF = {verb: verb for verb in _ALONE.split()} | {
    verb: module for module, verbs in _MODULES.items() for verb in verbs.split()
}
_GROUPS = {
    "Start": "demo init adopt setup agents host config manifests doctor backup restore keys",
    "Run": "run tick",
    "Look": "status show wait log changelog explain alert",
    "Decide": "resolve retry approve reject next revert rollback freeze thaw abort reload change repair",
    "Prove": "audit",
    "Doors, run by other programs": "shell socket steward mcp completion",
}
"""The verbs by what they are for, as `--help` lists them."""


class _Front(click.Group):
    """The verbs, each imported when it is called; one that a door serves goes there if the state is another user's."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """Return all verbs, in the order of the alphabet."""
        return sorted(_MODULE_OF)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a verb, None for what is none."""
        if cmd_name not in _MODULE_OF:
            return None
        module = importlib.import_module(f"gatekeeper.commands.{_MODULE_OF[cmd_name]}")
        found = (value for value in vars(module).values() if isinstance(value, click.Command))
        return next(command for command in found if command.name == cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return what to run, given everything from the verb on."""
        if ctx.resilient_parsing:  # a shell asks what could follow
            return super().resolve_command(ctx, args)
        if args[0] not in _MODULE_OF and (meant := nearest(args[0], _MODULE_OF)):
            ctx.fail(f'There is no verb "{args[0]}". Did you mean "{meant}"?')
        name, command, rest = super().resolve_command(ctx, args)
        home = Home(chosen(ctx.params["home"]).resolve())
        if home.var.is_dir() and not os.access(home.var, os.R_OK | os.X_OK):
            from gatekeeper.commands import visit  # noqa: PLC0415 - rare, and it brings many verbs along

            if name in visit.VERBS:
                return name, visit.through(home.gate_socket, args), []
        return name, command, rest

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the verbs without loading them, and the options of this level."""
        verbs = [CompletionItem(verb) for verb in self.list_commands(ctx) if verb.startswith(incomplete)]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs by what they are for, each with its first sentence."""
        named = {verb for verbs in _GROUPS.values() for verb in verbs.split()}
        more = " ".join(verb for verb in self.list_commands(ctx) if verb not in named)
        for title, verbs in {**_GROUPS, **({"And": more} if more else {})}.items():
            known = ((verb, self.get_command(ctx, verb)) for verb in verbs.split() if verb in _MODULE_OF)
            with formatter.section(title):
                formatter.write_dl([(verb, one.get_short_help_str(limit=90)) for verb, one in known if one is not None])


@click.group(cls=_Front, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--gate",
    "home",
    metavar="DIR",
    type=click.Path(readable=False),  # a gate behind doors cannot be read by those who come to them
    help="Which gate (or GATEKEEPER_HOME, or the folder you stand in).",
)
@click.version_option(gatekeeper.__version__, prog_name="gatekeeper")
@click.pass_context
def cli(context: click.Context, home: str | None) -> None:
    """Agents may build anything and ship nothing: a Git-native deploy gate for sites under pm2.

    Without a verb it is `status`.

    Example: gatekeeper --gate /srv/gate status
    """
    context.obj = chosen(home)
    context.color = colour()
    if context.invoked_subcommand is None:
        _, command, rest = cli.resolve_command(context, ["status"])
        assert command is not None  # noqa: S101 - `status` is a verb
        with command.make_context("status", rest, parent=context) as status:
            command.invoke(status)


def main() -> NoReturn:
    """Run the command line and end the process with the status of the table in docs/reference.md."""
    boundary.forget_git()
    # Without standalone mode click hands statuses and interrupts over instead of ending the process.
    sys.exit(boundary.status_of(partial(cli.main, standalone_mode=False)))
