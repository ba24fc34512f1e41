"""`gatekeeper resolve ID`: a clone with the conflict in place, and the way back for what a person made of it."""

from collections.abc import Iterator
from pathlib import Path

import click

from gatekeeper.commands import completing
from gatekeeper.commands.deciding import decide
from gatekeeper.commands.home import gate_in
from gatekeeper.commands.look import looking
from gatekeeper.commands.out import as_json, print_json
from gatekeeper.commands.show import find as find_request
from gatekeeper.errors import Exit, GateError
from gatekeeper.gate import Gate
from gatekeeper.librarian import dossier
from gatekeeper.model import Result
from gatekeeper.policy.answer import shown
from gatekeeper.policy.wishes import NAMES
from gatekeeper.repo import clone
from gatekeeper.repo.clone import Clone, Merge
from gatekeeper.repo.git import Git


@click.command("resolve")
@click.argument("request", metavar="ID", shell_complete=completing.open_requests)
@click.option("--done", is_flag=True, help="Push what you committed there back, as a new attempt of the request.")
@click.option("--into", metavar="DIR", help="Where the clone is, or is to be (default: ./resolve-ID).")
@click.option("-m", "--message", default="", help="Why so; it is recorded with your name.")
@as_json
@click.pass_obj
def resolve(folder: Path, request: str, *, done: bool, into: str | None, message: str, as_json: bool) -> None:
    """Resolve a conflict. It makes a clone with the merge begun; after your commit, --done pushes it back.

    The request stays its agent's; the record names you. Run again, it says what is left to do.

    Example: gatekeeper resolve fix-42
    """
    place = _place(request, into)
    if done:
        _hand_back(folder, _begun(place, request), message, as_json=as_json)
    with looking(folder) as gate:
        result = find_request(gate, request)
        there = _continued(place, result) if place.exists() else _begin(gate, result, place)
    if as_json:
        print_json(id=result.id, tip=result.tip, against=there.merge.against, folder=str(there.folder), **_left(there))
        return
    for line in _lines(there, result):
        click.echo(line)


def _place(request: str, into: str | None) -> Path:
    """Return the clone's folder: as named, else below the present one, which may be the clone itself."""
    if into is not None:
        return Path(into)
    here, below = Path(), Path(f"resolve-{request}")
    found = None if below.exists() else clone.find(here)
    return here if found is not None and found.merge.request == request else below


def _begin(gate: Gate, result: Result, place: Path) -> Clone:
    clash = dossier.clash(gate, result)
    if clash is None:
        code = f" ({result.reason.code})" if result.reason else ""
        raise GateError(
            f"{result.id} is {result.state}{code} and in conflict with nothing: there is nothing to resolve.",
            hints=(f"gatekeeper show {result.id}",),
        )
    wanted = Merge(result.id, result.tip, clash.against, clash.other)
    return clone.begin(str(gate.home.repo), place, wanted, _message(gate, result, wanted))


def _message(gate: Gate, result: Result, wanted: Merge) -> str:
    """Return the merge's message: the trailers of the tip count on, for those of the new tip are what is asked for."""
    form = "--format=%(trailers:only,unfold)"
    told = gate.git.text("log", "-1", "--no-show-signature", form, result.tip).splitlines()
    kept = [line for line in told if line.partition(":")[0].lower() in NAMES]
    if not any(line.lower().startswith("intent:") for line in kept):
        kept.append(f"Intent: {result.ask.intent}")
    trailers = "".join(f"{line}\n" for line in kept)
    return f"Merge {wanted.against} into request {result.id}\n\n{trailers}"


def _continued(place: Path, result: Result) -> Clone:
    there = _begun(place, result.id)
    if there.merge.tip != result.tip:
        raise GateError(
            f"{result.id} has moved on to {result.tip[:12]} since {place} was made.",
            hints=(f"gatekeeper resolve {result.id} --into {place}-2",),
            exit=Exit.REFUSED,
        )
    return there


def _begun(place: Path, request: str) -> Clone:
    there = clone.find(place)
    if there is None or there.merge.request != request:
        is_none = f"is no clone that `gatekeeper resolve {request}` made"
        raise GateError(
            f"{place} {is_none if place.exists() else f'is not there: `gatekeeper resolve {request}` makes it'}.",
            hints=(f"gatekeeper resolve {request}{f' --into {place}-2' if place.exists() else ''}",),
        )
    return there


def _hand_back(folder: Path, there: Clone, message: str, *, as_json: bool) -> None:
    """Bring the commit's objects into the gate, and have the Librarian file it."""
    wanted = there.merge
    _refuse_unfinished(there)
    with Git(gate_in(folder).repo) as git:
        flags = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
        git.run("-c", "fetch.fsckObjects=true", "fetch", *flags, "--", str(there.folder.resolve()), "HEAD")
    args = {"tip": str(wanted.tip), "new": str(there.head)}
    decide(folder, "resolve", request=wanted.request, message=message, args=args, as_json=as_json)


def _refuse_unfinished(there: Clone) -> None:
    wanted, hints = there.merge, (f"gatekeeper resolve {there.merge.request}",)
    if there.unmerged or there.pending:
        raise GateError(f"The merge in {there.folder} is not committed yet.", hints=hints)
    if there.head == wanted.tip or not (there.holds(wanted.tip) and there.holds(wanted.other)):
        raise GateError(f"{there.folder} holds no merge of {wanted.request} with {wanted.against}.", hints=hints)
    if there.marks_left:
        again = f"git -C {there.folder} add -A && git -C {there.folder} commit --amend --no-edit"
        raise GateError(f"Conflict marks are left: {'; '.join(there.marks_left[:5])}.", hints=(again,))


def _left(there: Clone) -> dict[str, object]:
    return {"files": list(there.unmerged), "committed": not there.pending and there.head != there.merge.tip}


def _lines(there: Clone, result: Result) -> Iterator[str]:
    files, place = there.unmerged, there.folder
    yield f"{result.id} by {shown(result.agent.name)}: {shown(result.ask.intent)}"
    if files:
        yield f"In conflict with {there.merge.against}, marked in {place}:"
        yield from (f"  {shown(name)}" for name in files)
        yield "Mend them, then:"
    elif there.pending:
        yield f"No conflict with {there.merge.against} is left in {place}. Look at it, then:"
    else:
        yield "The merge is committed. Hand it back:"
    if there.pending:
        yield f"  git -C {place} add -A && git -C {place} commit --no-edit"
    yield f"  gatekeeper resolve {result.id} --done{_into(there)}"


def _into(there: Clone) -> str:
    usual = there.folder in (Path(), Path(f"resolve-{there.merge.request}"))
    return "" if usual else f" --into {there.folder}"
