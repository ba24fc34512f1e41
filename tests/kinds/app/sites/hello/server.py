"""Serves what a package in the virtual environment says."""

import http.server
import os
import sys

import greeting


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{greeting.TEXT} one snake {sys.prefix != sys.base_prefix}".encode())

    def log_message(self, *words: object) -> None:
        pass


http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
