"""`gatekeeper config check` and `show`: words for people, one object for programs, and the exit status."""

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gatekeeper.commands.config import config
from gatekeeper.config.load import from_tables, load
from gatekeeper.config.problems import ConfigProblems
from gatekeeper.config.starter import annotated
from gatekeeper.errors import Exit, GateError

BROKEN = '[gate]\nmax_train = 0\n[sites.shop]\npath = "a"\nscript = "b"\n'


def test_a_good_file_is_summed_up_on_one_line(tmp_path: Path) -> None:
    file = _file(tmp_path, annotated())
    assert _run(tmp_path, "check").output == f"ok  {file}: 6 sites, one build, one check, no agents\n"


def test_a_good_file_as_json(tmp_path: Path) -> None:
    file = _file(tmp_path, annotated())
    assert json.loads(_run(tmp_path, "check", "--json").stdout) == {
        "schema": 1,
        "ok": True,
        "file": str(file),
        "problems": [],
        "sites": 6,
        "builds": 1,
        "checks": 1,
        "agents": 0,
    }


def test_a_bad_file_stops_with_its_problems(tmp_path: Path) -> None:
    _file(tmp_path, BROKEN)
    stop = _run(tmp_path, "check").exception
    assert isinstance(stop, ConfigProblems)
    assert stop.exit is Exit.CONFIG
    assert "gate.max_train = 0\n  It must be at least 1." in stop.text


def test_a_bad_file_as_json_ends_with_22(tmp_path: Path) -> None:
    file = _file(tmp_path, BROKEN)
    done = _run(tmp_path, "check", "--json")
    assert done.exit_code == 22
    assert json.loads(done.stdout) == {
        "schema": 1,
        "ok": False,
        "file": str(file),
        "problems": [{"file": str(file), "key": "gate.max_train", "value": "0", "message": "It must be at least 1."}],
    }


@pytest.mark.parametrize("verb", ["check", "show"])
def test_a_folder_without_a_gate_is_told_apart_from_a_gate_without_its_file(verb: str, tmp_path: Path) -> None:
    stop = _run(tmp_path, verb).exception
    assert isinstance(stop, GateError)
    assert stop.exit is Exit.NO_GATE
    (tmp_path / "repo.git").mkdir()
    stop = _run(tmp_path, verb).exception
    assert isinstance(stop, ConfigProblems)
    assert "There is no such file." in stop.text


def test_show_prints_the_same_configuration_with_its_defaults(tmp_path: Path) -> None:
    file = _file(tmp_path, annotated())
    shown = _run(tmp_path, "show").stdout
    assert 'kill_timeout = "1.6s"' in shown
    assert from_tables(tomllib.loads(shown), file="shown") == load(file)


def test_show_names_an_env_file_and_never_reads_it(tmp_path: Path) -> None:
    _file(tmp_path, '[sites.shop]\npath = "a"\nscript = "b"\nenv_file = "var/env/shop"\n')
    secret = tmp_path / "var/env/shop"
    secret.parent.mkdir(parents=True)
    secret.write_text("TOKEN=hunter2")
    for arguments in (["show"], ["show", "--json"]):
        shown = _run(tmp_path, *arguments).stdout
        assert "var/env/shop" in shown
        assert "hunter2" not in shown


def test_show_as_json_has_seconds_and_bytes(tmp_path: Path) -> None:
    _file(tmp_path, annotated())
    shown = json.loads(_run(tmp_path, "show", "--json").stdout)
    assert (shown["schema"], shown["gate"]["heartbeat"], shown["limits"]["output"]) == (1, 900.0, 1_048_576)
    assert shown["sites"]["shop"]["health"]["url"] == "http://127.0.0.1:4101/health"


def _run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(config, arguments, obj=home)


def _file(home: Path, text: str) -> Path:
    file = home / "sites.toml"
    file.write_text(text, encoding="utf-8")
    return file
