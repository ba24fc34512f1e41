"""Housekeeping at the end of a heartbeat: what is old goes, what is in use stays. It never fails a heartbeat."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from gatekeeper.config.schema import DAY
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.librarian import space
from gatekeeper.repo import retention
from gatekeeper.repo.export import write_file
from gatekeeper.ship import releases, runs
from gatekeeper.ship.runs import LivePlan

_RESULTS_STAY = 30 * DAY
_BUILDS_STAY = 30 * DAY


def keep_house(gate: Gate) -> None:
    """Prune release folders and what sites print at each heartbeat; logs, builds, results and the like once a day."""
    with suppress(OSError, GateError):
        gate.target.prune(keep=gate.config.gate.keep_releases, used=_planned(runs.load(gate.home.live_plan)))
        if _another_day(gate):
            _prune_old(gate)
        space.bound(gate, _used(gate))


def make_room(gate: Gate) -> None:
    """Before anything is tried: where the disk has no room for a ship, let what is old go first."""
    with suppress(OSError, GateError):
        if space.short(gate):
            space.bound(gate, _used(gate))


def _another_day(gate: Gate) -> bool:
    """The file's time is when it was done last; its content is nothing."""
    done = gate.home.var / "kept-house"
    today = str(int(gate.clock() // DAY))
    if done.is_file() and done.read_text("ascii") == today:
        return False
    write_file(done, today.encode())
    return True


def _prune_old(gate: Gate) -> None:
    now, logs_from = gate.clock(), gate.clock() - gate.config.gate.keep_logs
    _delete(gate.home.logs.glob("*.log"), logs_from)
    _delete(gate.home.builds.glob("[!.]*"), now - _BUILDS_STAY)
    gate.ledger.move(*retention.ended_results(gate.git, before=now - _RESULTS_STAY))
    gate.ledger.move(*retention.old_tips(gate.git, before=logs_from))
    verdicts = retention.old_verdicts(gate.signer, before=logs_from)
    gate.ledger.move(*(() if verdicts is None else (verdicts,)))
    gate.ledger.commit("kept house")
    retention.pack(gate.git)


def _delete(paths: Iterable[Path], before: float) -> None:
    for path in paths:
        if path.lstat().st_mtime < before:
            releases.take_away(path)


def _used(gate: Gate) -> set[str]:
    return releases.in_use(gate.home.releases) | _planned(runs.load(gate.home.live_plan))


def _planned(live: LivePlan | None) -> set[str]:
    """Return the folders that sites run from by the plan."""
    return {live.folder, *(footing.folder for footing in live.kept.values())} if live else set()
