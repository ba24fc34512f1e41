"""Asks a site's health address and judges the answer as configured. Says nothing about who gave the answer."""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from gatekeeper.model import Version
from gatekeeper.sites.run import HealthCheck, Stamp

_MOST = 64 * 1024
"""Bytes of an answer that are looked at; a longer one is not trusted to be JSON."""

_TIMEOUT = 2.0


def ask(check: HealthCheck, version: Version, *, timeout: float = _TIMEOUT) -> str | None:
    """Ask once; return None when it is well, else what is wrong with it, in a few words.

    The whole exchange ends within about `timeout` seconds, however slowly the answer trickles in.
    """
    body = _well(check, timeout)
    return body if isinstance(body, str) else _wrong_version(_told(body), version, check.url)


def ask_engine(url: str, stamp: Stamp, *, timeout: float) -> str | None:
    """Ask whoever runs sites elsewhere; an answer that does not say of what it speaks is not counted as well."""
    body = _well(HealthCheck(url), timeout)
    if isinstance(body, str):
        return body
    said = _told(body)
    if "commit" not in said and "version" not in said:
        return f"{url} reports neither a commit nor a version, so nobody can tell of which it speaks"
    if "commit" in said and said["commit"] != stamp.commit:
        return f"{url} reports commit {_plain(str(said['commit']))}, not {stamp.commit}"
    return _wrong_version(said, stamp.version, url)


def answers(url: str, *, timeout: float) -> str | None:
    """Return why nothing at all comes from an address, or None when something does, whatever it is."""
    found = _tried(HealthCheck(url), timeout)
    return found if isinstance(found, str) else None


def _well(check: HealthCheck, timeout: float) -> bytes | str:
    """Return the body of a good answer, nothing of one that is too long, or what is wrong."""
    found = _tried(check, timeout)
    if isinstance(found, str):
        return found
    status, body, whole = found
    if status not in check.status if check.status is not None else not 200 <= status < 300:
        return f"{check.url} answered {status}"
    if check.contains is not None and check.contains.encode() not in body:
        return f'the answer of {check.url} does not contain "{check.contains}"'
    return body if whole else b""


def _tried(check: HealthCheck, timeout: float) -> tuple[int, bytes, bool] | str:
    try:
        return _get(check, timeout)
    except TimeoutError:
        return f"{check.url} did not answer within {timeout:g} s"
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return f"{check.url} did not answer: {_plain(str(problem) or type(problem).__name__)}"


def _get(check: HealthCheck, timeout: float) -> tuple[int, bytes, bool]:
    """Return status, the first bytes, and whether these are all."""
    parts = urlsplit(check.url)
    with closing(_connection(parts.scheme, parts.hostname or "", parts.port, timeout)) as connection:
        connection.connect()
        with _deadline(connection.sock, timeout):
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            headers = {"Connection": "close", "User-Agent": "gatekeeper"}
            connection.request("GET", path, headers=headers | ({"Host": check.host} if check.host else {}))
            response = connection.getresponse()
            body = response.read(_MOST + 1)
        if len(body) <= _MOST and response.length:  # read(n) says nothing of a body that was cut short
            raise http.client.IncompleteRead(body, response.length)
        return response.status, body[:_MOST], len(body) <= _MOST


@contextmanager
def _deadline(wire: socket.socket, seconds: float) -> Iterator[None]:
    """Hang up after `seconds`, and then raise TimeoutError: a socket's own time-out begins anew at each byte."""
    over = threading.Event()

    def hang_up() -> None:
        over.set()
        with suppress(OSError):
            wire.shutdown(socket.SHUT_RDWR)

    watchdog = threading.Timer(seconds, hang_up)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
        if over.is_set():
            raise TimeoutError


def _connection(scheme: str, host: str, port: int | None, timeout: float) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=timeout)


def _told(body: bytes) -> dict[str, Any]:
    """Return the JSON object that an answer is; an empty one when it is anything else."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _wrong_version(said: Mapping[str, Any], version: Version, url: str) -> str | None:
    if "version" not in said:
        return None
    reported = said["version"]
    if isinstance(reported, str) and reported.removeprefix("v") == version.removeprefix("v"):
        return None
    return f"{url} reports version {_plain(str(reported))}, not {version}"


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:120])
