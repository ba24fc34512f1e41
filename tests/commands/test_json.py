"""What verbs print with --json against schema.json: every key described, none missing, and nothing else on stdout."""

import json
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
from gatehouse import Gatehouse

from gatekeeper import schema
from gatekeeper.cli import cli

ROOT = Path(__file__).parents[2]
OTHERS = {
    "resolve",
    "setup",
    "alert test",
    "backup",
    "restore",
    "init",
    "adopt",
    "host add",
    "host remove",
    "keys rotate",
    "unseal",
    "audit export",
}
"""They make something, and are no verbs that read or decide."""


def held(name: str, printed: str) -> dict[str, Any]:
    """Hold the one line that was printed against a definition, and return it."""
    found = json.loads(printed)
    assert printed.count("\n") == 1
    jsonschema.Draft202012Validator(schema.definition(name)).validate(found)
    return dict(found)


def test_the_schema_is_one_and_the_page_is_written_from_it() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.SCHEMA)
    assert schema.page() == (ROOT / "docs" / "reference" / "json.md").read_text("utf-8")


def test_every_verb_with_json_is_described() -> None:
    def named(group: click.Group, before: str = "") -> set[str]:
        found = set()
        for name in group.list_commands(click.Context(group)):
            one = group.get_command(click.Context(group), name)
            assert one is not None
            if any("--json" in param.opts for param in one.params):
                found.add(f"{before}{name}")
            if isinstance(one, click.Group):
                found |= named(one, f"{before}{name} ")
        return found

    deciding = set(schema.SCHEMA["$defs"]["decision"]["description"].partition(": ")[2].partition(";")[0].split(", "))
    described = {verb.partition(" --")[0].removesuffix(" CODE") for verb in schema.verbs()} | deciding
    assert named(cli) - described - OTHERS <= {"resolve --done"}


def test_what_is_not_described_is_found() -> None:
    validator = jsonschema.Draft202012Validator(schema.definition("explain CODE"))
    good = {"schema": 1, "code": "GATE-101", "title": "", "text": ""}
    validator.validate(good)
    for wrong in ({**good, "more": 1}, {**good, "code": "101"}, {"schema": 1}):
        assert not validator.is_valid(wrong)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("explain", ("explain",)),
        ("explain CODE", ("explain", "GATE-402")),
        ("changelog", ("changelog",)),
        ("log", ("log", "-n", "30")),
        ("alert", ("alert",)),
        ("agents list", ("agents", "list")),
        ("audit verify", ("audit", "verify")),
        ("config check", ("config", "check")),
        ("config show", ("config", "show")),
        ("doctor", ("doctor",)),
        ("tick --dry-run", ("tick", "--dry-run")),
        ("status", ("status",)),
    ],
)
def test_what_a_reading_verb_prints_is_as_described(gate: Gatehouse, name: str, args: tuple[str, ...]) -> None:
    assert held(name, gate.cli(*args, "--json").stdout)["schema"] == 1


def test_requests_in_every_state_and_decisions_are_as_described(gate: Gatehouse) -> None:
    agents = '[[hold]]\npaths = ["**/*.sql"]\nreason = "data"\n[agents.agent-one]\nowner = "kim"\n'
    gate.home.sites_toml.write_text(gate.configure(agents, gate='ship_windows = ["Mon-Sun 00:00-24:00"]'))
    one = gate.clone()
    one.request("json-red", {"sites/web/page.txt": "BROKEN\n"})
    one.request("json-held", {"sites/shop/one.sql": "alter\n"})
    one.request("json-fine", {"sites/shop/page.txt": "json\n"})
    held("tick", gate.cli("tick", "--json").stdout)
    one.request("json-rival", {"sites/shop/page.txt": "rival\n"})
    one.run("git", "checkout", "-q", "HEAD~1")
    frozen = held("decision", gate.cli("freeze", "-m", "for a while", "--until", "8h", "--json").stdout)
    assert frozen["event"] == "frozen"
    held("agents list", gate.cli("agents", "list", "--json").stdout)
    seen = held("status", gate.cli("status", "--json").stdout)
    assert {place["state"] for place in seen["requests"]} >= {"blocked", "held"}
    red = held("show", gate.cli("show", "json-red", "--json").stdout)
    assert [check["outcome"] for check in red["checks"] if check["name"] == "page"] == ["failed"]
    assert "BROKEN" in red["checks"][0]["log"][0]
    assert held("show", gate.cli("show", "json-fine", "--json").stdout)["version"]
    held("wait", gate.cli("wait", "json-held", "--json").stdout)
    held("decision", gate.cli("approve", "json-held", "-m", "seen", "--json").stdout)
    gate.home.sites_toml.write_text("[nonsense]\n")
    assert held("config check", gate.cli("config", "check", "--json").stdout)["ok"] is False
