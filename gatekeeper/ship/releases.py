"""The release folders of a machine: which are in use, and how one goes. Decides by names and age, never by content."""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from gatekeeper import fault
from gatekeeper.repo.export import remove


def prune(releases: Path, *, keep: int, used: Collection[str]) -> None:
    """Keep the newest `keep` folders, those in `used`, and whichever still has a process in it."""
    stay = {*used, *in_use(releases)}
    folders = sorted(releases.iterdir(), key=lambda path: path.lstat().st_mtime, reverse=True)
    for folder in folders[keep:]:
        if folder.name not in stay:
            take_away(folder)


def in_use(releases: Path) -> set[str]:
    """Return the folders that some process stands in; the kernel does not show us those of other users."""
    found, place = set(), releases.resolve()
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError, ValueError):
            found.add(link.readlink().relative_to(place).parts[0])
    return found


def take_away(path: Path) -> None:
    """Delete a file or folder; one that is half gone after a kill has another name, which every start clears away."""
    if path.is_dir() and not path.is_symlink():
        left = path.with_name(f".new-{path.name}")
        remove(left)
        with fault.step(f"take away: {path.parent.name}"):
            path.rename(left)
        path = left
    remove(path)
