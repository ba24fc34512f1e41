"""One heartbeat: observe, decide, act, again and again until nothing is left to do."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from gatekeeper import messages
from gatekeeper.config.schema import MINUTE
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.librarian.act import Hands, act
from gatekeeper.librarian.checking import Checks
from gatekeeper.librarian.keeping import keep_house
from gatekeeper.librarian.observe import observe
from gatekeeper.librarian.recollection import Recollection
from gatekeeper.model import Reason, Result
from gatekeeper.policy import overdue
from gatekeeper.policy.rut import Rut
from gatekeeper.policy.step import Rest, Snapshot, next_step
from gatekeeper.process import Cancel
from gatekeeper.repo.export import write_file
from gatekeeper.repo.ledger import utc

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Beat:
    """What a heartbeat left: why it stopped, and what a person must be told."""

    rest: str
    alarms: tuple[Reason, ...]


def beat(gate: Gate, *, cancel: Cancel, tell: Tell, period: float, knock: tuple[Cancel, ...] = ()) -> Beat:
    """Do everything that can be done now. Stops between steps when `cancel` is thrown.

    Raises GateError when the sites, the sandbox or the disk are not usable: the next heartbeat tries again.
    """
    mind = Recollection()
    _note(gate, period)
    with closing(Checks(gate, mind, tell)) as checks:
        return _work(gate, Hands(mind, checks, cancel, tell, knock))


def _work(gate: Gate, hands: Hands) -> Beat:
    mind, cancel = hands.mind, hands.cancel
    alarms, rut = list[Reason](), Rut()
    while not cancel.thrown:
        seen = observe(gate, mind)
        step = next_step(seen)
        if rut.after(step):
            raise GateError(
                f"The step {type(step).__name__} leads nowhere.", code="GATE-506", hints=("gatekeeper log",)
            )
        alarm = act(gate, seen, step, hands)
        alarms += [alarm] if alarm else []
        if isinstance(step, Rest):
            keep_house(gate)
            return Beat(step.why, (*alarms, *_stuck(gate, seen)))
    return Beat("stopped between two steps", tuple(alarms))


def _stuck(gate: Gate, seen: Snapshot) -> tuple[Reason, ...]:
    """Return an alarm for each request that stands still, though nothing is left to do."""
    results, now = (standing.result for standing in seen.standings), gate.clock()
    late = overdue.stuck(results, now=now, after=gate.config.limits.stuck_after)
    return tuple(_standstill(result, now) for result in late)


def _standstill(result: Result, now: float) -> Reason:
    minutes = round((now - overdue.since(result)) / MINUTE)
    text = messages.reason("GATE-506", id=result.id, minutes=minutes, state=result.state)
    return Reason("GATE-506", text, (("gatekeeper", "show", result.id),))


def _note(gate: Gate, period: float) -> None:
    """Tell the hooks when the last heartbeat was and the next is due."""
    now = gate.clock()
    write_file(gate.home.beat, json.dumps({"last": utc(now), "next": utc(now + period)}).encode() + b"\n")
