"""One heartbeat: observe, decide, act, again and again until nothing is left to do."""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime

from gatekeeper import messages, progress
from gatekeeper.config.schema import MINUTE
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.librarian import alarming, asking, clustering, doors, pulse
from gatekeeper.librarian.act import act
from gatekeeper.librarian.alarming import Alarmed
from gatekeeper.librarian.beat import Beat
from gatekeeper.librarian.checking import Checks
from gatekeeper.librarian.hands import Hands
from gatekeeper.librarian.keeping import keep_house, make_room
from gatekeeper.librarian.memory import Memory
from gatekeeper.librarian.observe import observe
from gatekeeper.librarian.recollection import Recollection
from gatekeeper.model import Reason, Result
from gatekeeper.policy import overdue
from gatekeeper.policy.alerting import Sight
from gatekeeper.policy.rut import Rut
from gatekeeper.policy.step import Rest, Snapshot, next_step
from gatekeeper.process import Cancel
from gatekeeper.repo import results
from gatekeeper.repo.export import write_file
from gatekeeper.repo.ledger import utc
from gatekeeper.verify.cluster import Cluster

Tell = Callable[[str], None]
_LOST_AGAIN = 10.0
"""Seconds after which a host that could not be reached is looked for again: it may serve what is not live any more."""


def beat(
    gate: Gate,
    *,
    cancel: Cancel,
    tell: Tell,
    period: float,
    cluster: Cluster,
    knock: tuple[Cancel, ...] = (),
    memory: Memory | None = None,
) -> Beat:
    """Do everything that can be done now. Stops between steps when `cancel` is thrown.

    With `memory` what the heartbeats before it merged and judged need not be done again. Raises GateError when the
    sites, the sandbox or the disk are not usable: the next heartbeat tries again.
    """
    mind = Recollection() if memory is None else Recollection(memory)
    _note(gate, period)
    make_room(gate)
    cluster.open(gate)
    with mind.memory.during(gate), closing(Checks(gate, mind, tell, cluster)) as checks:
        ended = _work(gate, Hands(mind, checks, cancel, tell, knock))
    return clustering.told(gate, ended, cluster, mind, cancel) if ended.whole else ended


def _work(gate: Gate, hands: Hands) -> Beat:
    mind, cancel = hands.mind, hands.cancel
    alarms, rut, seen = list[Alarmed](), Rut(), None
    while not cancel.thrown:
        pulse.at("working")
        progress.at("looking at the queue" if not hands.mind.running else "verifying")
        seen = observe(gate, mind)
        step = next_step(seen)
        if rut.after(step):
            raise GateError(
                f"The step {type(step).__name__} leads nowhere.", code="GATE-506", hints=("gatekeeper log",)
            )
        alarms += [(step, alarm) for alarm in act(gate, seen, step, hands)]
        if isinstance(step, Rest):
            progress.at("keeping house")
            refs = gate.git.refs()
            doors.call_roll(gate, refs, results.known(gate.git, refs), seen.release)
            keep_house(gate)
            return _at_rest(gate, seen, step, alarms)
    sight = alarming.glimpse(seen, alarms, now=gate.clock()) if seen else Sight()
    return Beat("stopped between two steps", tuple(alarm for _, alarm in alarms), sight=sight)


def _at_rest(gate: Gate, seen: Snapshot, step: Rest, alarms: Sequence[Alarmed]) -> Beat:
    now, patience = gate.clock(), gate.config.gate.escalate_after
    late = [(result, _standstill(result, now)) for result in _stuck(gate, seen)]
    ill = () if seen.tampering else asking.unwell(gate)
    lost = asking.lost(gate)
    causes = [alarming.stuck(result, reason) for result, reason in late]
    causes += [*(alarming.unwell(*one) for one in ill), *(alarming.lost(*one) for one in lost)]
    sight = alarming.sight(seen, alarms, causes, now=now, patience=patience)
    told = (*(alarm for _, alarm in alarms), *(reason for _, reason in (*late, *ill, *lost)))
    return Beat(step.why, told, _wake(seen, now + _LOST_AGAIN if lost else None), sight, whole=True)


def _wake(seen: Snapshot, again: float | None) -> float | None:
    """Return when the gate opens or a lost host is looked for `again`, whichever comes first."""
    until = seen.closed.until if seen.closed is not None else None
    opens = datetime.fromisoformat(until).timestamp() if until else None
    return min((at for at in (opens, again) if at is not None), default=None)


def _stuck(gate: Gate, seen: Snapshot) -> tuple[Result, ...]:
    """Return each request that stands still, though nothing is left to do."""
    queue = (standing.result for standing in seen.standings)
    return overdue.stuck(queue, now=gate.clock(), after=gate.config.limits.stuck_after)


def _standstill(result: Result, now: float) -> Reason:
    minutes = round((now - overdue.since(result)) / MINUTE)
    text = messages.reason("GATE-506", id=result.id, minutes=minutes, state=result.state)
    return Reason("GATE-506", text, (("gatekeeper", "show", result.id),))


def _note(gate: Gate, period: float) -> None:
    """Tell the hooks when the last heartbeat was and the next is due."""
    now = gate.clock()
    write_file(gate.home.beat, json.dumps({"last": utc(now), "next": utc(now + period)}).encode() + b"\n")
