"""The units that setup writes, as systemd itself reads them."""

import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatekeeper.setup.wishes import Service, wishes

from .test_setup_plan import TOML, ground

PROGRAM = (sys.executable, "-P", "-m", "gatekeeper")


def units(name: str = "gate") -> dict[str, str]:
    place = replace(ground(TOML, name), program=PROGRAM)
    return {wish.name: wish.file.content for wish in wishes(place) if isinstance(wish, Service)}


def service(text: str) -> dict[str, str]:
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return dict(parser["Service"])


def test_systemd_finds_nothing_wrong_with_them(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    for name, text in (units() | units("two")).items():
        (tmp_path / name).write_text(text)
    argv = ("systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir())))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_each_runs_its_program_as_its_user() -> None:
    found = {name: service(text) for name, text in units().items()}
    assert {name: (one["User"], one["ExecStart"].split("/srv/gate ")[1]) for name, one in found.items()} == {
        "gatekeeper-gate-site-shop.service": ("site-shop", "steward shop"),
        "gatekeeper-gate-door.service": ("gatekeeper", "socket"),
        "gatekeeper-gate.service": ("gatekeeper", "run"),
    }


def test_a_site_outlives_its_steward_and_needs_no_librarian() -> None:
    text = units()["gatekeeper-gate-site-shop.service"]
    assert service(text)["KillMode"] == "process"
    assert "gatekeeper-gate.service" not in text
    assert "PrivateTmp=yes" not in text
    assert service(text)["InaccessiblePaths"] == "/srv/gate/var /srv/gate/repo.git /srv/gate/keys"


def test_the_librarian_is_watched_and_can_make_boxes() -> None:
    found = service(units()["gatekeeper-gate.service"])
    assert (found["Type"], found["Restart"]) == ("notify", "always")
    assert found["WatchdogSec"]
    forbidding = ("NoNewPrivileges", "SystemCallFilter", "RestrictNamespaces", "PrivateUsers", "ProtectProc")
    assert not [name for name in (*forbidding, "ProtectKernelTunables", "PrivateDevices") if name in found]


def test_a_gate_below_home_is_not_hidden_from_its_own_programs() -> None:
    assert service(units()["gatekeeper-gate.service"])["ProtectHome"] in ("yes", "no")
    place = replace(ground(), program=("/home/kim/venv/bin/python",))
    texts = [wish.file.content for wish in wishes(place) if isinstance(wish, Service)]
    assert all(service(text)["ProtectHome"] == "no" for text in texts)
