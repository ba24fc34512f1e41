import contextlib
import os
import secrets
import socket
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gatekeeper import process
from gatekeeper.errors import GateError
from gatekeeper.model import Oid, SiteName, Version
from gatekeeper.sites.run import HealthCheck, SiteRun, Stamp
from gatekeeper.verify.boot import BootSpec, boot

AT = "/srv/gate/live/current"
HERE = f"{AT}/sites/shop"
HEALTH = HealthCheck("http://127.0.0.1:4101/health")
STAMP = Stamp(Version("v1.4.2"), Oid("a" * 40))
ANSWER = "require('http').createServer((request, answer) => {{ {0} }}).listen(process.env.PORT)"
WELL = ANSWER.format("answer.end('well')")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree" / "sites" / "shop").mkdir(parents=True)
    return tmp_path / "tree"


def spec(tree: Path, server: str, *, script: str = "server.js", **more: Any) -> BootSpec:
    (tree / "sites" / "shop" / script).write_text(server)
    (tree / "sites" / "shop" / script).chmod(0o755)
    known: dict[str, Any] = {"env": {"PORT": "4101"}, "health": HEALTH, "health_timeout": 20.0, "soak": 0.3}
    site = SiteRun(SiteName("shop"), Path(HERE), Path(HERE, script), **(known | more))
    return BootSpec(site=site, stamp=STAMP, tree=tree, at=AT)


def test_a_site_that_answers_well_passes(tree: Path) -> None:
    booted = boot(spec(tree, WELL))
    assert (booted.passed, booted.reason) == (True, "")


