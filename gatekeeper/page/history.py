"""What lies behind the gate, folded from the newest records: releases, failed ships, how long jobs took. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median

from msgspec import Struct, field

from gatekeeper.audit.account import ReleaseLine, account
from gatekeeper.model import Outcome
from gatekeeper.repo.records import Record, Written

SHOWN = 20
"""Moments of the timeline, at most."""
_FAILED = ("ship_failed", "stranded")


class Moment(Struct, frozen=True):
    """One ship: a release that went live, or (`release` is None) one that did not."""

    at: str
    release: ReleaseLine | None
    told: str
    took: int | None
    """Seconds from its begin to its end, when both are among the records."""
    waited: Mapping[str, int] = field(default_factory=dict)
    """By request: seconds from its filing to being live."""


class JobLine(Struct, frozen=True):
    """What a job said last, and how long it takes; of one that runs once for each site, the slowest counts."""

    name: str
    sites: tuple[str, ...]
    failed: tuple[str, ...]
    """The sites whose last run did not pass; the job's own name when it runs once for all."""
    seconds: float
    usual: float
    flaky: bool


class Past(Struct, frozen=True):
    """The timeline, newest first; the jobs by name; how many records there are of each event, from the first on."""

    moments: tuple[Moment, ...] = ()
    jobs: tuple[JobLine, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def last(self) -> Moment | None:
        """The newest ship that went live."""
        return next((moment for moment in self.moments if moment.release), None)


def fold(written: Sequence[Written], counts: Mapping[str, int]) -> Past:
    """Fold records, oldest first; what they do not reach back to is left out."""
    records = [one.record for one in written]
    begun = {str(one.data.get("version")): one.at for one in records if one.event == "shipping"}
    releases = [_went_live(line, begun) for line in account(written).releases]
    failed = [_failed(one) for one in records if one.event in _FAILED]
    moments = sorted((*releases, *failed), key=lambda moment: moment.at, reverse=True)
    return Past(tuple(moments[:SHOWN]), tuple(_jobs(records)), counts)


def count(subjects: Sequence[str]) -> Counter[str]:
    """Count events by the subject lines of their records."""
    return Counter(subject.partition(":")[0] for subject in subjects)


def _went_live(line: ReleaseLine, begun: Mapping[str, str]) -> Moment:
    waited = {row.id: _between(row.filed_at, line.at) for row in line.requests}
    took = _between(begun[line.version], line.at) if line.version in begun else None
    return Moment(line.at, line, line.intents, took, waited)


def _failed(record: Record) -> Moment:
    return Moment(record.at, None, record.subject, None)


def _jobs(records: Sequence[Record]) -> list[JobLine]:
    jobs: dict[str, dict[str, list[Record]]] = {}
    for record in records:
        if record.event == "checked":
            name, _, site = str(record.data["job"]).partition(" of ")
            jobs.setdefault(name, {}).setdefault(site, []).append(record)
    return [_job(name, jobs[name]) for name in sorted(jobs)]


def _job(name: str, sites: Mapping[str, Sequence[Record]]) -> JobLine:
    last = {site: told[-1].data for site, told in sites.items()}
    usual = max(median(float(one.data["seconds"]) for one in told) for told in sites.values())
    return JobLine(
        name,
        sites=tuple(filter(None, sorted(sites))),
        failed=tuple(site or name for site, data in sorted(last.items()) if data["outcome"] != Outcome.PASSED),
        seconds=max(float(data["seconds"]) for data in last.values()),
        usual=usual,
        flaky=any(data.get("flaky") for data in last.values()),
    )


def _between(first: str, last: str) -> int:
    return max(0, round((datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()))
