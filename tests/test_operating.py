"""docs/operating.md against the code: every code that an operator meets, every link, every command."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gatekeeper import messages
from gatekeeper.cli import cli
from gatekeeper.commands.explain import codes, explain

ROOT = Path(__file__).parents[1]
BOOK = (ROOT / "docs" / "operating.md").read_text("utf-8")
MET = [code for code in codes() if not code.startswith("GATE-1")]
"""What the door refuses never reaches an operator; a rule of the door that changed later does."""
COMMANDS = re.findall(r"^\$ (?:sudo (?:-u \S+ )?)?gatekeeper (.*?)(?:\s{2,}#.*)?$", BOOK, re.MULTILINE)


@pytest.mark.parametrize("code", MET)
def test_every_code_an_operator_meets_has_a_section_of_one_screen(code: str) -> None:
    found = messages.runbook(code)
    assert found is not None
    place, section = found
    assert place == f"docs/operating.md#{code.lower()}"
    lines = section.splitlines()
    assert lines[0].startswith("### ")
    assert 6 <= len(lines) <= 40
    assert "$ gatekeeper " in section


def test_explain_shows_the_section_and_names_where_it_is() -> None:
    page = CliRunner().invoke(explain, ["401"]).output
    assert page.endswith("\nRunbook: docs/operating.md#gate-401, or --runbook\n")
    section = CliRunner().invoke(explain, ["401", "--runbook"]).output
    assert section.startswith("### Two requests changed the same lines (401)\n")
    assert "gatekeeper resolve fix-42 --done" in section
    assert "###" not in section[3:]
    assert "Runbook" not in CliRunner().invoke(explain, ["101"]).output


def test_every_link_resolves() -> None:
    anchors = set(re.findall(r'<a id="([^"]+)">', BOOK))
    headings = re.findall(r"^#+ (.+)$", BOOK, re.MULTILINE)
    anchors |= {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for target in re.findall(r"\]\(([^)\s]+)\)", BOOK):
        path, _, anchor = target.partition("#")
        if "://" not in target:
            assert not path or (ROOT / "docs" / path).exists(), target
            assert path or anchor in anchors, target


def test_its_commands_and_options_exist() -> None:
    assert len(COMMANDS) > 30
    for line in COMMANDS:
        words = shlex.split(line.partition(" #")[0])
        while words and words[0] == "--gate":
            words = words[2:]
        command: click.Command = cli
        while isinstance(command, click.Group) and words and command.get_command(click.Context(command), words[0]):
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None
            command = found
        assert command is not cli, line
        assert not isinstance(command, click.Group) or not words or words[0].startswith("-"), line
        known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
        assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known, line