def test_it_is_started_where_and_as_it_will_run(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_SECRET", "hunter2")
    tell = "const e = process.env; console.log(process.cwd(), __filename, process.argv[2], process.execArgv[0], e.A,"
    tell += "e.GATE_SITE, e.GATE_VERSION, e.GATE_COMMIT, e.NODE_APP_INSTANCE, e.SHOP_SECRET);"
    site = spec(tree, tell + WELL, args=("--fast",), node_args=("--no-warnings",), env={"PORT": "4101", "A": "b"})
    assert boot(site).ran.output.decode().split() == [
        *(HERE, f"{HERE}/server.js", "--fast", "--no-warnings", "b"),
        *("shop", "v1.4.2", "a" * 40, "0", "undefined"),
    ]


def test_a_site_may_say_that_it_is_ready(tree: Path) -> None:
    ready = "process.send('ready', error => console.log(error ? error.code : 'heard', process.connected));"
    booted = boot(spec(tree, ready + WELL, wait_ready=True, health=None))
    assert booted.passed
    assert booted.ran.output == b"heard true\n"


def test_a_site_that_reports_its_version_must_report_this_one(tree: Path) -> None:
    report = "answer.end(JSON.stringify({{version: {}}}))"
    assert boot(spec(tree, ANSWER.format(report.format("process.env.GATE_VERSION")))).passed
    booted = boot(spec(tree, ANSWER.format(report.format("'v1.4.1'")), health_timeout=2.0))
    assert not booted.passed
    assert booted.reason.endswith("reports version v1.4.1, not v1.4.2.")


def test_a_site_that_ends_at_boot_fails_with_its_status_and_its_last_words(tree: Path) -> None:
    booted = boot(spec(tree, "console.error('no such table: carts'); process.exit(3)"))
    assert (booted.passed, booted.reason) == (False, "It ended with status 3 before it answered.")
    assert booted.ran.output == b"no such table: carts\n"


@pytest.mark.parametrize("health", [HEALTH, None])
def test_a_site_that_ends_at_once_fails(tree: Path, health: HealthCheck | None) -> None:
    booted = boot(spec(tree, "#!/bin/sh\nexit 4\n", script="server", interpreter="none", mode="fork", health=health))
    assert not booted.passed
    assert booted.reason.startswith("It ended with status 4 before ")


def test_a_box_that_cannot_be_made_is_no_verdict_on_the_site(tree: Path) -> None:
    with pytest.raises(GateError, match="/no/such/folder") as caught:
        boot(replace(spec(tree, WELL), read_only=("/no/such/folder",)))
    assert caught.value.code == "GATE-505"


def test_a_site_whose_script_is_missing_fails(tree: Path) -> None:
    site = spec(tree, WELL)
    booted = boot(replace(site, site=replace(site.site, script=Path(HERE, "gone.js"))))
    assert not booted.passed
    assert b"Cannot find module" in booted.ran.output


def test_a_site_that_answers_badly_fails(tree: Path) -> None:
    booted = boot(spec(tree, ANSWER.format("answer.writeHead(500).end('oh no')"), health_timeout=2.0))
    assert not booted.passed
    assert booted.reason == "It was not well within 2 s: http://127.0.0.1:4101/health answered 500."


def test_a_site_that_is_well_after_a_while_passes(tree: Path) -> None:
    warm_up = "globalThis.asked = (globalThis.asked || 0) + 1; answer.writeHead(asked > 3 ? 204 : 503).end()"
    assert boot(spec(tree, ANSWER.format(warm_up))).passed


def test_health_is_judged_as_configured(tree: Path) -> None:
    server = ANSWER.format("answer.writeHead(request.headers.host === 'shop.test' ? 418 : 404).end('a teapot')")
    check = replace(HEALTH, host="shop.test", status=frozenset({200, 418}), contains="teapot")
    assert boot(spec(tree, server, health=check)).passed
    assert not boot(spec(tree, server, health=replace(check, contains="kettle"), health_timeout=0.6)).passed


@pytest.mark.parametrize(
    "server",
    ["setInterval(() => {}, 1000)", ANSWER.format(""), "for (;;);"],
    ids=["never listens", "never answers", "spins"],
)
def test_a_site_that_hangs_fails(tree: Path, server: str) -> None:
    booted = boot(spec(tree, server, health_timeout=0.6))
    assert not booted.passed
    assert booted.reason.startswith("It was not well within 0.6 s: http://127.0.0.1:4101/health did not answer")


def test_without_a_health_address_it_must_stay_up(tree: Path) -> None:
    assert boot(spec(tree, WELL, health=None)).passed
    booted = boot(spec(tree, "", health=None, soak=20.0))
    assert (booted.passed, booted.reason) == (False, "It ended with status 0 before 20 s were over.")


def test_its_port_may_be_taken_on_this_machine(tree: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as live:
        port = live.getsockname()[1]
        check = HealthCheck(f"http://127.0.0.1:{port}/", contains="from the box")
        server = ANSWER.format("answer.end('from the box')")
        assert boot(spec(tree, server, env={"PORT": str(port)}, health=check)).passed


def test_it_cannot_answer_through_this_machine(tree: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as live:
        port = live.getsockname()[1]
        check = HealthCheck(f"http://127.0.0.1:{port}/")
        booted = boot(spec(tree, "setInterval(() => {}, 1000)", health=check, health_timeout=0.6))
        assert "Connection refused" in booted.reason


def test_its_tree_is_read_only_but_for_its_data(tree: Path) -> None:
    script = """
    const fs = require('fs');
    fs.writeFileSync('uploads/x', ''); console.log(fs.readdirSync('uploads').length);
    try { fs.writeFileSync('y', '') } catch (error) { console.log(error.code) };"""
    booted = boot(replace(spec(tree, script + WELL), scratch=(f"{HERE}/uploads",)))
    assert booted.passed
    assert booted.ran.output == b"1\nEROFS\n"


def test_a_site_in_python_boots(tree: Path) -> None:
    server = """
import http.server, os
class Well(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("", int(os.environ["PORT"])), Well).serve_forever()
"""
    assert boot(spec(tree, server, script="server.py")).passed
    shebang = "#!/usr/bin/env python3\n"
    assert boot(spec(tree, shebang + server, script="server", interpreter="none", mode="fork")).passed


def test_an_interrupted_boot_says_nothing(tree: Path) -> None:
    for health in (HEALTH, None):
        cancel = process.Cancel()
        cancel.throw()
        booted = boot(spec(tree, "setInterval(() => {}, 1000)", health=health, soak=60.0), cancel=cancel)
        cancel.close()
        assert booted.ran.cancelled
        assert not booted.passed


def test_nothing_of_it_is_left(tree: Path) -> None:
    mark = secrets.token_hex(8)
    boot(spec(tree, WELL, args=(mark,)))
    boot(spec(tree, "setInterval(() => {}, 1000)", args=(mark,), health_timeout=0.3))
    ours = Path(f"/proc/{os.getpid()}/cmdline")
    for cmdline in set(Path("/proc").glob("[0-9]*/cmdline")) - {ours}:
        with contextlib.suppress(OSError):
            assert mark.encode() not in cmdline.read_bytes()
