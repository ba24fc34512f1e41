"""What comes over a steward's socket is bounded and believed of one site only."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from gatekeeper.errors import GateError
from gatekeeper.model import Oid, SiteName, Version
from gatekeeper.sites import wire
from gatekeeper.sites.remote import SOCKET, Steward
from gatekeeper.sites.run import HealthCheck, SiteRun, Stamp
from gatekeeper.sites.watch import SiteHealth

from .world import World

STAMP = Stamp(Version("v1.0.0"), Oid("0" * 40))
RUN = SiteRun(SiteName("shop"), Path("/g/live/current/shop"), Path("/g/live/current/shop/server.js"))
ASKED = (
    wire.Preflight(RUN, (7,)),
    wire.Reload(RUN, STAMP, (SiteName("shop"),)),
    wire.Judge(
        SiteRun(RUN.name, RUN.cwd, RUN.script, health=HealthCheck("http://x/", status=frozenset({204}))),
        STAMP,
        Path("/g"),
    ),
    wire.Converge(RUN, STAMP, Path("/g"), None),
    wire.Observe(),
    wire.Dismiss(),
    wire.Furnish(Path("/g/x"), "v1", ("data",), ("tmp",)),
    wire.Migrate(RUN, STAMP, ("node", "m.js"), Path("/g/x")),
)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: type(asked).__name__)
def test_a_call_is_read_as_it_was_written(asked: wire.Asked) -> None:
    call = wire.Call(wire.FORMAT, SiteName("shop"), ("pm2",), asked)
    assert wire.call(wire.encode(call)) == call


def test_a_call_with_anything_unknown_is_none() -> None:
    said = json.loads(wire.encode(wire.Call(wire.FORMAT, SiteName("shop"), ("pm2",), wire.Dismiss())))
    for broken in ({**said, "more": 1}, {**said, "asked": {"type": "exec"}}, {**said, "v": "1"}):
        with pytest.raises(ValueError, match=r".") as problem:
            wire.call(json.dumps(broken).encode())
        assert problem.value is not None


class Liar:
    """A steward that answers every call with the same bytes."""

    def __init__(self, folder: Path) -> None:
        self.answer = b""
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(folder / SOCKET))
        self._listener.listen(4)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def says(self, message: bytes) -> None:
        self.answer = len(message).to_bytes(4, "big") + message

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with line, suppress(OSError):
                wire.receive(line, timeout=5.0)
                line.sendall(self.answer)


@pytest.fixture
def liar(world: World) -> Iterator[tuple[Liar, Steward]]:
    folder = world.root / "sites" / "shop"
    folder.mkdir(parents=True)
    with closing(Liar(folder)) as made:
        yield made, Steward(SiteName("shop"), os.geteuid(), folder, ("pm2",))


def answer(result: object) -> bytes:
    return wire.encode(wire.Answer(wire.FORMAT, wire.raw(result)))


def test_of_an_honest_answer_everything_is_taken(liar: tuple[Liar, Steward]) -> None:
    server, steward = liar
    well = SiteHealth(healthy=True, pid=7, version="v1.0.0")
    server.says(answer({"shop": well}))
    assert steward.health(RUN, STAMP, Path("/g")) == {"shop": well}


LIES = {
    "no verdict": answer({}),
    "another site": answer({"blog": SiteHealth(healthy=True)}),
    "another type": answer({"shop": {"healthy": "yes"}}),
    "a number out of all bounds": answer({"shop": {"healthy": True, "pid": 10**400}}),
    "infinity": b'{"v":1,"result":{"shop":{"healthy":true,"pid":Infinity}}}',
    "no JSON": b"\xff",
    "nested too deep": b'{"v":1,"result":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "another format": wire.encode(wire.Answer(99)),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_lie_is_504_and_names_the_site(liar: tuple[Liar, Steward], lie: bytes) -> None:
    server, steward = liar
    server.says(lie)
    with pytest.raises(GateError, match='steward of site "shop" cannot be asked') as problem:
        steward.health(RUN, STAMP, Path("/g"))
    assert problem.value.code == "GATE-504"


def test_more_than_the_bound_is_not_even_read(liar: tuple[Liar, Steward]) -> None:
    server, steward = liar
    server.answer = (wire.LONGEST + 1).to_bytes(4, "big")
    with pytest.raises(GateError, match="too long"):
        steward.health(RUN, STAMP, Path("/g"))


def test_trouble_keeps_its_words_without_control_characters_and_takes_no_other_code(
    liar: tuple[Liar, Steward],
) -> None:
    server, steward = liar
    trouble = wire.Trouble("red \x1b[31m" + "x" * 1000, "GATE-404", ("do\x07 this",))
    server.says(wire.encode(wire.Answer(wire.FORMAT, trouble=trouble)))
    with pytest.raises(GateError) as problem:
        steward.preflight(RUN, leaving=())
    assert (problem.value.code, problem.value.hints) == ("GATE-504", ("do? this",))
    assert problem.value.text == "red ?[31m" + "x" * 491


def test_somebody_else_at_the_socket_is_told_nothing(liar: tuple[Liar, Steward]) -> None:
    _, steward = liar
    other = Steward(steward.site, steward.uid + 1, steward.folder, steward.pm2)
    with pytest.raises(GateError, match="somebody else than user"):
        other.observe(RUN)


def test_a_message_that_trickles_in_ends_at_its_time() -> None:
    near, far = socket.socketpair()
    over = threading.Event()

    def trickle() -> None:
        far.sendall((1000).to_bytes(4, "big"))
        while not over.wait(0.02):
            far.sendall(b"x")

    thread = threading.Thread(target=trickle)
    with near, far:
        thread.start()
        with pytest.raises(TimeoutError):
            wire.receive(near, timeout=0.3)
        over.set()
        thread.join()


def test_it_is_seen_when_who_asked_has_gone() -> None:
    near, far = socket.socketpair()
    with near:
        assert not wire.hung_up(near)
        far.close()
        assert wire.hung_up(near)
