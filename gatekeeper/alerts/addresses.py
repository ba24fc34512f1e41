"""Reads the file of alert addresses. They hold tokens: nothing here ever puts one into a text for people.

One a line, `ADDRESS [level=…] [quiet=HH:MM-HH:MM] [name=…] [ping]`; `#` begins a comment line.
"""

import hashlib
import os
import re
import shlex
import stat
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from gatekeeper.policy.alerting import Channel, Level, Quiet
from gatekeeper.policy.texts import cleaned, nearest

_OPTIONS = ("level", "quiet", "name")
_OPTION = re.compile(r"([a-z]+)=(\S*)")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://\S+")
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")
_LEVELS = {level.name.lower(): level for level in Level}
_LONGEST_NAME = 40


class Kind(StrEnum):
    """How an address is reached."""

    APPRISE = "apprise"
    EXEC = "exec"
    PING = "ping"


class Address(Struct, frozen=True):
    """One line. `target` is secret; `label` is what people are shown in its place."""

    id: str
    kind: Kind
    target: str
    label: str
    level: Level = Level.INFO
    quiet: Quiet | None = None


class Addresses(Struct, frozen=True):
    """The whole file: what can be used of it, and what is wrong with it, a sentence each."""

    all: tuple[Address, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Everybody who is told causes: an address on several lines is one, and hears what any line lets through."""
        lines: dict[str, list[tuple[Level, Quiet | None]]] = {}
        for one in self.all:
            if one.kind is not Kind.PING:
                lines.setdefault(one.id, []).append((one.level, one.quiet))
        return tuple(Channel(id_, tuple(found)) for id_, found in lines.items())

    @property
    def pings(self) -> tuple[Address, ...]:
        """Addresses that hear of each heartbeat, and nothing else."""
        return _each_once(one for one in self.all if one.kind is Kind.PING)

    @property
    def people(self) -> tuple[Address, ...]:
        """Addresses that are told causes, each once."""
        return _each_once(one for one in self.all if one.kind is not Kind.PING)


def load(path: Path, shown: str) -> Addresses:
    """Return the addresses in `path`, none when it is not there; `shown` is what problems call the file.

    A file that others could have written is not used at all: it may name programs to run.
    """
    try:
        with path.open("rb") as file:
            content, seen = file.read(), os.fstat(file.fileno())
    except FileNotFoundError:
        return Addresses()
    except OSError as problem:
        return Addresses(problems=(f"{shown} cannot be read: {problem.strerror}.",))
    if stat.S_IMODE(seen.st_mode) & 0o022 or seen.st_uid not in (os.geteuid(), 0):
        return Addresses(problems=(f"{shown} is not used: others than you can write it. Run `chmod 0600 {shown}`.",))
    found = parse(content.decode("utf-8", "replace"), shown)
    if stat.S_IMODE(seen.st_mode) & 0o077:
        others = f"{shown} holds tokens, and others than you can read it. Run `chmod 0600 {shown}`."
        return Addresses(found.all, (others, *found.problems))
    return found


def parse(text: str, shown: str) -> Addresses:
    """Return what the lines say; a line with a mistake is left out and named by its number, never by its content."""
    found: list[Address] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            read = _address(line.strip(), number)
            found += [read] if isinstance(read, Address) else []
            problems += [f"{shown}, line {number}: {read}"] if isinstance(read, str) else []
    return Addresses(tuple(found), tuple(problems))


def _address(line: str, number: int) -> Address | str:
    words = line.split()
    options: dict[str, str] = {}
    ping = False
    while len(words) > 1 and (words[-1] == "ping" or _OPTION.fullmatch(words[-1])):
        word = words.pop()
        name, _, value = word.partition("=")
        ping = ping or word == "ping"
        if word != "ping":
            if name not in _OPTIONS:
                return _unknown(name)
            options[name] = value
    target = line[: _end_of(line, len(words))]
    return _built(target, options, number, ping=ping)


def _built(target: str, options: dict[str, str], number: int, *, ping: bool) -> Address | str:
    kind = Kind.PING if ping else Kind.EXEC if target.startswith("exec:") else Kind.APPRISE
    level, quiet = _LEVELS.get(options.get("level", "info")), _quiet(options.get("quiet"))
    wrong = _wrong(kind, target)
    if wrong is not None:
        return wrong
    if level is None:
        return f"level is one of {', '.join(_LEVELS)}."
    if "quiet" in options and quiet is None:
        return "quiet is written like quiet=22:00-07:00."
    label = cleaned(options.get("name", ""), _LONGEST_NAME) or _masked(kind, target, number)
    return Address(_digest(target), kind, target, label, level, quiet)


def argv(target: str) -> list[str]:
    """Return the program of an `exec:` address and its arguments; ValueError for a quote that does not end."""
    return shlex.split(target.removeprefix("exec:"))


def _wrong(kind: Kind, target: str) -> str | None:
    if kind is Kind.EXEC:
        return None if _is_command(target) else "exec: is followed by the absolute path of a program and its words."
    if kind is Kind.PING and not target.startswith(("http://", "https://")):
        return "a ping goes to an http:// or https:// address."
    if _SCHEME.fullmatch(target) is None:
        return "it is neither an address such as mailto://…, one word, nor exec:/path/to/program."
    return None


def _is_command(target: str) -> bool:
    try:
        words = argv(target)
    except ValueError:
        return False
    return bool(words) and words[0].startswith("/")


def _masked(kind: Kind, target: str, number: int) -> str:
    if kind is Kind.EXEC:
        return f"exec:{argv(target)[0]} (line {number})"
    return f"{target.partition('://')[0]}://… (line {number})"


def _quiet(text: str | None) -> Quiet | None:
    match = _HOURS.fullmatch(text or "")
    if match is None:
        return None
    hours = [int(word) for word in match.groups()]
    start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    return Quiet(start, end) if start != end else None


def _unknown(name: str) -> str:
    near = nearest(name, _OPTIONS)
    meant = f' Did you mean "{near}"?' if near else f" Known: {', '.join(_OPTIONS)}, ping."
    return f"there is no option of that name.{meant}"


def _end_of(line: str, words: int) -> int:
    """Return where the first `words` words of the line end."""
    return [match.end() for match in re.finditer(r"\S+", line)][words - 1]


def _digest(target: str) -> str:
    return hashlib.sha256(target.encode()).hexdigest()[:16]


def _each_once(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """Return each address as its first line has it."""
    first: dict[str, Address] = {}
    for one in addresses:
        first.setdefault(one.id, one)
    return tuple(first.values())
