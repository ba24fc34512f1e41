"""Which version comes next. Version names are semver with a leading v."""

from collections.abc import Iterable
from functools import lru_cache

from semver import Version as Semver

from gatekeeper.model import Version

FIRST = Version("v0.1.0")
_SIZES = ("patch", "minor", "major")
_MOST = 1 << 16
"""Names whose meaning is remembered."""


@lru_cache(_MOST)
def parse(name: str) -> Semver | None:
    """Return the version that a tag's short name says, or None when it is not one of ours."""
    if not name.startswith("v") or not Semver.is_valid(name[1:]):
        return None
    return Semver.parse(name[1:])


def newest(names: Iterable[str]) -> Version | None:
    """Return the highest version among tag names; others are passed over."""
    known = [(version, name) for name in names if (version := parse(name)) is not None]
    highest = max((_numbers(version) for version, _ in known), default=None)
    level = [(version, name) for version, name in known if _numbers(version) == highest]
    return Version(max(level)[1]) if level else None


def _numbers(version: Semver) -> tuple[int, int, int]:
    """Return what decides first; comparing whole versions takes fifty times as long, and there may be thousands."""
    return version.major, version.minor, version.patch


def following(names: Iterable[str], bumps: Iterable[str]) -> Version:
    """Return the version after all of `names`: raised by the largest of `bumps`, a patch without any."""
    last = newest(names)
    if last is None:
        return FIRST
    size = max((_SIZES.index(bump) for bump in bumps), default=0)
    present = Semver.parse(last[1:])
    raised = (present.bump_patch, present.bump_minor, present.bump_major)[size]()
    return Version(f"v{raised}")
