"""What systemd hears of the Librarian, on a real datagram socket; and that one which hangs falls silent."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gatehouse import Gatehouse, librarian, until

from gatekeeper.librarian import pulse

_SILENCE = 3.0
_PATIENCE = 60.0


@contextmanager
def listening(place: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(place)
        ear.settimeout(_PATIENCE)
        yield ear


def heard(ear: socket.socket, word: str) -> str:
    """Return the next datagram that holds the word."""
    while word not in (said := ear.recv(4096).decode()):
        pass
    return said


def drained(ear: socket.socket) -> None:
    ear.setblocking(False)
    try:
        while ear.recv(4096):
            continue
    except BlockingIOError:
        ear.settimeout(_SILENCE)


def test_ready_alive_hanging_and_stopping(gate: Gatehouse, tmp_path: Path) -> None:
    place = f"{gate.root}/notify"
    gate.env["NOTIFY_SOCKET"] = place
    try:
        with listening(place) as ear, librarian(gate) as process:
            assert "the first heartbeat is under way" in heard(ear, "READY=1")
            assert heard(ear, "at rest; next heartbeat at ").startswith("WATCHDOG=1\n")
            assert heard(ear, "WATCHDOG=1") == "WATCHDOG=1"  # the loop, waiting
            draft, text = gate.root / "fifo", gate.home.sites_toml.read_bytes()
            os.mkfifo(draft)
            draft.rename(gate.home.sites_toml)  # whoever reads it hangs: the Librarian's main thread
            with gate.home.sites_toml.open("wb") as pipe:  # opens when it does
                drained(ear)
                with socket.socket(socket.AF_UNIX) as line:  # its door, a thread of its own, is open all the same
                    line.connect(str(gate.home.door))
                    line.sendall(b"{}\n")
                    assert line.recv(1) == b""
                with pytest.raises(TimeoutError):
                    ear.recv(4096)
                new = gate.root / "new.toml"
                new.write_bytes(text)
                new.rename(gate.home.sites_toml)
                pipe.write(text)
            ear.settimeout(_PATIENCE)
            heard(ear, "at rest")
            process.terminate()
            assert heard(ear, "STOPPING=1")
            until(process, "has stopped")
    finally:
        del gate.env["NOTIFY_SOCKET"]


def test_an_abstract_address_and_a_status_of_two_lines() -> None:
    with listening("\0gate-pulse-test") as ear:
        pulse.speak_to("@gate-pulse-test")
        try:
            pulse.at("one\nREADY=1")
        finally:
            pulse.speak_to(None)
        assert ear.recv(4096).decode() == "WATCHDOG=1\nSTATUS=one READY=1"
        pulse.ready("nobody listens")
        ear.setblocking(False)
        with pytest.raises(BlockingIOError):
            ear.recv(1)


def test_a_listener_that_is_gone_stops_nobody() -> None:
    pulse.speak_to("/nowhere/notify")
    try:
        pulse.alive()
    finally:
        pulse.speak_to(None)
