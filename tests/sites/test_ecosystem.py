import json
import stat
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatekeeper.errors import GateError
from gatekeeper.model import Oid, SiteName, Version
from gatekeeper.sites import ecosystem
from gatekeeper.sites.run import SiteRun, Stamp

STAMP = Stamp(Version("v1.2.3"), Oid("a" * 40))
RUN = SiteRun(
    name=SiteName("shop"),
    cwd=Path("/g/live/current/sites/shop"),
    script=Path("/g/live/current/sites/shop/server.js"),
    args=("--fast",),
    wait_ready=True,
    kill_timeout=2.5,
    listen_timeout=3,
    max_memory_restart=300,
    env={"PORT": "4101"},
)


def render(*runs: SiteRun) -> list[ecosystem.App]:
    base = {"PATH": "/bin", "HOME": "/h"}
    apps: list[ecosystem.App] = ecosystem.render(runs, STAMP, base=base, logs=Path("/g/l"))["apps"]
    return apps


def test_one_app_says_all_that_pm2_must_know() -> None:
    assert render(RUN) == [
        {
            "name": "shop",
            "namespace": "gatekeeper",
            "cwd": "/g/live/current/sites/shop",
            "script": "/g/live/current/sites/shop/server.js",
            "args": ["--fast"],
            "node_args": [],
            "interpreter": "node",
            "exec_mode": "cluster",
            "instances": 1,
            "wait_ready": True,
            "kill_timeout": 2500,
            "listen_timeout": 12000,
            "max_memory_restart": 300,
            "restart_delay": 300,
            "merge_logs": True,
            "out_file": "/g/l/shop-out.log",
            "error_file": "/g/l/shop-error.log",
            "vizion": False,
            "filter_env": [""],
            "env": {
                "PATH": "/bin",
                "HOME": "/h",
                "PORT": "4101",
                "GATE_SITE": "shop",
                "GATE_VERSION": "v1.2.3",
                "GATE_COMMIT": "a" * 40,
            },
        }
    ]


def test_a_static_site_is_not_pm2s() -> None:
    assert render(replace(RUN, mode="static")) == []


def test_without_ready_pm2_waits_as_long_as_it_is_told() -> None:
    assert render(replace(RUN, wait_ready=False))[0]["listen_timeout"] == 3000
    assert render(replace(RUN, listen_timeout=30))[0]["listen_timeout"] == 30000


@pytest.mark.parametrize(
    ("script", "interpreter"), [("a.py", "python3"), ("a.sh", "bash"), ("a.mjs", "node"), ("bin/next", "node")]
)
def test_the_interpreter_follows_the_script(script: str, interpreter: str) -> None:
    assert render(replace(RUN, script=Path("/g/live/current") / script))[0]["interpreter"] == interpreter
    assert render(replace(RUN, interpreter="none"))[0]["interpreter"] == "none"


@pytest.mark.parametrize("run", [replace(RUN, env={"status": "x"}), replace(RUN, name=SiteName("env"))])
def test_a_name_that_pm2_would_take_for_its_own_is_refused(run: SiteRun) -> None:
    with pytest.raises(GateError) as refusal:
        render(run)
    assert refusal.value.code == "GATE-501"


def test_the_file_is_replaced_whole_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "ecosystem.json"
    ecosystem.write(file, {"apps": [1]})
    before = file.stat().st_ino
    file.with_name(".ecosystem.json.new").write_text("left by a crash")
    ecosystem.write(file, {"apps": [2]})
    assert json.loads(file.read_text()) == {"apps": [2]}
    assert file.stat().st_ino != before
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
