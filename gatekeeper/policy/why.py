"""Why something does not move, not in words yet: those are the templates'. Pure."""

import re
from collections.abc import Mapping

from msgspec import Struct

from gatekeeper.model import Argv, Job, Outcome, Request, Verdict

_LONGEST = 400
_ERROR = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception)\b")
"""How Node, Python and their like begin the line that says what is wrong."""


class Why(Struct, frozen=True):
    """The code, what the code's template is filled with, and what helps."""

    code: str
    values: Mapping[str, object]
    next: tuple[Argv, ...] = ()


def said_no(
    job: Job,
    verdict: Verdict,
    *,
    release: bool = False,
    settings: bool = False,
    behind: tuple[Request, ...] = (),
    next_: tuple[Argv, ...] = (),
) -> Why:
    """Return why a red job stops a request, `release` itself, or the `settings` that it was to run with."""
    values: dict[str, object] = {"check": job.name.name, "site": job.name.site, "release": release}
    values["settings"] = settings
    if verdict.outcome is Outcome.TIMED_OUT:
        return Why("GATE-403", {**values, "seconds": round(verdict.seconds)}, next_)
    return Why("GATE-402", {**values, "others": [r.id for r in behind], "excerpt": gist(verdict.excerpt)}, next_)


def gist(output: str) -> str:
    """Say in one line what a job printed: from the last line that names an error on, or the end where none does."""
    lines = [line for line in output.splitlines() if line.strip()]
    named = [at for at, line in enumerate(lines) if _ERROR.match(line.strip())]
    words = " ".join(" ".join(lines[named[-1] if named else 0 :]).split())
    if len(words) <= _LONGEST:
        return words
    return f"{words[:_LONGEST]} …" if named else f"… {words[-_LONGEST:]}"
