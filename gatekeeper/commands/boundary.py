"""The one place where an error becomes words and an exit status, for the command line and for verbs behind a door."""

import errno
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable

import click

import gatekeeper
from gatekeeper.commands.plain import plain
from gatekeeper.errors import Exit, GateError

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM)
"""A file that somebody else made, with sudo, is as much in the way as a full disk is."""


def status_of(command: Callable[[], object]) -> int:  # noqa: PLR0911 - one for each way to end
    """Run a command, say what stopped it, and return its status as the table of docs/reference.md has it."""
    try:
        return _status(command())
    except GateError as problem:
        _complain(problem)
        return problem.exit
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as misused:
        _misused(misused)
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except OSError as problem:
        if problem.errno not in _DISK:
            return _bug()
        said = f"The disk does not do what it should: {problem}."
        _complain(GateError(said, code="GATE-503", hints=("gatekeeper doctor",)))
        return Exit.FAILED
    except Exception:  # noqa: BLE001 - the boundary: a bug leaves a file, not a wall of text
        return _bug()


def _status(said: object) -> int:
    return said if isinstance(said, int) else Exit.DONE


def _misused(problem: click.ClickException) -> None:
    """Say what is wrong, and show how it is right: by the example of the very command."""
    if isinstance(problem, click.NoSuchOption) and problem.option_name == "--gate" and problem.ctx is not None:
        verb = problem.ctx.info_name
        problem = click.UsageError(f"`--gate` comes before the verb: gatekeeper --gate DIR {verb} …", problem.ctx)
    problem.show()
    context = problem.ctx if isinstance(problem, click.UsageError) else None
    example = (context.command.help or "").partition("Example: ")[2] if context is not None else ""
    if example:
        click.echo(f"Example: {' '.join(example.split())}", err=True)


def _complain(problem: GateError) -> None:
    code = f"{problem.code} " if problem.code and problem.code not in problem.text else ""
    click.echo(plain(f"error: {code}{problem.text}"), err=True)
    for hint in problem.hints:
        click.echo(plain(f"hint: {hint}"), err=True)


def _bug() -> int:
    told = f"gatekeeper {gatekeeper.__version__}, Python {platform.python_version()}, {platform.platform()}"
    with tempfile.NamedTemporaryFile("w", prefix="gatekeeper-bug-", suffix=".log", delete=False) as file:
        file.write(f"{told}\n{' '.join(sys.argv)}\n\n{traceback.format_exc()}")
    click.echo(f"error: this is a bug in gatekeeper: {sys.exc_info()[1]!r}", err=True)
    click.echo(f"hint: What happened is in {file.name}; report it with that file.", err=True)
    return Exit.BUG
