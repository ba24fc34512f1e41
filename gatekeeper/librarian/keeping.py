"""Housekeeping at the end of a heartbeat: what is old goes, what is in use stays. It never fails a heartbeat."""

from contextlib import suppress
from pathlib import Path

from gatekeeper.gate import Gate
from gatekeeper.ship import runs
from gatekeeper.ship.stage import remove


def keep_house(gate: Gate) -> None:
    """Prune release folders, build outputs and check logs."""
    with suppress(OSError):
        _prune_releases(gate)
        _prune_logs(gate)


def _prune_releases(gate: Gate) -> None:
    """Keep the newest `keep_releases`, and whichever is live or still has a process in it."""
    live = runs.load(gate.home.live_plan)
    used = _in_use(gate.home.releases) | ({live.folder} if live else set())
    folders = sorted(gate.home.releases.iterdir(), key=lambda path: path.lstat().st_mtime, reverse=True)
    for folder in folders[gate.config.gate.keep_releases :]:
        if folder.name not in used:
            remove(folder)


def _in_use(releases: Path) -> set[str]:
    """Return the folders that some process stands in."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError, ValueError):
            found.add(link.readlink().relative_to(releases.resolve()).parts[0])
    return found


def _prune_logs(gate: Gate) -> None:
    oldest = gate.clock() - gate.config.gate.keep_logs
    for log in gate.home.logs.glob("*.log"):
        if log.stat().st_mtime < oldest:
            log.unlink(missing_ok=True)
