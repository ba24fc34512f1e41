import json

import pytest
from click.testing import CliRunner

from gatekeeper.commands.explain import codes, explain
from gatekeeper.errors import Exit, GateError


@pytest.mark.parametrize("written", ["202", "gate-202", "GATE-202", "Gate202"])
def test_a_code_may_be_written_in_several_ways(written: str) -> None:
    shown = CliRunner().invoke(explain, [written])
    assert shown.exit_code == 0
    assert shown.output.startswith("# GATE-202: an unknown surface\n\n## What it means\n")


def test_a_page_as_json() -> None:
    answer = json.loads(CliRunner().invoke(explain, ["401", "--json"]).output)
    assert (answer["schema"], answer["code"], answer["title"]) == (1, "GATE-401", "a conflict")
    assert answer["text"].startswith("# GATE-401: a conflict\n")


def test_without_a_code_all_are_listed() -> None:
    lines = CliRunner().invoke(explain).output.splitlines()
    assert lines[0] == "GATE-101  a branch that is not a request"
    assert [line.split()[0] for line in lines] == codes()
    answer = json.loads(CliRunner().invoke(explain, ["--json"]).output)
    assert answer["codes"][0] == {"code": "GATE-101", "title": "a branch that is not a request"}


@pytest.mark.parametrize("written", ["411", "GATE-20", "conflict", "../../README", ""])
def test_an_unknown_code_is_never_resolved(written: str) -> None:
    stop = CliRunner().invoke(explain, [written], standalone_mode=False).exception
    assert isinstance(stop, GateError)
    assert stop.exit is Exit.NOT_FOUND
    assert f"`{written}`" in stop.text
    assert stop.hints[-1] == "All of them: gatekeeper explain"


def test_a_near_miss_is_named() -> None:
    stop = CliRunner().invoke(explain, ["GATE-411"], standalone_mode=False).exception
    assert isinstance(stop, GateError)
    assert stop.hints[0].startswith("Did you mean GATE-4")
