"""Reads `sites.toml`: the whole of it or nothing, with everything that is wrong told at once. Never writes it."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from gatekeeper.config import extras
from gatekeeper.config.convert import convert
from gatekeeper.config.problems import MISSING, ConfigProblems, Found, Problem, spelled, visible
from gatekeeper.config.rules import broken_rules, not_yet
from gatekeeper.config.schema import Config

_LINE = re.compile(r"at line ([0-9]+)")


def load(path: Path) -> Config:
    """Return the configuration in `path`. Raises ConfigProblems, which holds all that is wrong with it."""
    config, problems = _read(path)
    if config is None or problems:
        raise ConfigProblems(problems)
    return config


def refuse_not_yet(config: Config, file: Path) -> None:
    """Raise ConfigProblems for what a valid configuration asks of this version, as it is installed, in vain.

    Asked before each ship.
    """
    problems = tuple(_problem(str(file), *found) for found in (*not_yet(config), *extras.missing(config)))
    if problems:
        raise ConfigProblems(problems)


def check(path: Path) -> tuple[Problem, ...]:
    """Return all that is wrong with the configuration in `path`; nothing when it can be used."""
    return _read(path)[1]


def from_tables(tables: Mapping[str, object], *, file: str) -> Config:
    """Return the configuration that parsed TOML holds; `file` is named in problems. Raises ConfigProblems."""
    config, problems = _judge(tables, file)
    if problems:
        raise ConfigProblems(problems)
    return config


def _read(path: Path) -> tuple[Config | None, tuple[Problem, ...]]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None, _only(path, None, f"There is no such file. {_where_another_is(path)}")
    except OSError as error:
        return None, _only(path, None, f"It cannot be read: {error.strerror}.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return None, _only(path, None, f"It is not UTF-8: line {line} holds the byte {content[error.start]:#04x}.")
    return _parse(path, text.replace("\r\n", "\n"))


def _where_another_is(path: Path) -> str:
    applied = path.parent / "var" / "applied.toml"
    if applied.exists():
        return f"{applied} is a copy of the last one that was in force: put it back, or write another."
    return "`gatekeeper init DIR` writes one to start from."


def _parse(path: Path, text: str) -> tuple[Config | None, tuple[Problem, ...]]:
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = _LINE.search(str(error))
        shown = visible(text.split("\n")[int(line[1]) - 1].strip()) if line else None
        return None, _only(path, shown, f"It is not TOML: {error}.")
    return _judge(tables, str(path))


def _only(path: Path, value: str | None, message: str) -> tuple[Problem, ...]:
    return (Problem(file=str(path), key="", value=value, message=message),)


def _judge(tables: Mapping[str, object], file: str) -> tuple[Config, tuple[Problem, ...]]:
    config, found = convert(cast("dict[str, object]", dict(tables)), Config)
    said = [key for key, _, _ in found]
    found += [one for one in broken_rules(config) if not any(_follows(one, key) for key in said)]
    return config, tuple(_problem(file, *one) for one in sorted(found, key=_section))


def _follows(one: Found, said: str) -> bool:
    """Return whether it may only follow from the mistake at `said`, and would mislead."""
    key = one[0]
    rests_on_below = key == "sites" or key.endswith(".health")
    return key == said or key.startswith((f"{said}.", f"{said}[")) or (rests_on_below and said.startswith(f"{key}."))


def _section(one: Found) -> int:
    sections = Config.__struct_fields__
    section = re.split(r"[.\[]", one[0])[0]
    return sections.index(section) if section in sections else -1


def _problem(file: str, key: str, value: object, message: str) -> Problem:
    return Problem(file=file, key=key, value=None if value is MISSING else spelled(value), message=message)
