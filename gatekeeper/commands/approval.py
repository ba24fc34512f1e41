"""What a person sees of a held request before the approval is written: its size, what is held, what checks said."""

from collections.abc import Iterator
from typing import Any

from gatekeeper.gate import Gate
from gatekeeper.librarian import fresh
from gatekeeper.librarian.present import present_release
from gatekeeper.model import Outcome, RequestId, State
from gatekeeper.policy.answer import shown
from gatekeeper.repo import results, verdicts

Sheet = dict[str, Any]


def sheet(gate: Gate, name: str) -> Sheet | None:
    """Return what is to be shown, or None when no such request is held: the Librarian says why not."""
    result = results.find(gate.git, RequestId(name))
    if result is None or result.state is not State.HELD:
        return None
    release = present_release(gate, gate.git.refs())
    base = gate.git.run("merge-base", release.commit, result.tip, allowed=(0, 1)).text or release.tree
    jobs = fresh.jobs(gate, release, result.tip)
    known = verdicts.lookup(gate.git, [job.key for job in jobs])
    said = {str(job.name): known[job.key].outcome if job.key in known else None for job in jobs}
    return {
        "id": result.id,
        "tip": result.tip,
        "agent": result.agent.name,
        "intent": result.ask.intent,
        "size": gate.git.text("diff", "--shortstat", "--no-ext-diff", base, result.tip, "--").strip(),
        "held": result.reason.text if result.reason else "",
        "passed": sorted(name for name, outcome in said.items() if outcome is Outcome.PASSED),
        "failed": sorted(name for name, outcome in said.items() if outcome not in (Outcome.PASSED, None)),
        "not_run": sorted(name for name, outcome in said.items() if outcome is None),
    }


def lines(found: Sheet) -> Iterator[str]:
    """Yield it for a person: checks that failed or have not run first."""
    yield f"{found['id']}@{found['tip'][:12]} by {shown(found['agent'])}: {shown(found['intent'])}"
    yield f"  size     {found['size'] or 'no change of content'}"
    yield f"  held     {shown(found['held'])}"
    yield f"  failed   {', '.join(found['failed']) or 'none'}"
    yield f"  not run  {', '.join(found['not_run']) or 'none'}"
    yield f"  passed   {', '.join(found['passed']) or 'none'}"
