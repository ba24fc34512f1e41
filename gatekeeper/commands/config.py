"""`gatekeeper config`: whether sites.toml can be used, and what it says with every default filled in."""

import json
from pathlib import Path

import click
import msgspec

from gatekeeper.commands.deciding import decide
from gatekeeper.commands.home import gate_in
from gatekeeper.config.changes import Change, changes
from gatekeeper.config.load import load, refuse_not_yet
from gatekeeper.config.problems import ConfigProblems
from gatekeeper.config.schema import Config
from gatekeeper.config.written import as_toml
from gatekeeper.errors import Exit, GateError

_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


@click.group("config")
def config() -> None:
    """Check, show and apply the configuration, sites.toml.

    Example: gatekeeper --gate /srv/gate config check
    """


@config.command("check")
@_as_json
@click.pass_obj
def check(home: Path, *, as_json: bool) -> None:
    """Say whether sites.toml can be used. If not: everything that is wrong with it (exit status 22).

    Example: gatekeeper --gate /srv/gate config check
    """
    file = _file_of(home)
    try:
        found = load(file)
        refuse_not_yet(found, file)
    except ConfigProblems as stop:
        if not as_json:
            raise
        problems = [msgspec.to_builtins(problem) for problem in stop.problems]
        click.echo(json.dumps({"schema": 1, "ok": False, "file": str(file), "problems": problems}))
        raise click.exceptions.Exit(Exit.CONFIG) from None
    answer = {"schema": 1, "ok": True, "file": str(file), "problems": [], **_counts(found)}
    click.echo(json.dumps(answer) if as_json else f"ok  {file}: {_summary(found)}")


@config.command("show")
@_as_json
@click.pass_obj
def show(home: Path, *, as_json: bool) -> None:
    """Print the configuration with every default. Env files are named, never read.

    In JSON, times are seconds and sizes are bytes.

    Example: gatekeeper --gate /srv/gate config show
    """
    found = load(_file_of(home))
    tables = {"schema": 1, **msgspec.to_builtins(found)}
    click.echo(json.dumps(tables) if as_json else as_toml(found), nl=as_json)


@config.command("apply")
@click.option("-m", "--message", default="", help="Why; it is recorded with your name.")
@_as_json
@click.pass_obj
def apply(home: Path, *, message: str, as_json: bool) -> None:
    """Apply a changed sites.toml or env file now, and print what changes. Checks that run are interrupted.

    A site that is to run otherwise is verified, shipped and proven as by any ship, or all stay as they were.

    Example: gatekeeper config apply -m "a larger shop"
    """
    found = _changed(home)
    if not as_json:
        for change in found:
            click.echo(change.line)
    told = [msgspec.to_builtins(change) for change in found]
    decide(home, "apply", message=message, as_json=as_json, changes=told)


def _changed(home: Path) -> tuple[Change, ...]:
    """Return what the file changes in the one that counts until now; what it says wrongly is refused here already."""
    new = load(_file_of(home))
    applied = gate_in(home).applied_toml
    return changes(load(applied), new) if applied.exists() else ()


def _file_of(home: Path) -> Path:
    """Return where the configuration is. Raises GateError with status 20 where there is no gate at all."""
    if not (home / "sites.toml").exists() and not (home / "repo.git").exists():
        raise GateError(
            f"There is no gate in {home}: it holds neither sites.toml nor repo.git.",
            hints=("Name another folder with `--gate DIR`, or make a gate with `gatekeeper init DIR`.",),
            exit=Exit.NO_GATE,
        )
    return home / "sites.toml"


def _counts(found: Config) -> dict[str, int]:
    return {
        "sites": len(found.sites),
        "builds": len(found.builds),
        "checks": len(found.checks),
        "agents": len(found.agents),
    }


def _summary(found: Config) -> str:
    """Write "6 sites, a build, 2 checks, no agents"."""
    amounts = {0: "no", 1: "one"}
    return ", ".join(
        f"{amounts.get(count, count)} {what.removesuffix('s') if count == 1 else what}"
        for what, count in _counts(found).items()
    )
