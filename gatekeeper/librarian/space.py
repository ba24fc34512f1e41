"""Keeps what the gate piles up on its disk within `limits.max_disk`: releases, builds, logs of jobs and of pm2.

Oldest first; never what is in use, nor the present release and the one before.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from gatekeeper.config.schema import DAY
from gatekeeper.gate import Gate
from gatekeeper.home import Home
from gatekeeper.policy.room import Taken, too_much
from gatekeeper.repo.export import write_file
from gatekeeper.ship import releases
from gatekeeper.sites import logs

_BLOCK = 512


class Space(Struct, frozen=True):
    """How much was taken when it was measured last, in bytes, and of what."""

    used: int
    most: int
    releases: int
    builds: int
    logs: int
    at: float
    occasion: str = ""
    """What it was measured for: until that changes nothing grows much."""


def read(home: Home) -> Space | None:
    """Return the last measurement, or None."""
    try:
        return Space(**json.loads(home.space.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def bound(gate: Gate, used: Iterable[str]) -> None:
    """Measure and prune, where there is occasion: another release, another limit, another day, a disk that fills.

    `used` are the names of release folders that must stay. On a disk with less than `limits.free_disk` left, older
    things go until that much is free, though they be within the limit.
    """
    before, occasion, lacks = read(gate.home), _occasion(gate), _lacks(gate)
    if before is not None and before.occasion == occasion and not lacks:
        return
    taken = _taken(gate, frozenset(used))
    total = sum(one.size for one in taken)
    most = min(gate.config.limits.max_disk, max(0, total - lacks)) if lacks else gate.config.limits.max_disk
    gone = too_much(taken, most)
    for name in gone:
        releases.take_away(Path(name))
    _note(gate, [one for one in taken if one.name not in gone], _occasion(gate))


def short(gate: Gate) -> bool:
    """Tell whether the disk has less room left than a ship asks for."""
    return _lacks(gate) > 0


def _lacks(gate: Gate) -> int:
    return max(0, gate.config.limits.free_disk - shutil.disk_usage(gate.home.releases).free)


def _occasion(gate: Gate) -> str:
    names = " ".join(sorted(path.name for path in gate.home.releases.iterdir()))
    return f"{gate.clock() // DAY:.0f} {gate.config.limits.max_disk} {names}"


def _taken(gate: Gate, used: frozenset[str]) -> list[Taken]:
    """Return everything with the room that it takes; what several share counts for the one that stays longest."""
    seen = set[tuple[int, int]]()
    places = sorted(_places(gate, used), key=lambda one: (one.keep, one.at), reverse=True)
    return [one._replace(size=_size(Path(one.name), seen)) for one in places]


def _places(gate: Gate, used: frozenset[str]) -> Iterator[Taken]:
    newest = sorted(gate.home.releases.glob("[!.]*"), key=_age, reverse=True)
    for number, folder in enumerate(newest):
        yield Taken(str(folder), 0, _age(folder), number <= 1 or folder.name in used)
    yield from (Taken(str(path), 0, _age(path)) for path in _others(gate))
    yield from (Taken(str(path), 0, _age(path), keep=True) for path in _pm2_logs(gate) if path.is_file())


def _others(gate: Gate) -> Iterator[Path]:
    yield from gate.home.builds.glob("[!.]*")
    yield from gate.home.logs.glob("*.log")
    yield from (old for path in _pm2_logs(gate) if (old := path.with_name(f"{path.name}.1")).is_file())


def _pm2_logs(gate: Gate) -> list[Path]:
    return logs.of_daemon(gate.home.path / gate.config.pm2.home)


def _age(path: Path) -> float:
    return path.lstat().st_mtime


def _size(path: Path, seen: set[tuple[int, int]]) -> int:
    """Return the bytes on disk of a file, or of all below a folder, that were not `seen` before."""
    total = 0
    for place in (str(path), *(os.path.join(root, name) for root, _, names in os.walk(path) for name in names)):  # noqa: PTH118 - many
        with suppress(OSError):
            found = os.lstat(place)
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                total += found.st_blocks * _BLOCK
    return total


def _note(gate: Gate, left: list[Taken], occasion: str) -> None:
    def below(folder: Path) -> int:
        return sum(one.size for one in left if Path(one.name).is_relative_to(folder))

    used, live, builds = sum(one.size for one in left), below(gate.home.releases), below(gate.home.builds)
    rest = used - live - builds
    told = Space(used, gate.config.limits.max_disk, live, builds, rest, gate.clock(), occasion)
    write_file(gate.home.space, json.dumps(asdict(told)).encode() + b"\n", mode=0o600)
