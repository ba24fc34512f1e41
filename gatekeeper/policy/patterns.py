"""Which paths a pattern of sites.toml names. Pure."""

from collections.abc import Sequence
from fnmatch import fnmatchcase


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Return whether any pattern names the whole path: `**/` is any folders or none, `*` characters of one name."""
    names = path.split("/")
    return any(_match(names, pattern.split("/")) for pattern in patterns)


def _match(names: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not names
    if pattern[0] == "**":
        return any(_match(names[skip:], pattern[1:]) for skip in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], pattern[0]) and _match(names[1:], pattern[1:])
