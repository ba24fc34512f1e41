"""`gatekeeper show ID`: everything the gate knows of one request."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from gatekeeper.commands import completing
from gatekeeper.commands.look import as_json, looking, mark, print_json
from gatekeeper.errors import Exit, GateError
from gatekeeper.gate import Gate
from gatekeeper.librarian import shape, survey
from gatekeeper.model import RequestId, Result
from gatekeeper.policy.answer import shown, typed
from gatekeeper.policy.texts import nearest
from gatekeeper.repo import records
from gatekeeper.repo.records import Written

_LOOK_BACK = 5000
_LOG_LINES = 40


@click.command("show")
@click.argument("request", metavar="ID", shell_complete=completing.requests)
@as_json
@click.pass_obj
def show(folder: Path, request: str, *, as_json: bool) -> None:
    """Show one request. What it asks, where it stands and why, what it changes, its records.

    Example: gatekeeper show fix-42
    """
    with looking(folder) as gate:
        result = find(gate, request)
        told = _records(gate, result.id)
        changed = _diffstat(gate, result)
        log = _log(gate, told)
    if as_json:
        print_json(**_json(result, told, changed, log))
        return
    for line in _lines(result, told, changed, log):
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


def _json(result: Result, told: list[Written], changed: str, log: list[str]) -> dict[str, Any]:
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
        "reason": shape.of_reason(result.reason),
        "rests_on": result.rests_on,
        "diffstat": changed,
        "log": log,
        "records": [
            {"at": w.record.at, "event": w.record.event, "subject": w.record.subject, "actor": w.record.actor.name}
            for w in told
        ],
    }


def _lines(result: Result, told: list[Written], changed: str, log: list[str]) -> Iterator[str]:
    ask, agent = result.ask, result.agent
    where = f" in {result.version}" if result.version else ""
    yield f"request   {result.id}  {mark(result.state)}{where}"
    if result.reason:
        yield f"reason    {result.reason.code} {shown(result.reason.text)}"
        yield from (f"          -> {shown(typed(argv))}" for argv in result.reason.next)
    yield f"intent    {shown(ask.intent)}"
    yield f"agent     {shown(agent.name)} ({agent.assurance})"
    yield f"surface   {', '.join(ask.surfaces) or '-'}"
    yield f"artifact  {shown(ask.artifact)}    bump {ask.bump}"
    if ask.urgency:
        yield f"urgency   {shown(ask.urgency)}  (recorded; it changes no order)"
    if ask.depends_on:
        yield f"needs     {ask.depends_on}"
    yield f"tip       {result.tip}  attempt {result.attempt}, filed {result.filed_at}"
    if result.not_before:
        yield f"until     {result.not_before}"
    if changed:
        yield ""
        yield from (shown(line) for line in changed.splitlines())
    if log:
        yield ""
        yield f"the end of what the check printed ({len(log)} lines):"
        yield from (f"  | {shown(line)}" for line in log)
    if told:
        yield ""
    yield from (f"{w.record.at}  {w.record.event:<10} {shown(w.record.subject)}" for w in told)


def _records(gate: Gate, request: RequestId) -> list[Written]:
    """Return the records that name the request, oldest first."""
    return [w for w in records.walk(gate.git, limit=_LOOK_BACK) if _names(w, request)][::-1]


def _names(written: Written, request: RequestId) -> bool:
    data = written.record.data
    listed = [landing.get("id") for landing in data.get("requests", [])]
    return request in (data.get("id"), *data.get("ids", []), *data.get("takes_out", []), *listed)


def _diffstat(gate: Gate, result: Result) -> str:
    base = gate.git.run("merge-base", "refs/heads/release", result.tip, allowed=(0, 1, 128)).text
    if not base or base == result.tip:
        return ""
    return gate.git.text("diff", "--stat=78", "--no-ext-diff", "--no-textconv", base, result.tip, "--")


def _log(gate: Gate, told: list[Written]) -> list[str]:
    """Return the end of the output of the check that last blocked it, if it is still kept."""
    names = [w.record.data.get("log") for w in told if w.record.event == "blocked"]
    path = gate.home.logs / str(names[-1]) if names and names[-1] else None
    if path is None or not path.is_file():
        return []
    return path.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:]
