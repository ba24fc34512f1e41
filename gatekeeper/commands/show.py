"""`gatekeeper show ID`: everything the gate knows of one request."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from gatekeeper.commands import completing
from gatekeeper.commands.look import looking, mark
from gatekeeper.commands.out import as_json, print_json
from gatekeeper.commands.paper import command, cut, entry, hued, width, wrapped
from gatekeeper.errors import Exit, GateError
from gatekeeper.gate import Gate
from gatekeeper.librarian import shape, survey
from gatekeeper.librarian.dossier import Checked, Clash, Dossier, dossier
from gatekeeper.model import Outcome, RequestId, Result, State
from gatekeeper.policy.answer import shown
from gatekeeper.policy.settling import awaited, ways
from gatekeeper.policy.texts import nearest
from gatekeeper.policy.times import ago, told

_LABEL = 10
_LOG_SHOWN = 20
_MOST_LINES = 40
"""Of conflicts."""
_HUES = {State.BLOCKED: "red", State.HELD: "yellow"}


@click.command("show")
@click.argument("request", metavar="ID", shell_complete=completing.requests)
@as_json
@click.pass_obj
def show(folder: Path, request: str, *, as_json: bool) -> None:
    """Show one request. What it asks, where it stands, why, and what would change that.

    Then what it changes, its conflict, its checks with the end of their logs, and its records.

    Example: gatekeeper show fix-42
    """
    with looking(folder) as gate:
        result = find(gate, request)
        found = dossier(gate, result)
    if as_json:
        print_json(**_json(found))
        return
    for line in _lines(found, time.time()):
        click.echo(line)


def find(gate: Gate, name: str) -> Result:
    """Return a request by its exact id. Raises GateError (exit 3) with the nearest one when there is none."""
    refs = gate.git.refs()
    found = survey.newest(gate, refs, RequestId(name))
    if found is not None:
        return found
    near = nearest(name, survey.names(refs))
    hints = (f'Did you mean "{near}"? Ids are matched whole.',) if near else ("gatekeeper status",)
    raise GateError(f"There is no request {shown(name)!r}.", hints=hints, exit=Exit.NOT_FOUND)


def _json(found: Dossier) -> dict[str, Any]:
    result, clash = found.result, found.clash
    return {
        **shape.of_request(result, None),
        "attempt": result.attempt,
        "assurance": str(result.agent.assurance),
        "artifact": result.ask.artifact,
        "bump": result.ask.bump,
        "urgency": result.ask.urgency,
        "depends_on": result.ask.depends_on,
        "try": result.ask.try_only,
        "version": result.version,
        "updated_at": result.updated_at,
        "not_before": result.not_before,
        "rests_on": result.rests_on,
        "awaits": awaited(result) or None,
        "diffstat": found.diffstat,
        "conflict": _conflict_json(found, clash) if clash else None,
        "checks": [_check_json(check) for check in found.checks],
        "log": list(found.log),
        "records": [
            {"at": w.record.at, "event": w.record.event, "subject": w.record.subject, "actor": w.record.actor.name}
            for w in found.records
        ],
    }


def _conflict_json(found: Dossier, clash: Clash) -> dict[str, Any]:
    files = [{"path": path, "regions": [list(lines) for lines in found.regions[path]]} for path in clash.found.paths]
    return {"against": clash.against, "commit": clash.other, "files": files}


def _check_json(check: Checked) -> dict[str, Any]:
    said = check.verdict
    return {
        "name": check.job.name.name,
        "kind": str(check.job.name.kind),
        "site": check.job.name.site,
        "outcome": str(said.outcome) if said else None,
        "seconds": round(said.seconds, 3) if said else None,
        "at": said.at if said else None,
        "flaky": said.flaky if said else False,
        "log": list(check.log),
    }


def _lines(found: Dossier, now: float) -> Iterator[str]:
    yield from _standing(found.result, now)
    yield from _asked(found.result, now)
    if found.diffstat:
        yield ""
        yield from (cut(shown(line), width()) for line in found.diffstat.splitlines())
    if found.clash:
        yield from _conflict(found, found.clash)
    yield from _checks(found, now)
    if found.records:
        yield ""
    for written in found.records:
        record = written.record
        yield from entry(f"{record.at}  {record.event:<10}", shown(record.subject), indent=34)


def _standing(result: Result, now: float) -> Iterator[str]:
    where = f" in {result.version}" if result.version else ""
    state = f"{hued(mark(result.state), _HUES.get(result.state))}{where}"
    yield f"{'request':<{_LABEL}}{result.id}  {state}, {ago(result.updated_at, now)}"
    if result.reason:
        yield from _pair("reason", f"{result.reason.code} {shown(result.reason.text)}")
    yield from _pair("awaits", awaited(result)) if awaited(result) else ()
    for way in ways(result):
        yield from command(("gatekeeper", *way.argv), way.does, indent=_LABEL)
    if result.reason and result.reason.next and result.reason.next[0][0] != "gatekeeper":
        yield from _pair("agent's", "what its agent was told to do:")
        for argv in result.reason.next:
            yield from command(argv, indent=_LABEL)


def _asked(result: Result, now: float) -> Iterator[str]:
    ask, agent = result.ask, result.agent
    yield from _pair("intent", shown(ask.intent))
    yield from _pair("agent", f"{shown(agent.name)} ({agent.assurance})")
    yield from _pair("surface", ", ".join(ask.surfaces) or "-")
    yield from _pair("artifact", f"{shown(ask.artifact)}, bump {ask.bump}")
    if ask.urgency:
        yield from _pair("urgency", f"{shown(ask.urgency)}  (recorded; it changes no order)")
    if ask.depends_on:
        yield from _pair("needs", ask.depends_on)
    if ask.try_only:
        yield from _pair("try", "it asked to be verified, never to be shipped")
    yield from _pair("tip", f"{result.tip}, attempt {result.attempt}")
    yield from _pair("filed", told(result.filed_at, now))
    if result.not_before:
        yield from _pair("until", f"{told(result.not_before, now)}: nothing can change before")


def _pair(label: str, text: str) -> Iterator[str]:
    return entry(label, text, indent=_LABEL)


def _conflict(found: Dossier, clash: Clash) -> Iterator[str]:
    yield ""
    yield f"CONFLICT  with {clash.against}, {clash.other[:12]}"
    for path in clash.found.paths:
        yield from (f"  {line}" for line in wrapped(shown(path), width() - 2))
        lines = [line for region in found.regions[path] for line in region]
        yield from (cut(f"    {shown(line)}", width()) for line in lines[:_MOST_LINES])
        if len(lines) > _MOST_LINES:
            yield f"    … {len(lines) - _MOST_LINES} more lines"
        if not lines:
            yield "    no lines to compare: one side deleted it, renamed it, or it is no text"


def _checks(found: Dossier, now: float) -> Iterator[str]:
    if found.checks:
        yield ""
    red, silent = False, "no longer kept" if found.result.state.final else "not run yet on `release` as it is now"
    for check in found.checks:
        said = check.verdict
        ended = f"{said.outcome} in {said.seconds:.1f} s, {ago(said.at, now)}" if said else silent
        flaky = ", and something else before" if said and said.flaky else ""
        failed = said is not None and said.outcome is not Outcome.PASSED
        label, hue = ("CHECK", "red") if failed else ("check", None)
        yield from entry(label, f"{check.job.name}: {ended}{flaky}", hue=hue, indent=_LABEL)
        yield from _printed(check.log) if failed else ()
        red = red or failed
    if found.log and not red:
        yield ""
        yield "the check that blocked it printed at its end:"
        yield from _printed(found.log)


def _printed(log: tuple[str, ...]) -> Iterator[str]:
    yield from (cut(f"  | {shown(line)}", width()) for line in log[-_LOG_SHOWN:])
