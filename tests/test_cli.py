"""The front of the command line: every verb is found, a near miss is asked back, and a verb loads only its own."""

import ast
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import gatekeeper
from gatekeeper import process
from gatekeeper.cli import cli
from gatekeeper.errors import Exit

COMMANDS = Path(gatekeeper.__file__).parent / "commands"


def defined() -> set[str]:
    """Return the verbs that the modules define, read from their source."""
    found = set()
    for module in COMMANDS.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.FunctionDef):
                found |= {word for one in node.decorator_list if (word := _verb(one))}
    return found


def _verb(decorator: ast.expr) -> str | None:
    match decorator:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="click"), attr="command" | "group"),
            args=[ast.Constant(value=str(word)), *_],
        ):
            return word
    return None


def test_every_verb_that_is_defined_can_be_called() -> None:
    context = click.Context(cli)
    names = cli.list_commands(context)
    assert set(names) == defined()
    for name in names:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name


@pytest.mark.parametrize(("said", "meant"), [("sttus", "status"), ("audt", "audit"), ("rolback", "rollback")])
def test_a_near_miss_is_asked_back_and_never_resolved(said: str, meant: str) -> None:
    result = CliRunner().invoke(cli, [said])
    assert result.exit_code == 2
    assert f'There is no verb "{said}". Did you mean "{meant}"?' in result.output


def test_the_door_for_a_push_loads_no_other_verb() -> None:
    code = (
        "import sys, gatekeeper.cli as c, click; c.cli.get_command(click.Context(c.cli), 'shell'); print(*sys.modules)"
    )
    loaded = set(process.run([sys.executable, "-c", code]).text.split())
    assert "gatekeeper.commands.shell" in loaded
    assert not loaded & {"gatekeeper.commands.decide", "gatekeeper.commands.audit", "gatekeeper.commands.demo"}


def test_the_door_for_a_push_loads_no_command_line(tmp_path: Path) -> None:
    argv = [sys.executable, "-X", "importtime", "-m", "gatekeeper", "--gate", str(tmp_path), "shell", "codex-1"]
    done = process.run(argv, merge=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.text.splitlines() if line.startswith("import time:")}
    assert "gatekeeper.doors.shell" in loaded
    assert not loaded & {"click", "gatekeeper.cli", "gatekeeper.commands.visit", "gatekeeper.repo.git"}
    assert done.status == Exit.NO_GATE
    assert f"error: There is no gate in {tmp_path}." in done.text
