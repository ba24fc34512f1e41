"""Which version comes next. Version names are semver with a leading v."""

import re
from collections.abc import Iterable
from functools import lru_cache

from semver import Version as Semver

from gatekeeper.model import Version

FIRST = Version("v0.1.0")
_SIZES = ("patch", "minor", "major")
_MOST = 1 << 16
"""Names whose meaning is remembered."""
_NUMBER = "(0|[1-9][0-9]{0,8})"
_PLAIN = re.compile(rf"v{_NUMBER}\.{_NUMBER}\.{_NUMBER}")
"""What nearly every name is: three numbers, as semver writes them."""


@lru_cache(_MOST)
def parse(name: str) -> Semver | None:
    """Return the version that a tag's short name says, or None when it is not one of ours."""
    try:
        return Semver.parse(name[1:]) if name.startswith("v") else None
    except ValueError:
        return None


def newest(names: Iterable[str]) -> Version | None:
    """Return the highest version among tag names; others are passed over."""
    highest, level = tuple[int, ...](), list[str]()
    for name in names:
        numbers = _numbers(name)
        if numbers > highest:
            highest, level = numbers, [name]
        elif numbers and numbers == highest:
            level.append(name)
    return Version(max((version, name) for name in level if (version := parse(name)))[1]) if level else None


@lru_cache(_MOST)
def _numbers(name: str) -> tuple[int, ...]:
    """Return what decides first, nothing of another tag. Ten thousand whole versions take too long to make."""
    if plain := _PLAIN.fullmatch(name):
        return tuple(map(int, plain.groups()))
    version = parse(name)
    return () if version is None else (version.major, version.minor, version.patch)


def following(names: Iterable[str], bumps: Iterable[str]) -> Version:
    """Return the version after all of `names`: raised by the largest of `bumps`, a patch without any."""
    last = newest(names)
    if last is None:
        return FIRST
    size = max((_SIZES.index(bump) for bump in bumps), default=0)
    present = Semver.parse(last[1:])
    raised = (present.bump_patch, present.bump_minor, present.bump_major)[size]()
    return Version(f"v{raised}")
