"""A small HTTP server that hears alerts and pings, and answers as it is told to."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Heard:
    """What arrived; `status` is what is answered."""

    port: int = 0
    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)
    pings: list[str] = field(default_factory=list)

    @property
    def apprise(self) -> str:
        """The address that Apprise posts to, with a token that nobody may ever be shown."""
        return f"json://127.0.0.1:{self.port}/{SECRET}"

    @property
    def ping(self) -> str:
        return f"http://127.0.0.1:{self.port}/{SECRET}"

    @property
    def titles(self) -> list[str]:
        return [str(message["title"]) for message in self.messages]


SECRET = "s3cret-t0ken"  # noqa: S105 - that is its point


@contextmanager
def listening() -> Iterator[Heard]:
    heard = Heard()

    class Ear(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if heard.status == 200:
                heard.messages.append(body)
            self._answer()

        def do_GET(self) -> None:
            heard.pings.append(self.path)
            self._answer()

        def _answer(self) -> None:
            self.send_response(heard.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ear) as server:
        heard.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield heard
        finally:
            server.shutdown()
            thread.join()
