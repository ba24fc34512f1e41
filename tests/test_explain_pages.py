"""Every code of the design has a page, and a page promises no command that this version lacks."""

import re
from pathlib import Path

import click
import pytest

from gatekeeper.cli import cli

PAGES = Path(__file__).parents[1] / "templates" / "explain"
CODES = [
    f"GATE-{number}"
    for group in (range(101, 106), range(201, 212), range(301, 305), range(401, 411), range(501, 507))
    for number in group
]
SECTIONS = ["What it means", "Why", "For the agent", "For the operator", "Example"]
VERBS = set(cli.list_commands(click.Context(cli)))
OPTIONS = {"--surface", "--intent", "--artifact", "--id", "--bump", "--try", "--wait", "--status", "--withdraw"}


def test_there_is_a_page_for_each_code_and_no_other() -> None:
    assert sorted(path.name for path in PAGES.iterdir()) == [f"{code}.md" for code in CODES]


@pytest.mark.parametrize("code", CODES)
def test_a_page_names_its_code_has_its_sections_and_is_short(code: str) -> None:
    lines = (PAGES / f"{code}.md").read_text().splitlines()
    assert re.fullmatch(rf"# {code}: [^.]+", lines[0])
    assert [line[3:] for line in lines if line.startswith("## ")] == SECTIONS
    assert all(lines[number + 1] for number, line in enumerate(lines) if line.startswith("## "))
    assert len(lines) <= 26
    assert max(map(len, lines)) <= 110


@pytest.mark.parametrize("code", CODES)
def test_a_page_names_only_commands_that_exist(code: str) -> None:
    text = (PAGES / f"{code}.md").read_text()
    examples = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    commands = [line for example in examples for line in example.splitlines()]
    assert all(re.match(r"(GATE_AGENT=\S+ )?(git|gatekeeper|request-deploy) ", line) for line in commands)
    assert set(re.findall(r"\bgatekeeper\s+([a-z]+)", text)) <= VERBS
    for line in re.findall(r"\brequest-deploy\s(.*)", text):
        assert set(re.findall(r"--[a-z]+", line)) <= OPTIONS
