"""`gatekeeper status`: the gate at a glance, what needs a person first."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from gatekeeper.commands import lately
from gatekeeper.commands.home import ASKER
from gatekeeper.commands.lately import Lately
from gatekeeper.commands.look import looking
from gatekeeper.commands.out import as_json, print_json
from gatekeeper.commands.paper import cells, command, entry, hued
from gatekeeper.config.schema import GIB, MINUTE
from gatekeeper.home import Home
from gatekeeper.librarian import shape
from gatekeeper.librarian.survey import Place, SiteState, Survey, survey
from gatekeeper.librarian.waiting import waits_for
from gatekeeper.model import State
from gatekeeper.policy.answer import shown
from gatekeeper.policy.settling import ways
from gatekeeper.policy.times import ago, span, told

_STANDING = {
    "advisory": "agents share the Librarian's user",
    "enforced": "agents come in through the doors only",
}
_HUES = {State.BLOCKED: "red", State.HELD: "yellow"}
_INDENT = 4
_LISTED = 20
"""Requests of the queue that are spelled out; what needs a person always is."""


@click.command("status")
@click.option("--watch", is_flag=True, help="Stay, and show it as it changes; q or Ctrl-C ends it.")
@as_json
@click.pass_obj
def status(folder: Path, *, watch: bool, as_json: bool) -> None:
    """Show the gate at a glance. What waits for you comes first, with the command that settles it.

    Then the queue with what each request waits for, the sites, and what happened since you looked last.

    Example: gatekeeper --gate /srv/gate status --watch
    """
    if watch:
        from gatekeeper.commands.watch import keep_watching  # noqa: PLC0415 - rare, and it brings the terminal along

        ended = keep_watching(lambda: _screen(folder, look=False), as_json=as_json)
        with looking(folder) as gate:
            lately.remember(gate)
        raise click.exceptions.Exit(ended)
    if as_json:
        with looking(folder) as gate:
            seen, new = survey(gate), lately.since_last_look(gate)
        print_json(gate=str(gate.home.path), **shape.of_survey(seen), since_last_look=lately.of_lately(new))
        return
    for line in _screen(folder, look=_is_read()):
        click.echo(line)


def _screen(folder: Path, *, look: bool) -> list[str]:
    """Return the lines as they are now; with `look` somebody has read what is new."""
    with looking(folder) as gate:
        seen, new = survey(gate), lately.since_last_look(gate)
        if look:
            lately.remember(gate)
    return list(lines(seen, gate.home, new))


def _is_read() -> bool:
    """A person at a terminal, or whoever came through a door, has looked; a pipe has not."""
    return sys.stdout.isatty() or ASKER in click.get_current_context().meta


def lines(seen: Survey, home: Home, new: Lately | None) -> Iterator[str]:
    """Yield the whole picture, complete without its colours, for a terminal as wide as this one."""
    yield from _gate(seen, home)
    if seen.space:
        taken, most = (f"{size / GIB:.1f} GiB" for size in (seen.space.used, seen.space.most))
        yield from entry("disk", f"{taken} of {most} taken by releases, builds and logs")
    yield from _closed(seen)
    yield from _unheard(seen)
    for place in (place for place in seen.places if place.position is None):
        yield from _stuck(place, seen)
    yield ""
    queue = [place for place in seen.places if place.position is not None]
    yield from entry("QUEUE", f"{len(queue)} waiting" if queue else "empty")
    for place in queue[:_LISTED]:
        yield from _queued(place, seen)
    if len(queue) > _LISTED:
        yield from entry("", f"… and {len(queue) - _LISTED} more: gatekeeper status --json")
    if seen.sites:
        yield ""
        well = sum(site.healthy for site in seen.sites)
        yield from entry("SITES", f"{well} of {len(seen.sites)} healthy")
    widest = max((cells(site.name) for site in seen.sites), default=0)
    for site in seen.sites:
        yield from _site(site, widest)
    yield from _new(new, seen)


def _gate(seen: Survey, home: Home) -> Iterator[str]:
    release = seen.release
    yield from entry("gate", f"{home.path}  ({seen.mode}: {_STANDING[seen.mode]})")
    shipped = f"{release.version}, shipped {told(seen.shipped_at or '', seen.at)}"
    yield from entry("release", shipped if release.version else f"{release.commit[:12]}, not live yet")
    beat = f"last heartbeat {ago(seen.last_beat, seen.at)}" if seen.last_beat else "no heartbeat yet"
    if seen.librarian is None:
        yield from entry("DOWN", f"The Librarian does not run: nothing is shipped; {beat}", hue="red")
        yield from command(("gatekeeper", "run"), "stays and ships; one heartbeat: gatekeeper tick")
        return
    following = f", next {ago(seen.next_beat, seen.at)}" if seen.next_beat else ""
    yield from entry("runs", f"Librarian, process {seen.librarian}; {beat}{following}")
    if seen.doing is not None and seen.doing.what:
        yield from entry("now", f"{seen.doing.what}, for {span(seen.at - seen.doing.since)}")


def _closed(seen: Survey) -> Iterator[str]:
    """Yield what keeps every request from shipping."""
    if seen.sealed:
        sealed = f"since {ago(seen.sealed.since, seen.at)}: it ships and takes nothing any more"
        yield from entry("SEALED", sealed, hue="red")
        yield from entry("", shown(seen.sealed.reason))
    if seen.frozen:
        until = f", ends {told(seen.frozen.until, seen.at)}" if seen.frozen.until else ""
        yield from entry("FROZEN", f"since {ago(seen.frozen.since, seen.at)}{until}", hue="yellow")
        yield from entry("", shown(seen.frozen.reason))
        yield from command(("gatekeeper", "thaw"))
    elif seen.closed is not None:
        opens = f" until {told(seen.closed.until, seen.at)}" if seen.closed.until else ""
        yield from entry("CLOSED", f"outside its ship windows{opens} (GATE-408)", hue="yellow")
        yield from command(("gatekeeper", "next", "ID", "-m", "…"), "ships one all the same")
    for sentence in seen.tampering:
        yield from entry("TAMPERED", f"GATE-502 {shown(sentence)}", hue="red")
    if seen.tampering:
        yield from entry("", "Nothing ships until you have looked.")
        yield from command(("gatekeeper", "audit", "verify"), "proves what is as it was written")
        yield from command(("gatekeeper", "repair", "-m", "…"), "puts it back")


def _unheard(seen: Survey) -> Iterator[str]:
    """Yield why nobody may hear of what goes wrong, and who is not there to verify."""
    if seen.late:
        late = f"GATE-506 a heartbeat was due {round(seen.late / MINUTE)} minutes ago"
        yield from entry("LATE", late, hue="red")
        yield from command(("gatekeeper", "doctor"), "says what is wrong with the machine")
    for cause in seen.alerts.open("cluster"):
        yield from entry("WORKERS", f"{cause.code} {shown(cause.text)}", hue="yellow")
    if seen.alerts.failing:
        count = len(seen.alerts.failing)
        yield from entry("ALERTS", f"GATE-504 addresses that do not work: {count}", hue="yellow")
        yield from command(("gatekeeper", "alert"), "says which, and why")


def _stuck(place: Place, seen: Survey) -> Iterator[str]:
    result = place.result
    yield ""
    head = f"{result.id}  by {shown(result.agent.name)}, {ago(result.updated_at, seen.at)}"
    yield from entry(str(result.state).upper(), head, hue=_HUES[result.state])
    yield from entry("", shown(result.ask.intent))
    if result.reason:
        yield from entry("", f"{result.reason.code} {shown(result.reason.text)}")
    for way in ways(result)[:1]:
        yield from command(("gatekeeper", *way.argv), way.does)
    yield from command(("gatekeeper", "show", result.id), "its change, checks and log")


def _queued(place: Place, seen: Survey) -> Iterator[str]:
    result = place.result
    number = f"{place.position}.".rjust(_INDENT)
    yield from entry(number, f"{result.id}  {result.state}, by {shown(result.agent.name)}", indent=_INDENT + 1)
    yield from entry("", shown(result.ask.intent))
    yield from entry("", f"waits for {shown(waits_for(place, seen))}")


def _site(site: SiteState, widest: int) -> Iterator[str]:
    pid = f"pid {site.seen.pid}" if site.seen.pid else site.seen.status
    head = f"  {site.name.ljust(widest)}  {site.version or '-':<9} {pid:<11}"
    state = "healthy" if site.healthy else f"UNHEALTHY: {shown(site.problem)}"
    first, *rest = entry("", state, indent=cells(head) + 1)
    yield f"{head} {hued(first.strip(), None if site.healthy else 'red')}"
    yield from rest


def _new(new: Lately | None, seen: Survey) -> Iterator[str]:
    if new is None:
        return
    yield ""
    more = " at least" if new.more else ""
    count = f"{new.records} record{'s' if new.records != 1 else ''}{more}" if new.records else "nothing happened"
    yield from entry("NEW", f"since your last look, {ago(new.at, seen.at)}: {count}")
    for event in new.events:
        yield from entry("", f"{event.name.replace('_', ' ')} {shown(', '.join(filter(None, event.what)))}".rstrip())
    if new.records:
        yield from command(("gatekeeper", "log", "-n", str(new.records)))
