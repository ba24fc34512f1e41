"""`gatekeeper status`: the gate at a glance, what needs a person first."""

from collections.abc import Iterator
from pathlib import Path

import click

from gatekeeper.commands.look import as_json, looking, print_json
from gatekeeper.config.schema import MINUTE
from gatekeeper.home import Home
from gatekeeper.librarian import shape
from gatekeeper.librarian.survey import Place, SiteState, Survey, survey
from gatekeeper.policy.answer import shown

_STANDING = {
    "advisory": "agents share the Librarian's user",
    "enforced": "agents come in through the doors only",
}


@click.command("status")
@as_json
@click.pass_obj
def status(folder: Path, *, as_json: bool) -> None:
    """Show the Librarian, the queue and the sites. What is blocked comes first.

    Example: gatekeeper --gate /srv/gate status
    """
    with looking(folder) as gate:
        seen, home = survey(gate), gate.home
    if as_json:
        print_json(**shape.of_survey(seen))
        return
    for line in _lines(seen, home):
        click.echo(line)


def _lines(seen: Survey, home: Home) -> Iterator[str]:
    release = seen.release
    version = f"{release.version} ({seen.shipped_at})" if release.version else f"{release.commit[:12]}, not live yet"
    yield f"gate     {home.path}  ({seen.mode}: {_STANDING[seen.mode]})"
    yield f"release  {version}"
    running = f"process {seen.librarian}, next heartbeat {seen.next_beat}" if seen.librarian else "NOT RUNNING"
    yield f"librarian {running}, last {seen.last_beat or 'never'}"
    if not seen.librarian:
        yield "          start it: gatekeeper run   (or one heartbeat: gatekeeper tick)"
    yield from _unheard(seen)
    yield from _closed(seen)
    for sentence in seen.tampering:
        yield f"TAMPERED (GATE-502) {shown(sentence)}"
    if seen.tampering:
        yield "          nothing ships until you have looked   -> gatekeeper repair -m …"
    stuck = [place for place in seen.places if place.position is None]
    queue = [place for place in seen.places if place.position is not None]
    for place in stuck:
        yield from _stuck(place)
    if queue:
        yield ""
        yield f"QUEUE    {len(queue)}"
    for place in queue:
        yield from _queued(place)
    if not seen.places:
        yield "queue    empty"
    if seen.sites:
        yield ""
        yield f"SITES    {sum(site.healthy for site in seen.sites)} of {len(seen.sites)} healthy"
    yield from (_site(site) for site in seen.sites)


def _closed(seen: Survey) -> Iterator[str]:
    if seen.sealed:
        yield f"SEALED   since {seen.sealed.since}: {shown(seen.sealed.reason)}   (it ships and takes nothing any more)"
    if seen.frozen:
        until = f" until {seen.frozen.until}" if seen.frozen.until else ""
        yield f"FROZEN   since {seen.frozen.since}{until}: {shown(seen.frozen.reason)}   -> gatekeeper thaw"


def _unheard(seen: Survey) -> Iterator[str]:
    """Yield why nobody may hear of what goes wrong."""
    if seen.late:
        yield f"LATE     (GATE-506) a heartbeat was due {round(seen.late / MINUTE)} minutes ago"
    if seen.alerts.failing:
        yield f"ALERTS   (GATE-504) addresses that do not work: {len(seen.alerts.failing)}   -> gatekeeper alert"


def _stuck(place: Place) -> Iterator[str]:
    result = place.result
    yield ""
    yield f"{str(result.state).upper():<8} {result.id}  by {shown(result.agent.name)}: {shown(result.ask.intent)}"
    if result.reason:
        yield f"         {result.reason.code} {shown(result.reason.text)}"
    yield f"         -> gatekeeper show {result.id}"


def _queued(place: Place) -> Iterator[str]:
    result = place.result
    waits = f"  {result.reason.code} {shown(result.reason.text)}" if result.reason else ""
    who = f"by {shown(result.agent.name)}: {shown(result.ask.intent)}"
    yield f"  {place.position:>3}. {result.id}  {result.state}  {who}"
    if waits:
        yield f"      {waits}"


def _site(site: SiteState) -> str:
    state = "healthy" if site.healthy else f"UNHEALTHY: {shown(site.problem)}"
    pid = f"pid {site.seen.pid}" if site.seen.pid else site.seen.status
    return f"  {site.name:<14} {site.version or '-':<10} {pid:<12} {state}"
