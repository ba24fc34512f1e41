"""One enforced gate with both doors for the whole suite, and the table of what came of each attack."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from enforced import Enforced, UsersClone, build

from attacks.world import Attacker

_FOUND = pytest.StashKey[list[tuple[int, str, str, str]]]()
_ROW = re.compile(r"test_(\d+)_(\w+)")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--attack-table", help="the file that the table of attack, door and outcome is written to")


World = tuple[Enforced, UsersClone, int]


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with build(keys=True) as gate, gate.sshd() as port:
        clone = gate.clone("codex-1")
        clone.git("update-ref", "refs/start/here", "HEAD")
        clone.git("remote", "add", "gate", gate.address)
        yield gate, clone, port


@pytest.fixture
def gate(world: World) -> Enforced:
    return world[0]


@pytest.fixture(params=["socket", "sshd"])
def attacker(world: World, request: pytest.FixtureRequest) -> Iterator[Attacker]:
    """An attack after which every ref and every object is as before."""
    gate, clone, port = world
    found = Attacker(gate, clone, request.param, port)
    found.fresh()
    before = found.state()
    yield found
    assert found.state() == before
    _keep(request, found)


@pytest.fixture
def local(world: World, request: pytest.FixtureRequest) -> Iterator[Attacker]:
    """An attack at the local door that may leave a request."""
    gate, clone, port = world
    found = Attacker(gate, clone, "socket", port)
    found.fresh()
    protected = found.protected()
    yield found
    for ref in found.gate.refs("refs/heads/request/"):
        if not ref.endswith("/_"):
            found.gate.git("update-ref", "--no-deref", "-d", ref)
    assert found.protected() == protected or "shipped" in found.outcome
    _keep(request, found)


def _keep(request: pytest.FixtureRequest, attacker: Attacker) -> None:
    named = _ROW.match(request.node.name)
    if named is None:
        return
    words = named[2].replace("_", " ")
    shown = attacker.outcome[-1] if attacker.outcome else "no effect"
    request.config.stash.setdefault(_FOUND, []).append((int(named[1]), words, attacker.door, shown))


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("--attack-table", default=None)
    found = session.config.stash.get(_FOUND, [])
    if path is None or session.testsfailed:
        return
    rows: dict[tuple[int, str, str], list[str]] = {}
    for number, words, door, shown in found:
        doors = rows.setdefault((number, words, shown), [])
        doors += [door] if door not in doors else []
    lines = [f"| {n} | {words} | {', '.join(doors)} | {shown} |" for (n, words, shown), doors in sorted(rows.items())]
    Path(path).write_text("\n".join(["| row | attack | door | outcome |", "|---|---|---|---|", *lines, ""]))
    print(f"\n{len(lines)} attacks, {len(found)} times: {path}")  # noqa: T201 - the summary that was asked for
