"""Writes the man pages, from what the commands say of themselves. `python -m gatekeeper.manual DIR` writes them all.

Made when the wheel is built, so that no page can tell of another version than the one it comes with.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

import gatekeeper
from gatekeeper import assets
from gatekeeper.cli import cli
from gatekeeper.commands.completion import script
from gatekeeper.config import reference
from gatekeeper.errors import Exit
from gatekeeper.script import parser_of

STATUSES = {
    Exit.DONE: "done, or shipped",
    Exit.FAILED: "failed, or refused",
    Exit.USAGE: "used wrongly",
    Exit.NOT_FOUND: "no such request, version or code",
    Exit.BLOCKED: "blocked or held",
    Exit.REFUSED: "refused at the push",
    Exit.WITHDRAWN: "withdrawn, rejected or expired",
    Exit.ROLLED_BACK: "shipped, then rolled back",
    Exit.NO_GATE: "there is no gate here",
    Exit.LOCKED: "another Librarian holds the lock",
    Exit.CONFIG: "the configuration is not valid",
    Exit.TAMPERED: "evidence of tampering",
    Exit.BUG: "a bug; the log file with the details is named",
    Exit.WAITING: "still waiting; at once when nothing can change before the time-out",
    Exit.INTERRUPTED: "interrupted",
}
_COMPLETIONS = {
    "bash": "bash-completion/completions/gatekeeper",
    "zsh": "zsh/site-functions/_gatekeeper",
    "fish": "fish/vendor_completions.d/gatekeeper.fish",
}
_ENVIRONMENT = {
    "GATEKEEPER_HOME": "names the gate, where no --gate does",
    "GATE_AGENT": "says who pushes, in the advisory set-up",
    "NO_COLOR": "when it is set, nothing is coloured",
    "COLUMNS": "how wide lines are, where there is no terminal that says it",
}


_NOT_HERE = ("Written from", "| Option", "|---")
"""Lines of the reference page that a man page has no use for."""


def shared_files() -> dict[str, str]:
    """Return what belongs below `share/` of an installation, by path: man pages and completions."""
    found = {f"man/man{name.rpartition('.')[2]}/{name}": text for name, text in pages().items()}
    return found | {path: _ready(shell) for shell, path in _COMPLETIONS.items()}


def pages() -> dict[str, str]:
    """Return every page by its file's name."""
    context = click.Context(cli, info_name="gatekeeper")
    verbs = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    found = {f"gatekeeper-{name}.1": _verb(context, name, verb) for name, verb in verbs.items() if verb is not None}
    also = [f"gatekeeper-{name}(1)" for name in verbs]
    found["gatekeeper.1"] = _join(_front(context), _see([*also, "request-deploy(1)", "sites.toml(5)"]))
    found["request-deploy.1"] = _join(_request_deploy(), _see(["gatekeeper(1)"]))
    found["sites.toml.5"] = _join(_sites_toml(), _see(["gatekeeper(1)", "gatekeeper-config(1)"]))
    return found


def _ready(shell: str) -> str:
    """A function of zsh that is loaded from a folder names, in its first line, what it completes."""
    return f"#compdef gatekeeper request-deploy\n{script(shell)}" if shell == "zsh" else script(shell)


def _verb(parent: click.Context, name: str, verb: click.Command) -> str:
    head = [_title(f"gatekeeper-{name}", 1), _name(f"gatekeeper-{name}", verb.get_short_help_str(limit=300))]
    see = _see(["gatekeeper(1)", *(["sites.toml(5)"] if name == "config" else [])])
    return _join(*head, *_command(parent, name, verb), see)


def _command(parent: click.Context, name: str, command: click.Command, level: str = "SH") -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield _heading("SYNOPSIS" if level == "SH" else context.command_path, level)
    yield _escaped(usage)
    if level == "SH":
        yield _heading("DESCRIPTION")
    paragraphs, example = described(command.help or "")
    yield from (_join(".PP", _text(paragraph)) for paragraph in paragraphs)
    told = (option.get_help_record(context) for option in command.get_params(context))
    options = [record for record in told if record is not None and record[1]]
    if options:
        yield _heading("OPTIONS") if level == "SH" else ".PP"
        yield from (_item(written, meaning) for written, meaning in options)
    if example:
        yield _join(_heading("EXAMPLE") if level == "SH" else ".PP\nExample:", f"\\fB{_escaped(example)}\\fR")
    if isinstance(command, click.Group) and command is not cli:
        for below in command.list_commands(context):
            one = command.get_command(context, below)
            if one is not None:
                yield from _command(context, below, one, "SS")


