"""What an auditor finds in the records: which events there are, and what each says."""

import re
from pathlib import Path

import pytest
from gatehouse import Gatehouse

from gatekeeper.model import State

ROOT = Path(__file__).parents[2]
WRITTEN = re.compile(r'(?:ledger\.record|conclude|_end|Note)\(\s*(?:gate, begun, )?"([a-z_]+)"')
FIELDS = {
    "imported": {"commit", "tags"},
    "configured": {"effective", "digest", "before"},
    "filed": {
        "id",
        "tip",
        "before",
        "attempt",
        "surfaces",
        "intent",
        "artifact",
        "bump",
        "urgency",
        "depends_on",
        "try",
    },
    "refused": {"code", "ref", "old", "new", "text", "at"},
    "checked": {
        "job",
        "definition",
        "key",
        "tree",
        "outcome",
        "at",
        "seconds",
        "sandbox",
        "log",
        "log_digest",
        "flaky",
    },
    "blocked": {"id", "tip", "code", "rests_on", "log"},
    "shipping": {"version", "commit", "tree", "ids"},
    "shipped": {"version", "commit", "tree", "before", "cause", "requests", "sites", "policy", "gatekeeper"},
    "frozen": {"message", "decision", "verb"},
    "thawed": {"message", "decision", "verb"},
}


def test_every_event_is_on_the_page_for_auditors() -> None:
    written = {name for path in (ROOT / "gatekeeper").rglob("*.py") for name in WRITTEN.findall(path.read_text())}
    written |= {str(state) for state in State} - {"verifying", "shipping", "rolled_back"}
    page = (ROOT / "docs" / "audit.md").read_text()
    table = page.partition("| Event |")[2].partition("\n\n")[0]
    told = {
        name
        for row in table.splitlines()
        for name in re.findall(r"`([a-z_]+)`", row.split("|")[1] if "|" in row else "")
    }
    assert len(written) > 30
    assert written <= told, written - told


@pytest.mark.parametrize("event", FIELDS)
def test_what_a_record_says(lived: Gatehouse, event: str) -> None:
    record = lived.records(event)[0]
    assert FIELDS[event] <= record.data.keys()


def test_the_rule_that_decided_and_what_was_live_before(lived: Gatehouse) -> None:
    (blocked,) = lived.records("blocked")
    (definition,) = [value for name, value in blocked.data["rests_on"].items() if name.startswith("definition ")]
    red = next(
        record for record in lived.records("checked") if record.data["key"] == blocked.data["rests_on"]["verdict"]
    )
    assert red.data["definition"] == definition
    shipped = lived.records("shipped")[::-1]
    assert [after.data["before"] for after in shipped[1:]] == [before.data["commit"] for before in shipped[:-1]]
    assert all(
        site["version"] == record.data["version"] for record in shipped for site in record.data["sites"].values()
    )
