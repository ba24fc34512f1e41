"""Where a running site can be asked how it is: its port, by the kernel's word, and an address that answers now."""

import http.client
import socket
from collections.abc import Collection, Sequence

from msgspec import Struct

from gatekeeper.adopt.theirs import Theirs

_PATHS = ("/health", "/healthz", "/")
_PATIENCE = 3.0
_TELLING = (301, 302, 303, 307, 308, 401, 403)
"""Answers of a site that is well and wants to see something else first."""


class Heard(Struct, frozen=True):
    """The port of a site, and an address that answered; `status` when that is none of 2xx."""

    port: int | None = None
    url: str | None = None
    status: int | None = None


def ports_of(
    sites: Sequence[Theirs], heard: dict[int, list[tuple[str, int]]], shared: list[tuple[str, int]]
) -> dict[str, tuple[str, int]]:
    """Return each site's address: what its PORT says and somebody listens on, else the only one that it can be.

    In cluster mode the daemon listens for all: what is left there belongs to a site only when just one is left too.
    """
    found, silent = dict[str, tuple[str, int]](), list[str]()
    for site in sites:
        own = sorted({one for pid in site.pids for one in heard.get(pid, [])})
        told = [one for one in (own or shared) if str(one[1]) == site.variables.plain.get("PORT")]
        if told or len({port for _, port in own}) == 1:
            found[site.name] = (told or own)[0]
        elif site.mode == "cluster":
            silent.append(site.name)
    taken = {port for _, port in found.values()}
    rest = [one for one in shared if one[1] not in taken]
    if len(silent) == 1 and len({port for _, port in rest}) == 1:
        found[silent[0]] = rest[0]
    return found


def host_of(address: str) -> str:
    """Return where to ask a socket bound to this, as the kernel writes it; one bound to all is asked on loopback."""
    packed = b"".join(bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8))
    if len(packed) == 16 and packed[:12] == b"\0" * 10 + b"\xff\xff":
        packed = packed[12:]
    if not any(packed):
        return "127.0.0.1"
    text = socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
    return f"[{text}]" if ":" in text else text


def ask(host: str, port: int) -> Heard:
    """Ask the usual addresses and return the first that answers well; harmless: each is a GET."""
    second = None
    for path in _PATHS:
        status = _status(host, port, path)
        url = f"http://{host}:{port}{path}"
        if status is not None and 200 <= status < 300:
            return Heard(port, url)
        if status in _TELLING and path == "/":
            second = Heard(port, url, status)
    return second or Heard(port)


def _status(host: str, port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection(host.strip("[]"), port, timeout=_PATIENCE)
    try:
        connection.request("GET", path, headers={"User-Agent": "gatekeeper-adopt"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def answers(host: str, ports: Collection[int]) -> bool:
    """Tell whether somebody takes connections on every one of these ports."""
    for port in ports:
        try:
            socket.create_connection((host.strip("[]"), port), timeout=_PATIENCE).close()
        except OSError:
            return False
    return True
