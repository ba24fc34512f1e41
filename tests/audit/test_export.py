"""What an auditor takes away: nothing is lost in JSON lines, nothing runs in a spreadsheet or a browser."""

import csv
import hashlib
import io
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from gatehouse import Gatehouse
from msgspec.structs import fields

from audit.history import LOG, History
from audit.test_audit_command import audit
from gatekeeper.audit.account import RequestLine
from gatekeeper.audit.export import table
from gatekeeper.repo.records import decode, encode


def exported(gate: Gatehouse, kind: str, *args: str) -> str:
    return audit("export", "--format", kind, *args, gate=gate.home.path).stdout


def test_each_json_line_is_enough_to_build_its_commit_again(lived: Gatehouse, past: History) -> None:
    lines = [json.loads(line) for line in exported(lived, "jsonl").splitlines()]
    oids = past.git("rev-list", "--reverse", LOG).splitlines()
    assert [line["oid"] for line in lines] == oids
    for line in lines:
        head = line["headers"]
        if line["signature"]:
            first, *rest = line["signature"].rstrip("\n").split("\n")
            head += [f"gpgsig {first}", *(f" {more}" for more in rest)]
        told = {key: line[key] for key in ("format", "seq", "at", "event", "actor", "mode", "data")}
        message = f"{line['event']}: {line['subject']}\n\n{json.dumps(told, sort_keys=True)}\n"
        assert encode(decode(message)) == message
        content = "\n".join([*head, "", message]).encode()
        assert past.git("hash-object", "-t", "commit", "--stdin", stdin=content) == line["oid"]


def test_a_row_a_request_with_its_outcome(lived: Gatehouse) -> None:
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(exported(lived, "csv")))}
    assert list(rows) == ["fix-1", "bad-1", "fix-2", "fix-3", "fix-4"]
    assert (rows["fix-1"]["outcome"], rows["fix-1"]["version"]) == ("shipped", "v0.1.1")
    assert (rows["fix-2"]["outcome"], rows["fix-2"]["rolled_back_in"]) == ("rolled back", "v0.1.3")
    assert (rows["bad-1"]["outcome"], rows["bad-1"]["code"]) == ("blocked", "GATE-402")
    assert rows["fix-1"]["decided_by"] == "policy"
    assert int(rows["fix-4"]["checks"]) == 4


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", '=HYPERLINK("http://x")', "a\nb"]
)
def test_no_cell_is_a_formula_and_none_breaks_its_line(text: str) -> None:
    values: dict[str, Any] = {
        field.name: 0 if field.name in ("attempt", "checks") else text for field in fields(RequestLine)
    }
    lines = table([RequestLine(**values)]).decode().splitlines()
    assert len(lines) == 2
    for cell in next(csv.reader([lines[1]])):
        assert cell == "0" or cell.lstrip()[0] in "'\\a"


class Elements(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href") or name.startswith("on")]


def test_the_report_holds_everything_and_runs_nothing(lived: Gatehouse, tmp_path: Path) -> None:
    out = tmp_path / "november"
    exported(lived, "html", "--out", str(out))
    page = (out / "report.html").read_text()
    found = Elements()
    found.feed(page)
    assert not found.tags & {"script", "img", "iframe", "link", "a", "form", "object"}
    assert found.links == []
    assert "Show &lt;script&gt;alert(1)&lt;/script&gt; shoes" in page
    for version in ("v0.1.0", "v0.1.1", "v0.1.2", "v0.1.3", "v0.1.4"):
        assert f"<h3>{version}</h3>" in page
        assert lived.git("rev-parse", version) in page
    for text in ("The log is whole", "db failover", "Roll back to v0.1.1", "GATE-101", "GATE-402", "advisory"):
        assert text in page
    assert "complian" not in page.lower()


def test_the_manifest_is_signed_and_names_every_file(lived: Gatehouse, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(lived, "html", "--out", str(out))
    listed = json.loads((out / "manifest.json").read_text())
    names = {"records.jsonl", "statements.jsonl", "requests.csv", "report.html"}
    assert set(listed["files"]) == names
    for name in names:
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == listed["files"][name]
    page = (out / "report.html").read_text()
    told = re.search(r"<code>(ssh-keygen [^<]*)\n?&lt; manifest.json</code>", page)
    assert told
    words = [str(lived.home.allowed_signers) if word == "allowed_signers" else word for word in told[1].split()]
    content = (out / "manifest.json").read_bytes()
    assert subprocess.run(words, cwd=out, input=content, capture_output=True, check=False).returncode == 0
    assert subprocess.run(words, cwd=out, input=content + b" ", capture_output=True, check=False).returncode != 0


def test_a_period_has_what_was_written_in_it(lived: Gatehouse) -> None:
    assert exported(lived, "jsonl", "--to", "2020-01-01") == ""
    day = lived.records()[0].at[:10]
    everything = exported(lived, "jsonl")
    assert exported(lived, "jsonl", "--from", lived.records()[-1].at[:10], "--to", day) == everything
    moment = lived.records("frozen")[0].at
    later = [json.loads(line) for line in exported(lived, "jsonl", "--from", moment).splitlines()]
    assert 0 < len(later) < len(everything.splitlines())
    assert all(line["at"] >= moment for line in later)
    audit("export", "--format", "csv", "--from", "yesterday", gate=lived.home.path, ok=2)


def test_a_mirror_can_be_exported_but_not_signed(past: History, tmp_path: Path) -> None:
    args = ("--repo", str(past.repo), "--signers", str(past.signers), "--out", str(tmp_path / "out"))
    done = audit("export", "--format", "csv", *args, gate=tmp_path)
    assert "the manifest is not signed" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["manifest.json", "requests.csv"]


def test_a_log_that_is_not_whole_is_exported_with_a_warning(history: History, tmp_path: Path) -> None:
    history.rewrite(lambda log: [content.replace(b"GATE-101", b"GATE-999") for content in log])
    args = ("--repo", str(history.repo), "--signers", str(history.signers))
    done = audit("export", "--format", "html", *args, gate=tmp_path, ok=30)
    assert "The log is not as it was written" in done.stdout
    assert "The log is whole" not in done.stdout


def test_a_statement_for_each_version(lived: Gatehouse, tmp_path: Path) -> None:
    exported(lived, "jsonl", "--out", str(tmp_path / "out"))
    told = [json.loads(line) for line in (tmp_path / "out" / "statements.jsonl").read_text().splitlines()]
    assert [item["subject"][0]["name"] for item in told] == ["v0.1.0", "v0.1.1", "v0.1.2", "v0.1.3", "v0.1.4"]
    for item in told:
        assert item["_type"] == "https://in-toto.io/Statement/v1"
        digest = item["subject"][0]["digest"]
        name = item["subject"][0]["name"]
        assert digest["gitCommit"] == lived.git("rev-parse", f"{name}^{{commit}}")
        assert digest["gitTree"] == lived.git("rev-parse", f"{name}^{{tree}}")
        assert item["predicate"]["verificationResult"] == "PASSED"
        configured = lived.records("configured")[0].data["digest"]
        assert item["predicate"]["policy"]["digest"] == {"gatekeeper": configured}
    checked = {record.data["key"] for record in lived.records("checked") if record.data["outcome"] == "passed"}
    inputs = told[1]["predicate"]["inputAttestations"]
    assert len(inputs) == 4
    assert {item["digest"]["gatekeeper"] for item in inputs} <= checked
    assert told[3]["predicate"]["gatekeeper"]["takes_out"] == ["fix-3", "fix-2"]
