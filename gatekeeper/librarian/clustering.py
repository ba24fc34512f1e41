"""Tells of the cluster what a heartbeat saw of it. One that is away holds up what it would verify, and nothing else."""

from msgspec.structs import replace

from gatekeeper import messages
from gatekeeper.gate import Gate
from gatekeeper.librarian.beat import Beat
from gatekeeper.librarian.recollection import Recollection
from gatekeeper.model import Reason
from gatekeeper.policy.alerting import Cause, Level
from gatekeeper.process import Cancel
from gatekeeper.verify.cluster import Away, Cluster

SCOPE = "cluster"
_SOON = 60.0
"""Seconds after which checks that wait for a worker are tried again, when that is sooner than the next heartbeat."""


def told(gate: Gate, ended: Beat, cluster: Cluster, mind: Recollection, cancel: Cancel) -> Beat:
    """Add what is wrong with the cluster to what a heartbeat found; the next comes soon while checks wait for it."""
    causes = tuple(_cause(gate, about, away) for about, away in cluster.wrong(cancel).items())
    reasons = tuple(Reason(cause.code, cause.text, (("gatekeeper", "doctor"),)) for cause in causes)
    wakes = [ended.wake] if ended.wake is not None else []
    wakes += [gate.clock() + _SOON] if mind.barred else []
    sight = replace(ended.sight, causes=(*ended.sight.causes, *causes), judged=ended.sight.judged | {SCOPE})
    return replace(ended, alarms=(*ended.alarms, *reasons), wake=min(wakes, default=None), sight=sight)


def _cause(gate: Gate, about: str, away: Away) -> Cause:
    """What holds checks up is grave; a worker that failed cost a try elsewhere."""
    verify = gate.config.verify
    if about != "scheduler":
        text = messages.reason("GATE-504", what=f"The worker {about}", problem=away.why.rstrip("."))
        return Cause(f"{SCOPE}/{about}/{away.code}", away.code, text, Level.WARNING)
    meanwhile = "checks wait for it" if verify.executor_away == "wait" else "checks run on this machine meanwhile"
    what, problem = f"The cluster {verify.executor}", f"{away.why.rstrip('.')}; {meanwhile}"
    text = messages.reason("GATE-504", what=what, problem=problem)
    return Cause(f"{SCOPE}/scheduler/{away.code}", away.code, text)
