"""When a failure counts, and what says so besides the same state failing again. Pure."""

import math
from collections.abc import Collection

from gatekeeper.model import Oid, Outcome, Request, Verdict
from gatekeeper.policy.line import Track, Turn, Verdicts
from gatekeeper.policy.scene import Suspect

_LEAST, _MOST = 2, 4
"""How often a failure must come before it counts."""
_DOUBT = 0.001
"""The chance that somebody who is blamed has only met a flaky check."""


def settled(said: Verdict | None, times: int, *, others: int = 0) -> bool:
    """Return whether a job need not be asked again: it passed, or failed so often, here or in `others`.

    A time-out says nothing about the content: it is retried once, and no other state speaks for it.
    """
    if said is None or said.outcome is Outcome.PASSED:
        return said is not None
    return said.runs >= _LEAST if said.outcome is Outcome.TIMED_OUT else said.runs + others >= times


def times(odds: float, flakes: float) -> int:
    """Return how often a failure must come: twice, and more where checks are known to fail for no reason."""
    share = min(max(odds, 0.001), 0.9)
    often = math.log(_DOUBT * share / (1 - share)) / math.log(min(max(flakes, 0.0001), 0.5))
    return min(_MOST, max(_LEAST, math.ceil(often)))


def among(track: Track, failing: Turn, verdicts: Verdicts) -> tuple[tuple[Request, ...], ...]:
    """Return, for each longer state that failed too, who is in it besides."""
    found, others = list[tuple[Request, ...]](), list[Request]()
    for turn in track:
        if turn.at > failing.at and turn.stage.request is not None:
            others.append(turn.stage.request)
            said = turn.verdict(verdicts)
            if said is not None and said.outcome is Outcome.FAILED:
                found.append(tuple(others))
    return tuple(found)


def elsewhere(suspect: Suspect, landed: Collection[Oid]) -> int:
    """Return how many longer states nobody but the suspect can have failed: all others in them have landed."""
    return sum(all(request.tip in landed for request in others) for others in suspect.among)
