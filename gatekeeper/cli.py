"""The command line: which gate, which verb, and the one place where an error becomes words and an exit status."""

import errno
import os
import platform
import sys
import tempfile
import traceback
from pathlib import Path

import click

import gatekeeper
from gatekeeper.commands import (
    agents,
    alert,
    audit,
    backup,
    changelog,
    config,
    decide,
    demo,
    doctor,
    explain,
    init,
    log,
    mcp,
    run,
    setup,
    show,
    status,
    shell,
    steward,
    wait,
)
from gatekeeper.errors import Exit, GateError

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
_LEAKING = ("GIT_", "SSH_ASKPASS")
_OWN = ("GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_SSH")
"""Who an agent is and how it reaches the gate: `mcp` hands them on, nothing else looks at them."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--gate", "home", metavar="DIR", help="Which gate (or GATEKEEPER_HOME, or the folder you stand in).")
@click.version_option(gatekeeper.__version__, prog_name="gatekeeper")
@click.pass_context
def cli(context: click.Context, home: str | None) -> None:
    """Agents may build anything and ship nothing: a Git-native deploy gate for sites under pm2."""
    context.obj = _home(home)


for _command in (
    *(demo.demo, init.init, setup.setup, doctor.doctor, config.config, run.run, run.tick, steward.steward, shell.shell),
    *(status.status, show.show, log.log, changelog.changelog, explain.explain, wait.wait),
    *(*decide.COMMANDS, audit.audit, agents.agents, alert.alert, mcp.mcp, backup.backup, backup.restore),
):
    cli.add_command(_command)


def main() -> None:
    """Run the command line and end the process with the status of the table in docs/reference.md."""
    for name in [name for name in os.environ if name.startswith(_LEAKING) and not name.startswith(_OWN)]:
        del os.environ[name]  # a hook, or a person's shell, must not change which repository Git works on
    try:
        # Without standalone mode click hands statuses and interrupts over instead of ending the process.
        sys.exit(cli.main(standalone_mode=False) or 0)
    except GateError as problem:
        _complain(problem)
        sys.exit(problem.exit)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.ClickException as misused:
        misused.show()
        sys.exit(Exit.USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.FAILED)
    except OSError as problem:
        if problem.errno not in _DISK:
            _report_bug()
            sys.exit(Exit.BUG)
        _complain(GateError(f"The disk does not do what it should: {problem}.", code="GATE-503"))
        sys.exit(Exit.FAILED)
    except Exception:  # noqa: BLE001 - the boundary: a bug leaves a file, not a wall of text
        _report_bug()
        sys.exit(Exit.BUG)


def _home(given: str | None) -> Path:
    chosen = given or os.environ.get("GATEKEEPER_HOME")
    return Path(chosen).absolute() if chosen else Path.cwd()


def _complain(problem: GateError) -> None:
    code = f"{problem.code} " if problem.code and problem.code not in problem.text else ""
    click.echo(f"error: {code}{problem.text}", err=True)
    for hint in problem.hints:
        click.echo(f"hint: {hint}", err=True)


def _report_bug() -> None:
    told = f"gatekeeper {gatekeeper.__version__}, Python {platform.python_version()}, {platform.platform()}"
    with tempfile.NamedTemporaryFile("w", prefix="gatekeeper-bug-", suffix=".log", delete=False) as file:
        file.write(f"{told}\n{' '.join(sys.argv)}\n\n{traceback.format_exc()}")
    click.echo(f"error: this is a bug in gatekeeper: {sys.exc_info()[1]!r}", err=True)
    click.echo(f"hint: What happened is in {file.name}; report it with that file.", err=True)
