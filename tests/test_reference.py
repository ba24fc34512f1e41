"""docs/reference.md against the code: nothing that people may rely on is missing, and nothing in it is made up."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gatekeeper import model
from gatekeeper.cli import cli
from gatekeeper.commands.explain import codes
from gatekeeper.errors import Exit
from gatekeeper.home import Home
from gatekeeper.model import State

ROOT = Path(__file__).parents[1]
REFERENCE = (ROOT / "docs" / "reference.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
PAGES = (README, *(page.read_text("utf-8") for page in sorted((ROOT / "docs").rglob("*.md"))))


def verbs(group: click.Group = cli, before: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            yield from verbs(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def row(first: str) -> str:
    """Return the one row of a table whose first cell begins with this word."""
    found = [line for line in REFERENCE.splitlines() if re.match(rf"\| `?{re.escape(first)}[` ]", line)]
    assert len(found) == 1, f"{first}: {len(found)} rows in docs/reference.md"
    return found[0]


@pytest.mark.parametrize(("name", "command"), list(verbs()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_verb_is_there_with_every_argument_and_option(name: str, command: click.Command) -> None:
    told = row(name).split("|")[1]
    wanted = [param.opts[-1] for param in command.params if isinstance(param, click.Option) and not param.hidden]
    wanted += [
        param.make_metavar(click.Context(command)).strip("[]")
        for param in command.params
        if isinstance(param, click.Argument)
    ]
    missing = [word for word in wanted if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", told)]
    assert not missing, told
    assert set(re.findall(r"--[a-z0-9-]+", told)) <= set(wanted)


def test_no_verb_is_made_up_in_a_page_a_template_or_a_hint() -> None:
    texts = [page.read_text("utf-8") for page in (ROOT / "templates").rglob("*.*")]
    texts += [module.read_text("utf-8") for module in (ROOT / "gatekeeper").rglob("*.py")]
    used = re.findall(r"(?:\$ |[`\"]|=\S+ |: )gatekeeper (?:--gate \S+ )?([a-z]+)", "\n".join((*PAGES, *texts)))
    assert len(used) > 30
    assert set(used) <= {name.split()[0] for name, _ in verbs()}


def test_every_exit_status_is_there() -> None:
    for status in Exit:
        assert status.name in row(str(status.value))
    table = REFERENCE.partition("## Exit statuses")[2].partition("##")[0]
    assert len(re.findall(r"^\| [0-9]", table, re.MULTILINE)) == len(Exit)


def test_every_code_is_there_with_the_title_of_its_page() -> None:
    for code in codes():
        page = (ROOT / "templates" / "explain" / f"{code}.md").read_text("utf-8")
        assert page.partition("\n")[0].partition(": ")[2] in row(code)
    assert set(re.findall(r"GATE-[0-9]{3}", "\n".join(PAGES))) <= set(codes())


def test_every_ref_is_there() -> None:
    names = [value for name, value in vars(model).items() if name.isupper() and str(value).startswith("refs/")]
    assert len(names) >= 10
    assert [name for name in names if f"`{name}" not in REFERENCE] == []


def test_every_state_is_there() -> None:
    assert [state for state in State if f"`{state}`" not in REFERENCE] == []


def test_every_path_of_a_gate_is_there() -> None:
    home = Home(Path("/"))
    paths = [str(getattr(home, name))[1:] for name, value in vars(Home).items() if isinstance(value, property)]
    assert len(paths) >= 15
    assert [path for path in paths if f"`{path}" not in REFERENCE] == []


def test_every_option_of_request_deploy_is_there() -> None:
    done = subprocess.run(
        (sys.executable, str(ROOT / "request-deploy"), "--help"), capture_output=True, text=True, check=True
    )
    options = set(re.findall(r"--[a-z]+", done.stdout)) - {"--help"}
    section = REFERENCE.partition("## request-deploy")[2].partition("## ")[0]
    assert options == set(re.findall(r"--[a-z]+", section))


def test_every_link_leads_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page}: {target}"


def test_every_module_that_the_architecture_names_exists() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"(?:[a-z_]+/)*[a-z_]+\.py|[a-z_]+/(?=[ `])", page))
    assert len(named) > 15
    assert [name for name in named if not any((top / name).exists() for top in (ROOT, ROOT / "gatekeeper"))] == []
