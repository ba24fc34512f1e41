"""The gate in Prometheus' text form: for node_exporter's textfile collector, or any server of www/."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from gatekeeper.model import State
from gatekeeper.page.picture import Picture
from gatekeeper.policy.answer import shown

_PREFIX = "gatekeeper_"
Labels = Mapping[str, object]


class Family(Struct, frozen=True):
    """A metric: its samples are labels and a value."""

    name: str
    kind: str
    help: str
    samples: tuple[tuple[Labels, float], ...]


def text(seen: Picture) -> str:
    """Return the whole file; a family without a sample is left out."""
    return "".join(_family(family) for family in _families(seen) if family.samples)


def _family(family: Family) -> str:
    name = _PREFIX + family.name
    lines = [f"# HELP {name} {family.help}", f"# TYPE {name} {family.kind}"]
    lines += [f"{name}{_labels(labels)} {value:.15g}" for labels, value in family.samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    told = (f'{name}="{_escaped(shown(value))}"' for name, value in labels.items())
    return "{" + ",".join(told) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _families(seen: Picture) -> Iterator[Family]:
    status = seen.status
    release, librarian, sites = status["release"], status["librarian"], status["sites"]
    yield _gauge("info", "The gate: its name and set-up.", ({"gate": seen.gate, "setup": status["enforcement"]}, 1))
    yield _gauge("librarian_up", "Whether the Librarian runs, when this was written.", ({}, librarian["running"]))
    yield _instant("last_heartbeat", "When the last heartbeat began.", librarian["last_heartbeat"])
    yield _instant("next_heartbeat", "When the next heartbeat is due.", librarian["next_heartbeat"])
    told = {"version": release["version"] or "", "commit": release["commit"]}
    yield _gauge("release_info", "What is live.", (told, 1))
    yield _instant("release", "When it went live.", release["shipped_at"])
    yield _gauge("sites", "Sites that the gate runs.", ({}, len(sites)))
    healthy = [({"site": one["name"]}, one["healthy"]) for one in sites]
    yield _gauge("site_healthy", "Whether a site is healthy.", *healthy)
    versions = [({"site": one["name"], "version": one["version"] or ""}, 1.0) for one in sites]
    yield _gauge("site_info", "Which version a site shows.", *versions)
    yield _gauge("requests", "Open requests by state.", *_by_state(status["requests"]))
    filed = [one["filed_at"] for one in status["requests"]]
    yield _instant("oldest_open_request", "When the oldest open request was filed.", min(filed, default=None))
    yield _gauge("frozen", "Whether the gate is frozen.", ({}, status["frozen"] is not None))
    yield _gauge("tampering", "Things found that only the Librarian may change.", ({}, len(status["tampering"])))
    levels = [cause["level"] for cause in status["alerts"]["open"]]
    opened = [({"level": level}, levels.count(level)) for level in ("warning", "error")]
    yield _gauge("alerts_open", "Open causes for a person, by level.", *opened)
    yield _gauge("alert_addresses_failing", "Addresses that take no alerts.", ({}, len(status["alerts"]["failing"])))
    yield from _of_the_past(seen)


def _of_the_past(seen: Picture) -> Iterator[Family]:
    last = seen.past.last
    if last is not None and last.took is not None:
        yield _gauge("last_ship_seconds", "How long the last release took to reach all sites.", ({}, last.took))
    if last is not None and last.waited:
        longest = max(last.waited.values())
        yield _gauge("last_lead_seconds", "From the filing of its first request to being live.", ({}, longest))
    jobs = seen.past.jobs
    yield _gauge("job_seconds", "How long a build or check took last.", *(({"job": j.name}, j.seconds) for j in jobs))
    passed = [({"job": job.name}, not job.failed) for job in jobs]
    yield _gauge("job_passed", "Whether a build or check passed last, on every site.", *passed)
    counted = tuple(({"event": event}, float(number)) for event, number in sorted(seen.past.counts.items()))
    yield Family("records_total", "counter", "Records of the audit log by event.", counted)


def _gauge(name: str, told: str, *samples: tuple[Labels, float]) -> Family:
    return Family(name, "gauge", told, samples)


def _instant(name: str, told: str, at: str | None) -> Family:
    samples: tuple[tuple[Labels, float], ...] = () if at is None else (({}, datetime.fromisoformat(at).timestamp()),)
    return Family(f"{name}_timestamp_seconds", "gauge", told, samples)


def _by_state(requests: list[Mapping[str, Any]]) -> Iterator[tuple[Labels, float]]:
    states = [one["state"] for one in requests]
    yield from (({"state": str(state)}, states.count(state)) for state in State if not state.final)
