import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.sites.rpc import Answer, Call, Rpc, fits, frame, unframe


def test_a_frame_is_taken_only_when_it_is_whole() -> None:
    sent = frame({"type": "call", "args": [{"id": 1}]}, "gate:0")
    buffer = bytearray()
    for byte in sent[:-1]:
        buffer.append(byte)
        assert unframe(buffer) is None
    buffer += sent[-1:] + b"\x12"
    assert unframe(buffer) == [{"type": "call", "args": [{"id": 1}]}, "gate:0"]
    assert buffer == b"\x12"


def test_a_frame_is_written_as_pm2_reads_it() -> None:
    assert frame({"a": "é"}, "id") == b'\x12\x00\x00\x00\x11j:{"a": "\\u00e9"}\x00\x00\x00\x04s:id'


def test_a_socket_path_has_107_bytes_at_most() -> None:
    assert fits(Path("/" + "a" * 106))
    assert not fits(Path("/" + "a" * 107))
    assert not fits(Path("/" + "é" * 60))


class Daemon:
    """Answers calls in any order it is told to: its script gets (calls so far) and returns what to send."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread: threading.Thread | None = None

    def serve(self, count: int, order: list[int], *, refuse: frozenset[int] = frozenset()) -> None:
        self._thread = threading.Thread(target=self._serve, args=(count, order, refuse))
        self._thread.start()

    def _serve(self, count: int, order: list[int], refuse: frozenset[int]) -> None:
        peer, _ = self._listener.accept()
        with peer:
            buffer = bytearray()
            calls: list[list[Any]] = []
            while len(calls) < count:
                buffer += peer.recv(7)
                while (message := unframe(buffer)) is not None:
                    calls.append(message)
            for place in order:
                body, name = calls[place]
                said = {"error": "no"} if place in refuse else {"args": [body["method"]]}
                for byte in frame(said, name):
                    peer.sendall(bytes([byte]))
            peer.recv(1)

    def close(self) -> None:
        self._listener.close()
        if self._thread:
            self._thread.join()


@pytest.fixture
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    made = Daemon(tmp_path_factory.mktemp("rpc") / "s")
    yield made
    made.close()


def test_answers_are_matched_by_id_in_whatever_order_they_come(daemon: Daemon) -> None:
    daemon.serve(3, [2, 0, 1], refuse=frozenset({1}))
    with Rpc(daemon.path, timeout=5) as rpc:
        answers = rpc.all([Call("a", 1), Call("b", 2), Call("c", 3)], timeout=5)
    assert answers == [Answer("a"), Answer(error="no"), Answer("c")]


def test_a_call_that_is_still_under_way_when_the_daemon_has_read_it_is_none(daemon: Daemon) -> None:
    daemon.serve(4, [1, 3], refuse=frozenset({1}))
    with Rpc(daemon.path, timeout=5) as rpc:
        answers = rpc.post([Call("a", 1), Call("b", 2), Call("c", 3)], timeout=5)
    assert answers == [None, Answer(error="no"), None]


def test_a_silent_daemon_is_an_error_and_not_a_hang(daemon: Daemon) -> None:
    daemon.serve(1, [])
    with Rpc(daemon.path, timeout=5) as rpc, pytest.raises(TimeoutError):
        rpc.all([Call("ping", {})], timeout=0.2)


def test_a_missing_socket_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Rpc(tmp_path / "none", timeout=1)


def test_json_is_plain_for_pm2() -> None:
    assert json.loads(frame(["x"])[7:]) == ["x"]
