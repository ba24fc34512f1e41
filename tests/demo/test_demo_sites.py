"""The six demo sites as the gate will treat them: their tests in a box, and each one started and stopped."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gatekeeper import process

APP = Path(__file__).parents[2] / "demo" / "app"
SITES = ("shop", "shop-admin", "web", "api", "docs", "blog")
USES = {"shop": ("lib",), "web": ("lib",)}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, with the dependencies of `api` built as sites.toml has it."""
    copy = tmp_path_factory.mktemp("demo") / "app"
    shutil.copytree(APP, copy, ignore=shutil.ignore_patterns("node_modules", "uploads"))
    install = ("npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--prefer-offline")
    done = process.run(install, cwd=copy / "sites" / "api", timeout=120)
    assert done.ok, done.errors.decode()
    return copy


@contextmanager
def running(app: Path, site: str) -> Iterator[tuple[subprocess.Popen[bytes], http.client.HTTPConnection]]:
    """Start a site as pm2 does, with a channel for its ready signal, and open a connection that stays open."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    ours, theirs = socket.socketpair()
    gate = {"PORT": str(port), "GATE_VERSION": "v1.2.3", "GATE_SITE": site, "NODE_CHANNEL_FD": str(theirs.fileno())}
    child = subprocess.Popen(
        ("node", "server.js"),
        cwd=app / "sites" / site,
        env={"PATH": os.environ["PATH"], **gate},
        pass_fds=(theirs.fileno(),),
    )
    theirs.close()
    try:
        with closing(ours), closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as line:
            ours.settimeout(20)
            assert ours.recv(100) == b'"ready"\n'
            yield child, line
    finally:
        child.kill()
        child.wait()


def ask(line: http.client.HTTPConnection, path: str) -> tuple[int, str]:
    line.request("GET", path)
    answer = line.getresponse()
    return answer.status, answer.read().decode()


def stop(child: subprocess.Popen[bytes], port: int) -> None:
    """Ask a site to end, as pm2 does; return when it takes no new connection."""
    child.send_signal(signal.SIGINT)
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionError:
            return


@pytest.mark.parametrize("site", SITES)
def test_a_site_answers_and_ends_though_a_connection_is_open(app: Path, site: str) -> None:
    with running(app, site) as (child, line):
        health = json.loads(ask(line, "/health")[1])
        assert health == {"version": "v1.2.3", "site": site, "pid": child.pid}
        status, page = ask(line, "/")
        assert status == 200
        assert site == "api" or ("v1.2.3" in page and page.startswith("<!doctype html>"))
        assert ask(line, "/missing")[0] == (200 if site == "shop-admin" else 404)
        stop(child, line.port)
        assert child.wait(timeout=20) == 0


@pytest.mark.parametrize("site", SITES)
def test_a_site_answers_what_is_on_its_way_when_it_ends(app: Path, site: str) -> None:
    with running(app, site) as (child, line), socket.create_connection(("127.0.0.1", line.port), 10) as late:
        late.sendall(b"GET / HTTP/1.1\r\n")
        assert ask(line, "/health")[0] == 200  # so what was sent before has arrived
        stop(child, line.port)
        late.sendall(b"Host: site\r\n\r\n")
        with late.makefile("rb") as answer:
            head = answer.read().lower()
        assert head.startswith(b"http/1.1 200 ")
        assert b"\r\nconnection: close\r\n" in head
        child.wait(timeout=20)  # with 1 when this machine took longer than the site's patience to get here


@pytest.mark.parametrize("site", SITES)
def test_the_tests_of_a_site_need_no_network_and_nothing_else(app: Path, site: str, tmp_path: Path) -> None:
    for path in (f"sites/{site}", *USES.get(site, ())):
        shutil.copytree(app / path, tmp_path / "tree" / path, symlinks=True)
    box = ("bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
    mounts = ("--tmpfs", "/tmp", "--bind", str(tmp_path / "tree"), "/mnt", "--chdir", f"/mnt/sites/{site}")
    done = process.run((*box, *mounts, "node", "--test", "--test-reporter=tap"), timeout=60)
    assert done.ok, done.text
    passed = re.search(r"^# pass ([1-9][0-9]*)$", done.text, re.MULTILINE)
    assert passed, done.text


def test_the_blog_keeps_what_is_uploaded_and_finishes_what_it_has_begun(app: Path) -> None:
    with running(app, "blog") as (child, line):
        line.putrequest("PUT", "/uploads/photo.jpg")
        line.putheader("Content-Length", "6")
        line.endheaders(b"abc")
        with closing(http.client.HTTPConnection("127.0.0.1", line.port)) as other:
            assert ask(other, "/health")[0] == 200  # so the upload above has been taken up
        stop(child, line.port)
        line.send(b"def")
        assert line.getresponse().status == 201
        assert child.wait(timeout=20) == 0
    assert (app / "sites" / "blog" / "uploads" / "photo.jpg").read_bytes() == b"abcdef"
    with running(app, "blog") as (_, line):
        assert "1 uploaded: photo.jpg" in ask(line, "/")[1]
        line.request("POST", "/uploads/..%2Fescape", body=b"no")
        assert line.getresponse().status == 400


def test_the_lock_file_names_no_registry() -> None:
    lock = (APP / "sites" / "api" / "package-lock.json").read_text()
    assert "resolved" not in lock
    assert lock.count("integrity") == lock.count('"node_modules/')
