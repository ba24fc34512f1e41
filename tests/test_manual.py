"""Man pages, completion and `--help` against the commands: complete, in the wheel, and examples that can be typed."""

import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gatekeeper import manual
from gatekeeper.cli import cli
from gatekeeper.errors import Exit
from gatekeeper.script import parser_of

ROOT = Path(__file__).parents[1]
PAGES = manual.pages()


def commands(group: click.Group = cli, above: click.Context | None = None) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name="gatekeeper" if above is None else group.name, parent=above)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{context.command_path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, context)


COMMANDS = list(commands())


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_help_has_one_example_that_can_be_typed(name: str, command: click.Command) -> None:
    _, example = manual.described(command.help or "")
    if isinstance(command, click.Group) and not example:
        return  # those of its commands speak for it
    typed = shlex.split(example.partition(" > ")[0])
    assert (command.help or "").count("Example: ") == 1
    assert "gatekeeper" in typed
    rest = typed[typed.index("gatekeeper") + 1 :]
    rest = rest[2:] if rest[:1] == ["--gate"] else rest
    path = list[str]()
    found: click.Command | None = cli
    while isinstance(found, click.Group) and rest:
        path.append(rest.pop(0))
        found = found.get_command(click.Context(found), path[-1])
    assert found is not None
    found.make_parser(click.Context(found)).parse_args(rest)  # an option that is none stops here
    words = name.split()[1:]
    assert path[: len(words)] == words


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_and_option_is_in_a_man_page(name: str, command: click.Command) -> None:
    page = PAGES[f"gatekeeper-{name.split()[1]}.1"].replace("\\-", "-")
    assert name in page
    for option in command.params:
        assert isinstance(option, click.Argument) or option.opts[-1] in page


def test_the_pages_of_the_other_programs_are_complete() -> None:
    told = PAGES["request-deploy.1"].replace("\\-", "-")
    usage = parser_of(ROOT / "request-deploy").format_help()
    options = re.findall(r"^  (--[a-z]+)", usage, re.MULTILINE)
    assert len(options) > 10
    assert [word for word in options if word not in told] == []
    sites = PAGES["sites.toml.5"]
    options = re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "reference" / "sites.toml.md").read_text(), re.MULTILINE)
    assert [word for word in options if f"\\fB{word} (" not in sites] == []
    assert set(manual.STATUSES) == set(Exit)
    reference = (ROOT / "docs" / "reference.md").read_text()
    assert [
        status for status, words in manual.STATUSES.items() if f"`{status.name}` | {words} |" not in reference
    ] == []


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man here")
def test_man_shows_every_page_without_a_warning(tmp_path: Path) -> None:
    manual.write(tmp_path)
    pages = sorted((tmp_path / "man").rglob("*.[15]"))
    assert len(pages) == len(PAGES)
    for page in pages:
        argv = ("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page))
        done = subprocess.run(argv, capture_output=True, check=True)
        assert done.stderr == b"", page.name


def test_a_wheel_brings_pages_and_completions(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run([*argv, "--disable-pip-version-check"], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name.partition(".data/data/")[2]: name for name in archive.namelist() if ".data/data/" in name}
        assert set(held) == {f"share/{path}" for path in manual.shared_files()}
        page = archive.read(held["share/man/man1/gatekeeper-status.1"]).decode()
    assert page.rstrip() == PAGES["gatekeeper-status.1"].rstrip()
