"""Adds and takes out sections of sites.toml as a person's editor would: every other byte stays as it was.

An edit is kept only when the file then says what was meant, and nothing else; otherwise it is left to a person.
"""

import os
import re
import stat
import tomllib
from pathlib import Path

from gatekeeper.config import load
from gatekeeper.config.problems import dotted
from gatekeeper.config.schema import Agent
from gatekeeper.config.written import section
from gatekeeper.errors import Exit, GateError
from gatekeeper.repo.export import write_file

_HEAD = re.compile(r"\s*\[")
_IDLE = re.compile(r"\s*(#.*)?$")


def with_agent(text: str, name: str, agent: Agent, *, file: str) -> str:
    """Return the text with one more agent at its end. Raises ConfigProblems for what cannot be one."""
    new = f"{text.rstrip()}\n\n{section(dotted('agents', name), agent)}\n"
    load.from_tables(tomllib.loads(new), file=file)
    return new


def without_agent(text: str, name: str, *, file: str) -> str:
    """Return the text without an agent that it names. Raises GateError when that is not simply a section of its own."""
    lines = text.split("\n")
    start = next((at for at, line in enumerate(lines) if _heads(line, name)), None)
    if start is not None:
        end = next((at for at in range(start + 1, len(lines)) if _HEAD.match(lines[at])), len(lines))
        while _IDLE.match(lines[end - 1]):  # what is said in front of the next section is about that one
            end -= 1
        new = "\n".join([*lines[:start], *_unspaced(lines[start - 1 : start], lines[end:])])
        if _meant(text, new, name):
            return new
    raise GateError(
        f"In {file} the agent {name} is not a section of its own, to be taken out by itself. Nothing was changed.",
        hints=(f"Take {name} out of {file} by hand, then: gatekeeper config check",),
        exit=Exit.FAILED,
    )


def save(file: Path, text: str) -> None:
    """Put the text in place of the file, whose owner and mode stay as they are."""
    before = file.stat()
    write_file(file, text.encode(), mode=stat.S_IMODE(before.st_mode))
    os.chown(file, before.st_uid, before.st_gid)


def _heads(line: str, name: str) -> bool:
    """Return whether a line begins the section, however its name is quoted."""
    if not _HEAD.match(line):
        return False
    try:
        return tomllib.loads(line) == {"agents": {name: {}}}
    except tomllib.TOMLDecodeError:
        return False


def _unspaced(before: list[str], after: list[str]) -> list[str]:
    """Return what follows the gap, without a second blank line in it."""
    return after[1:] if before == [""] and after[:1] == [""] else after


def _meant(text: str, new: str, name: str) -> bool:
    wanted = tomllib.loads(text)
    del wanted["agents"][name]
    if not wanted["agents"]:
        del wanted["agents"]
    try:
        return tomllib.loads(new) == wanted
    except tomllib.TOMLDecodeError:
        return False