def _front(context: click.Context) -> str:
    listed = ((name, cli.get_command(context, name)) for name in cli.list_commands(context))
    verbs = [_item(f"gatekeeper-{name}(1)", verb.get_short_help_str(limit=300)) for name, verb in listed if verb]
    return _join(
        _title("gatekeeper", 1),
        _name("gatekeeper", "a deploy gate: agents may build anything and ship nothing"),
        _heading("SYNOPSIS"),
        _escaped("gatekeeper [--gate DIR] [VERB] [OPTIONS] [ARGS]..."),
        _heading("DESCRIPTION"),
        *(_join(".PP", _text(paragraph)) for paragraph in described(cli.help or "")[0]),
        _heading("OPTIONS"),
        *(_item(*record) for one in cli.get_params(context) if (record := one.get_help_record(context)) is not None),
        _heading("VERBS"),
        *verbs,
        _heading("EXIT STATUS"),
        *(_item(str(int(status)), f"{meaning}.") for status, meaning in STATUSES.items()),
        _heading("ENVIRONMENT"),
        *(_item(name, f"{meaning}.") for name, meaning in _ENVIRONMENT.items()),
        _heading("FILES"),
        _item("DIR/sites.toml", "the configuration, the only file that a person edits."),
        _item("DIR/repo.git", "the bare repository that agents push to; `release` is what is live."),
        _item("DIR/var", "the Librarian's own state."),
    )


def _request_deploy() -> str:
    parser = parser_of(assets.file("request-deploy"))
    parser.prog = "request-deploy"
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    shown = (action for action in parser._actions if action.help is not argparse.SUPPRESS)  # noqa: SLF001
    return _join(
        _title("request-deploy", 1),
        _name("request-deploy", "ask a gate to deploy what HEAD holds"),
        _heading("SYNOPSIS"),
        _escaped(usage),
        _heading("DESCRIPTION"),
        _text(parser.description or ""),
        _heading("OPTIONS"),
        *(_item(_spelled(action), (action.help or "") % vars(action)) for action in shown),
        _heading("EXAMPLES AND EXIT STATUS"),
        f".nf\n{_escaped(parser.epilog or '')}\n.fi",
    )


def _spelled(action: argparse.Action) -> str:
    choices = "|".join(map(str, action.choices or ()))
    value = "" if action.nargs == 0 else f" {action.metavar or choices or action.dest.upper()}"
    return ", ".join(action.option_strings or [action.dest]) + value


def _sites_toml() -> str:
    """The reference page of sites.toml, whose tables become lists."""
    head, *lines = reference.page().splitlines()
    body = [_line(re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", line)) for line in lines if not line.startswith(_NOT_HERE)]
    return _join(
        _title(head.removeprefix("# "), 5), _name("sites.toml", "the configuration of a gatekeeper"), ".SH FORM", *body
    )


def _line(line: str) -> str:
    if line.startswith("## "):
        return _heading(line.removeprefix("## ").replace("`", ""))
    if line.startswith("| "):
        name, kind, default, meaning = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:5])
        given = f"; default {default}" if default else "; must be given"
        return _item(f"{name.replace('`', '')} ({kind.replace('`', '')}{given.replace('`', '')})", meaning)
    if line.startswith("- "):
        return f".IP \\(bu 2\n{_text(line.removeprefix('- '))}"
    return _text(line) if line else ".PP"


def _title(name: str, section: int) -> str:
    return f'.TH "{name.upper()}" {section} "" "gatekeeper {gatekeeper.__version__}" "Gatekeeper"'


def _name(name: str, about: str) -> str:
    return _join(_heading("NAME"), f"{_escaped(name)} \\- {_text(about.rstrip('.'))}")


def _heading(text: str, level: str = "SH") -> str:
    return f'.{level} "{_escaped(text)}"'


def _item(what: str, meaning: str) -> str:
    return _join(".TP", f"\\fB{_escaped(what)}\\fR", _text(meaning))


def described(text: str) -> tuple[list[str], str]:
    """Return the paragraphs of a help text, and the example that is the last of them, without its word."""
    before, _, example = text.partition("Example: ")
    told = [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", before.strip())]
    return told, " ".join(example.split())


def _see(names: list[str]) -> str:
    return _join(_heading("SEE ALSO"), f"{_escaped(', '.join(names))}.")


def _text(text: str) -> str:
    """Escape a text, and set what stands between backticks in bold."""
    return re.sub(r"`([^`]+)`", r"\\fB\1\\fR", _escaped(text))


def _escaped(text: str) -> str:
    """Return text that roff prints as it is: no line of it is a request, and a hyphen can be copied."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in safe.split("\n"))


def _join(*parts: str) -> str:
    return "\n".join(part.rstrip("\n") for part in parts)


def write(folder: Path) -> None:
    """Write every file below a folder."""
    for path, text in shared_files().items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
