"""`abort`: stops what is under way before its commit point, and lets nothing begin until `thaw`.

A ship looks for it in the spool and goes back by itself; checks end with the heartbeat that it interrupts.
"""

from collections.abc import Iterator

from gatekeeper.librarian.verbs.freezing import set_in
from gatekeeper.librarian.verbs.hearing import Hearing
from gatekeeper.model import RESULTS, Reason, State
from gatekeeper.repo import records, results
from gatekeeper.repo.frozen import Freeze
from gatekeeper.repo.records import Record

_LOOK_BACK = 50


def abort(hearing: Hearing) -> Reason | None:
    """Cancel the checks that run, freeze, and say what was stopped; its requests stay in the queue."""
    for key in tuple(hearing.hands.mind.running):
        hearing.hands.checks.stop(key)
    said, cancelled = _ships(hearing), _verifying(hearing)
    if cancelled:
        said += [f"The checks of {', '.join(cancelled)} were cancelled."]
    text = f"{' '.join(said) or 'Nothing was under way.'} Nothing is verified or shipped until `gatekeeper thaw`."
    set_in(hearing, Freeze(f"aborted{_because(hearing)} ({hearing.by})", stopped=True))
    hearing.conclude("aborted", text, ids=list(cancelled))
    return None


def _because(hearing: Hearing) -> str:
    return f": {hearing.decision.message}" if hearing.decision.message else ""


def _ships(hearing: Hearing) -> list[str]:
    """Say what became of the ship that was under way when it was asked: stopped, or past its commit point."""
    recent = [written.record for written in records.walk(hearing.gate.git, limit=_LOOK_BACK)]
    return list(_told(recent, hearing))


def _told(recent: list[Record], hearing: Hearing) -> Iterator[str]:
    live = hearing.seen.release.version or "no version"
    for one in recent:
        if one.event == "ship_aborted" and one.data.get("abort") == hearing.decision.key:
            yield f"The ship of {one.data['version']} was stopped: every site is on {live}."
        elif one.event == "shipped" and one.at >= hearing.decision.at:
            yield f"{one.data['version']} was past its commit point and is live: `gatekeeper rollback` takes it back."


def _verifying(hearing: Hearing) -> tuple[str, ...]:
    git = hearing.gate.git
    known = results.known(git, git.refs(RESULTS)).values()
    return tuple(result.id for result in known if result.state in (State.VERIFYING, State.SHIPPING))
