import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gatekeeper.model import Oid, Version
from gatekeeper.sites.health import answers, ask, ask_engine
from gatekeeper.sites.run import HealthCheck, Stamp

V2 = Version("v2.0.0")
Reply = Callable[[BaseHTTPRequestHandler], None]


class Site:
    def __init__(self) -> None:
        self.reply: Reply = plain(200, b"ok")
        self.asked: list[tuple[str, str | None]] = []
        self.over = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, self.headers["Host"]))
                site.reply(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def plain(status: int, body: bytes) -> Reply:
    def reply(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return reply


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"ok"),
        (204, b""),
        (200, b'{"version": "v2.0.0"}'),
        (200, b'{"version": "2.0.0", "pid": 1}'),
        (200, b"[1]"),
        (200, b"[" * 3000),
        (200, b'{"version": "v1"}' + b" " * 65536),
        (200, b"\xff\xfe"),
    ],
)
def test_well(site: Site, status: int, body: bytes) -> None:
    site.reply = plain(status, body)
    assert ask(HealthCheck(site.url), V2) is None


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (500, b"ok", "answered 500"),
        (302, b"", "answered 302"),
        (200, b'{"version": "v1.9.9"}', "reports version v1.9.9, not v2.0.0"),
        (200, b'{"version": "vv2.0.0"}', "reports version"),
        (200, b'{"version": null}', "reports version None"),
        (200, b'{"version": "\\u202ev2"}', "reports version ?v2"),
    ],
)
def test_ill(site: Site, status: int, body: bytes, problem: str) -> None:
    site.reply = plain(status, body)
    assert problem in (ask(HealthCheck(site.url), V2) or "")


def test_statuses_that_are_listed_are_the_only_ones_that_count(site: Site) -> None:
    check = HealthCheck(site.url, status=frozenset({301, 401}))
    site.reply = plain(401, b"")
    assert ask(check, V2) is None
    site.reply = plain(200, b"")
    assert ask(check, V2) == f"{site.url} answered 200"


def test_a_text_must_stand_in_the_first_64_kib(site: Site) -> None:
    check = HealthCheck(site.url, contains="café")
    site.reply = plain(200, "un café".encode())
    assert ask(check, V2) is None
    site.reply = plain(200, b" " * 65536 + "café".encode())
    assert 'does not contain "café"' in (ask(check, V2) or "")


def test_path_query_and_host_are_sent_as_configured(site: Site) -> None:
    assert ask(HealthCheck(site.url + "/health?deep=1", host="shop.example"), V2) is None
    assert site.asked == [("/health?deep=1", "shop.example")]


def test_nobody_there(site: Site) -> None:
    site.close()
    assert "did not answer" in (ask(HealthCheck(site.url), V2) or "")


@pytest.mark.parametrize("drop", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_an_answer_that_trickles_is_cut_off(site: Site, drop: bytes) -> None:
    def trickle(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(drop)
        while not site.over.wait(0.05):
            try:
                request.wfile.write(b"x" if drop else b"")
                request.wfile.flush()
            except OSError:
                return

    site.reply = trickle
    assert "did not answer" in (ask(HealthCheck(site.url), V2, timeout=0.4) or "")


def test_an_answer_that_is_cut_short_is_none(site: Site) -> None:
    def cut(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}")

    site.reply = cut
    assert "did not answer" in (ask(HealthCheck(site.url), V2) or "")


def test_an_endless_answer_is_not_read_to_its_end(site: Site) -> None:
    def flood(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while not site.over.is_set():
                request.wfile.write(b"y" * 8192)
        except OSError:
            return

    site.reply = flood
    assert ask(HealthCheck(site.url), V2) is None


COMMIT, OTHER = Oid("1" * 40), "2" * 40


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (f'{{"commit": "{COMMIT}"}}', None),
        ('{"version": "2.0.0"}', None),
        (f'{{"commit": "{COMMIT}", "version": "v2.0.0"}}', None),
        (f'{{"commit": "{OTHER}"}}', f"reports commit {OTHER}, not {COMMIT}"),
        (f'{{"commit": "{COMMIT[:12]}"}}', f"reports commit {COMMIT[:12]}, not {COMMIT}"),
        (f'{{"commit": "{COMMIT}", "version": "v1.0.0"}}', "reports version v1.0.0, not v2.0.0"),
        (f'{{"commit": null, "version": "v2.0.0", "x": "{COMMIT}"}}', f"reports commit None, not {COMMIT}"),
        ("{}", "reports neither a commit nor a version"),
        ("well", "reports neither a commit nor a version"),
        (f'["{COMMIT}"]', "reports neither a commit nor a version"),
    ],
)
def test_an_engine_must_say_of_what_it_speaks(site: Site, body: str, problem: str | None) -> None:
    site.reply = plain(200, body.encode())
    said = ask_engine(site.url, Stamp(V2, COMMIT), timeout=2)
    assert said is None if problem is None else problem in (said or "")
    site.reply = plain(503, body.encode())
    assert ask_engine(site.url, Stamp(V2, COMMIT), timeout=2) == f"{site.url} answered 503"
    assert answers(site.url, timeout=2) is None, "something is there"


def test_an_engine_that_is_away_is_told_apart_from_one_that_is_ill(site: Site) -> None:
    site.close()
    assert "did not answer" in (answers(site.url, timeout=2) or "")
