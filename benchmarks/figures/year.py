"""What a year of 1,000 requests a day leaves on disk, from the measured growth of a gate that ships."""

from collections.abc import Iterator
from pathlib import Path

from faults.crash import faulty_gate

from benchmarks.figure import Figure

SHIPS = 5
REQUESTS = 365_000


def figures(*, full: bool) -> Iterator[Figure]:  # noqa: ARG001 - one size
    """Yield the repository's and the state's growth a request, packed, and what that makes in a year."""
    with faulty_gate(("one",)) as gate:
        _pack(gate.git)
        before = {place: _size(path) for place, path in (("repo.git", gate.home.repo), ("var", gate.home.var))}
        for number in range(SHIPS):
            gate.clone().request(f"year-{number}", {f"sites/one/year-{number}.txt": f"{number}\n"})
            gate.cli("tick", ok=True)
        _pack(gate.git)
        after = {place: _size(path) for place, path in (("repo.git", gate.home.repo), ("var", gate.home.var))}
    for place, size in after.items():
        each = (size - before[place]) / SHIPS
        year = f"{each / 1024:.1f} KB a request; {each * REQUESTS / 1e9:.1f} GB in a year of 1,000 a day"
        yield Figure(f"growth of {place}", "", year, note=f"{SHIPS} requests shipped one by one, packed")


def _pack(git: object) -> None:
    assert callable(git)
    git("gc", "-q", "--prune=now")


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and "pm2" not in path.parts)
