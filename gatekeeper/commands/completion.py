"""`gatekeeper completion SHELL`: the script that teaches a shell the verbs, their options, and what is in the gate."""

import argparse

import click
from click.shell_completion import ShellComplete, get_completion_class

from gatekeeper import assets
from gatekeeper.script import parser_of

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", metavar="SHELL", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion for a shell: verbs, options, request ids, versions, sites; and for request-deploy.

    A system-wide package brings it along. Else, for bash, in ~/.bashrc: eval "$(gatekeeper completion bash)"; for zsh,
    after compinit, in ~/.zshrc: eval "$(gatekeeper completion zsh)".

    Example: gatekeeper completion fish > ~/.config/fish/completions/gatekeeper.fish
    """
    click.echo(script(shell))


def script(shell: str) -> str:
    """Return what the shell reads: click's own script, then the options of request-deploy, which asks nothing."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows all three
    made = kind(click.Group("gatekeeper"), {}, "gatekeeper", "_GATEKEEPER_COMPLETE")
    ours = ShellComplete.source(made)  # that of bash starts one, to ask for its version
    return f"{ours.strip()}\n\n{_request_deploy(shell)}"


def _request_deploy(shell: str) -> str:
    options = [action for action in parser_of(assets.file("request-deploy"))._actions if action.option_strings]  # noqa: SLF001
    if shell == "bash":
        return f"complete -o default -W {_quoted(' '.join(map(_long, options)))} request-deploy\n"
    if shell == "fish":
        return "".join(f"complete -c request-deploy {_fish(option)}\n" for option in options)
    told = "\n".join(f"    {_quoted(_zsh(option))} \\" for option in options)
    return f"_request_deploy() {{\n  _arguments \\\n{told}\n    '*: :'\n}}\ncompdef _request_deploy request-deploy\n"


def _long(option: argparse.Action) -> str:
    return option.option_strings[-1]


def _fish(option: argparse.Action) -> str:
    value = "" if option.nargs == 0 else "-r -f "
    return f"-l {_long(option).lstrip('-')} {value}-d {_quoted(option.help or '')}"


def _zsh(option: argparse.Action) -> str:
    told = "".join(f"\\{char}" if char in "[]:\\" else char for char in option.help or "")
    return f"{_long(option)}[{told}]{'' if option.nargs == 0 else ':value:'}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
