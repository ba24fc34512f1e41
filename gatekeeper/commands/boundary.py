"""The one place where an error becomes words and an exit status, for the command line and for verbs behind a door."""

import errno
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import gatekeeper
from gatekeeper.commands.plain import plain
from gatekeeper.errors import Exit, GateError

if TYPE_CHECKING:
    import click

_LEAKING = ("GIT_", "SSH_ASKPASS")
_OWN = ("GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_SSH", "GIT_PROTOCOL")
"""Who an agent is and how it reaches the gate: `mcp` hands them on, `shell` reads the last, nothing else looks."""
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM)
"""A file that somebody else made, with sudo, is as much in the way as a full disk is."""


def forget_git() -> None:
    """Drop what would make Git work on another repository: a hook, or a person's shell, must not choose it."""
    for name in [name for name in os.environ if name.startswith(_LEAKING) and not name.startswith(_OWN)]:
        del os.environ[name]


def status_of(command: Callable[[], object]) -> int:  # noqa: PLR0911 - one for each way to end
    """Run a command, say what stopped it, and return its status as the table of docs/reference.md has it."""
    try:
        return _status(command())
    except GateError as problem:
        _complain(problem)
        return problem.exit
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except OSError as problem:
        if problem.errno not in _DISK:
            return _bug()
        said = f"The disk does not do what it should: {problem}."
        _complain(GateError(said, code="GATE-503", hints=("gatekeeper doctor",)))
        return Exit.FAILED
    except Exception as problem:  # noqa: BLE001 - the boundary: a bug leaves a file, not a wall of text
        return _of_click(problem)


def _status(said: object) -> int:
    return said if isinstance(said, int) else Exit.DONE


def _of_click(problem: Exception) -> int:
    """Return the status of what click raises; whoever does without it has no such errors."""
    import click  # noqa: PLC0415 - a push at the SSH door needs no click

    match problem:
        case click.exceptions.Exit():
            return problem.exit_code
        case click.ClickException():
            _misused(problem)
            return Exit.USAGE
        case click.Abort():
            return _interrupted()
    return _bug()


def _interrupted() -> int:
    _say("interrupted")
    return Exit.INTERRUPTED


def _misused(problem: "click.ClickException") -> None:
    """Say what is wrong, and show how it is right: by the example of the very command."""
    import click  # noqa: PLC0415

    if isinstance(problem, click.NoSuchOption) and problem.option_name == "--gate" and problem.ctx is not None:
        verb = problem.ctx.info_name
        problem = click.UsageError(f"`--gate` comes before the verb: gatekeeper --gate DIR {verb} …", problem.ctx)
    problem.show()
    context = problem.ctx if isinstance(problem, click.UsageError) else None
    example = (context.command.help or "").partition("Example: ")[2] if context is not None else ""
    if example:
        _say(f"Example: {' '.join(example.split())}")


def _complain(problem: GateError) -> None:
    code = f"{problem.code} " if problem.code and problem.code not in problem.text else ""
    _say(plain(f"error: {code}{problem.text}"))
    for hint in problem.hints:
        _say(plain(f"hint: {hint}"))


def _bug() -> int:
    import platform  # noqa: PLC0415 - what only a bug needs
    import tempfile  # noqa: PLC0415
    import traceback  # noqa: PLC0415

    told = f"gatekeeper {gatekeeper.__version__}, Python {platform.python_version()}, {platform.platform()}"
    with tempfile.NamedTemporaryFile("w", prefix="gatekeeper-bug-", suffix=".log", delete=False) as file:
        file.write(f"{told}\n{' '.join(sys.argv)}\n\n{traceback.format_exc()}")
    _say(f"error: this is a bug in gatekeeper: {sys.exc_info()[1]!r}")
    _say(f"hint: What happened is in {file.name}; report it with that file.")
    return Exit.BUG


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201
