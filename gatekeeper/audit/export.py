"""Writes the log out for others: JSON lines that lose nothing, a CSV row a request, a report to print.

Texts of agents are data in all of them: a spreadsheet computes none, a browser runs none.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import asdict, fields

from gatekeeper import __version__, messages
from gatekeeper.assets import folder
from gatekeeper.audit import statement
from gatekeeper.audit.account import Account, RequestLine, account
from gatekeeper.audit.chain import Link
from gatekeeper.audit.finding import Verification
from gatekeeper.audit.shipped import versions
from gatekeeper.audit.stored import Stored
from gatekeeper.model import Oid, Version
from gatekeeper.policy.answer import shown

RECORDS, REQUESTS, STATEMENTS, REPORT = "records.jsonl", "requests.csv", "statements.jsonl", "report.html"
MANIFEST = "manifest.json"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class Period(Struct, frozen=True):
    """From one moment to another, both included, as records write time; empty bounds are open."""

    first: str = ""
    last: str = "9"

    def holds(self, link: Link) -> bool:
        """Whether a record was written in it."""
        return self.first <= link.record.at <= self.last

    def __str__(self) -> str:
        start = self.first or "the beginning"
        return f"{start} to {'now' if self.last == '9' else self.last}"


def files(
    kind: str, links: Sequence[Link], period: Period, told: Verification, tags: Mapping[Version, Oid], *, at: str
) -> dict[str, bytes]:
    """Return what an export in one format consists of, by file name; the report brings the data that it rests on."""
    inside = tuple(link for link in links if period.holds(link))
    lives = [live for live in versions(links) if period.holds(live.link)]
    counted = account(links, first=period.first, last=period.last)
    made = {
        "jsonl": {RECORDS: _lines(map(line, inside)), STATEMENTS: _lines(map(statement.of, lives))},
        "csv": {REQUESTS: table(counted.requests)},
    }
    if kind != "html":
        return made[kind]
    data = {**made["jsonl"], **made["csv"]}
    return {**data, REPORT: report(counted, period, told, tags, digests(data), at=at)}


def line(link: Link) -> dict[str, object]:
    """Return all of a record's commit: whoever has the line can build the object again, and its digest."""
    commit: Stored = link.commit
    head = [f"{name} {value}" for name, values in commit.headers.items() for value in values if name != "gpgsig"]
    signature = commit.signature.decode("ascii", "replace") or None
    subject = link.record.subject
    fields = json.loads(commit.message.split("\n\n", 1)[1])
    return {"oid": commit.oid, "headers": head, "signature": signature, "subject": subject, **fields}


def table(lines: Iterable[RequestLine]) -> bytes:
    """Return a CSV table with a row a request; no cell begins like a formula, none breaks its line."""
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, quoting=csv.QUOTE_ALL)
    writer.writerow([field.name for field in fields(RequestLine)])
    for row in lines:
        writer.writerow([_cell(value) for value in asdict(row).values()])
    return sink.getvalue().encode()


def report(
    counted: Account,
    period: Period,
    told: Verification,
    tags: Mapping[Version, Oid],
    manifest: Mapping[str, str],
    *,
    at: str,
) -> bytes:
    """Return the page that a person reads, and prints."""
    open_ = sum(row.outcome not in _ENDED for row in counted.requests)
    text = messages.page(
        "report.html",
        account=counted,
        period=str(period),
        told=told,
        tags=tags,
        manifest=manifest,
        at=at,
        gatekeeper=__version__,
        titles=_titles(),
        open=open_,
        unlanded=[row for row in counted.requests if row.outcome != "shipped"],
        rollbacks=[release for release in counted.releases if release.cause == "rollback"],
    )
    return text.encode()


def digests(made: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of each file."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in made.items()}


def manifest(made: Mapping[str, bytes], period: Period, told: Verification, *, at: str) -> bytes:
    """Return the list of what belongs together, which is signed as one."""
    listed = {
        "schema": 1,
        "gatekeeper": __version__,
        "exported_at": at,
        "period": {"from": period.first or None, "to": None if period.last == "9" else period.last},
        "log": {"head": told.head, "records": told.records, "release": told.release},
        "verified": {"ok": not told.findings, "findings": [finding.text for finding in told.findings]},
        "files": digests(made),
    }
    return json.dumps(listed, indent=1, sort_keys=True).encode() + b"\n"


_ENDED = frozenset({"shipped", "rolled back", "withdrawn", "rejected", "expired", "vanished"})


def _lines(values: Iterable[Mapping[str, object]]) -> bytes:
    return b"".join(json.dumps(value, sort_keys=True).encode() + b"\n" for value in values)


def _cell(value: object) -> str:
    text = shown(str(value))
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text  # a formula would run where it is opened


def _titles() -> dict[str, str]:
    pages = sorted((folder("templates") / "explain").glob("GATE-*.md"))
    return {page.stem: page.read_text("utf-8").partition("\n")[0].partition(": ")[2] for page in pages}
