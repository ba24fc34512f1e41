"""Workers that hang, lie, have other tools or no sandbox: each costs a try elsewhere, and none gives a verdict."""

import os
import stat
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from gatehouse import Gatehouse, free_ports

from gatekeeper.model import Outcome, Verdict
from gatekeeper.verify.cluster import Away
from gatekeeper.verify.line import Line, Pending
from gatekeeper.verify.run import Interrupted

from .crew import Crew, Worker, crew
from .site import Pipes, asking, check, configure

GREEN = check("green", "test -e sites/web/page.txt", timeout="5s")
LIES = {
    "another tree": "It answered about another tree than it was asked about.",
    "another key": "It answered another question than it was asked.",
    "an old answer": "It answered another question than it was asked.",
    "other tools": "It answered with other tools than the gate's.",
    "impossible": "It answered what cannot be.",
    "both": "It answered what cannot be.",
    "garbage": "It answered what is no answer:",
    "too much": "It answered what is no answer: it is longer than",
    "no bytes": "It sent no bytes.",
    "nothing": "It answered another question than it was asked.",
}


@pytest.fixture(scope="module")
def honest(team: Crew) -> Worker:
    return team.hire(port=max(free_ports(8), key=str))


def programs(folder: Path, **scripts: str) -> Path:
    """Make a folder of programs that a worker finds before all others."""
    folder.mkdir()
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


def first(honest: Worker) -> int:
    """Return a port whose worker is asked before the honest one: of two alike the least address is."""
    return min((port for port in free_ports(8) if f"tcp://127.0.0.1:{port}" < honest.address), key=str)


@pytest.mark.parametrize("lie", LIES)
def test_a_worker_that_lies_gives_no_verdict(
    site: Gatehouse, team: Crew, honest: Worker, lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(site, team.address, GREEN)
    asks = Line.asking

    def listen(line: Line, worker: str, question: bytes) -> AbstractContextManager[Pending]:
        asked_of.append(worker)
        return asks(line, worker, question)

    monkeypatch.setattr(Line, "asking", listen)
    asked_of = list[str]()
    liar = team.hire(port=first(honest), lie=lie)
    try:
        with asking(site) as asked:
            verdict = asked.ask("green")
            assert isinstance(verdict, Verdict)
            assert verdict.sandbox.endswith(f" on {honest.address}")
            wrong = asked.wrong()
            assert (set(wrong), wrong[liar.address].code) == ({liar.address}, "GATE-504")
            assert wrong[liar.address].why.startswith(LIES[lie])
            assert liar.address in asked_of
            asked_of.clear()
            assert isinstance(asked.ask("green"), Verdict)
            assert asked_of == [honest.address], "it costs one try, not one each time"
            assert asked.wrong() == wrong
    finally:
        liar.kill()


def test_what_a_worker_has_somebody_unpickle_reaches_nothing_of_the_gate(
    site: Gatehouse, team: Crew, honest: Worker
) -> None:
    """Dask unpickles what a task returns: in a process that sees neither this folder nor any other of the gate."""
    places = site.root / "exploded", Path("/tmp", f"{site.root.name}-exploded")
    for sandbox, place in zip(("bubblewrap", "none"), places, strict=True):
        configure(site, team.address, GREEN, verify=f'sandbox = "{sandbox}"')
        bomber = team.hire(port=first(honest), lie=str(place))
        try:
            with asking(site) as asked:
                assert isinstance(asked.ask("green"), Verdict)
                assert bomber.address in asked.wrong()
        finally:
            bomber.kill()
    assert not places[0].exists()
    assert places[1].exists(), "without a sandbox it does explode: the first part would show it"
    places[1].unlink()


@pytest.mark.parametrize(
    ("program", "script", "why"),
    [
        ("node", "echo v1.0.0", "Its toolchain says something else than the gate's."),
        ("bwrap", "echo bwrap 0.1", "GATE-505"),
        ("git", "exit 1", "git"),
    ],
)
def test_a_worker_with_other_tools_or_without_a_sandbox_gives_no_verdict(
    site: Gatehouse, team: Crew, honest: Worker, tmp_path: Path, program: str, script: str, why: str
) -> None:
    configure(site, team.address, GREEN)
    poor = team.hire(port=first(honest), path=programs(tmp_path / "bin", **{program: script}))
    try:
        with asking(site) as asked:
            verdict = asked.ask("green")
            assert isinstance(verdict, Verdict)
            assert verdict.sandbox.endswith(f" on {honest.address}")
            assert asked.wrong()[poor.address].why.startswith(why)
    finally:
        poor.kill()


def test_when_only_a_liar_is_left_there_is_no_verdict_at_all(site: Gatehouse) -> None:
    with crew(site.root / "crew-of-liars") as liars:
        configure(site, liars.address, GREEN)
        for _ in range(4):
            liars.hire(lie="garbage")
        with asking(site) as asked:
            said = asked.ask("green")
            assert isinstance(said, Away)
            assert said.why.startswith("3 workers were asked in vain; tcp://")
            wrong = asked.wrong()
            assert wrong["scheduler"] == said
            assert len(wrong) == 4


def test_a_worker_that_hangs_costs_a_try_elsewhere(site: Gatehouse, team: Crew, honest: Worker, pipes: Pipes) -> None:
    slow = check("slow", f"echo began > {pipes.folder}/began; cat {pipes.folder}/go", timeout="2s")
    configure(site, team.address, slow, GREEN, verify=f'read_only = ["{pipes.folder}"]')
    other = team.hire(port=first(honest))
    try:
        with asking(site, margin=10.0) as asked:
            for _ in range(2):
                assert isinstance(asked.ask("green"), Verdict)  # both are at work, the one after the other
            with asked.beside("slow") as said:
                pipes.await_began()
                other.stop()
                pipes.await_began()  # from the honest one
                pipes.let_go()
            (verdict,) = said
            assert isinstance(verdict, Verdict)
            assert (verdict.outcome, verdict.sandbox.endswith(honest.address)) == (Outcome.PASSED, True)
            assert asked.wrong()[other.address].why == "It did not answer within 12 seconds."
    finally:
        other.kill()


@pytest.mark.parametrize("how", ["cancel", "end of the line"])
def test_a_check_that_nobody_waits_for_ends_on_the_worker(
    site: Gatehouse, team: Crew, honest: Worker, pipes: Pipes, how: str
) -> None:
    """Whether the planner cancels it or the Librarian is gone; the pipe closes when the last of its processes ends."""
    ours = pipes.folder
    slow = check("slow", f"exec 3> {ours}/held; echo began > {ours}/began; sleep 1000", timeout="1000s")
    configure(site, team.address, slow, verify=f'read_only = ["{ours}"]')
    held = os.open(ours / "held", os.O_RDONLY | os.O_NONBLOCK)
    with asking(site) as asked, asked.beside("slow") as said:
        pipes.await_began()
        assert stat.S_ISFIFO(os.fstat(held).st_mode)
        if how == "cancel":
            asked.cancel.throw()
        else:
            asked.cluster.close()
        os.set_blocking(held, True)
        assert os.read(held, 1) == b""
        os.close(held)
    assert isinstance(said[0], Interrupted if how == "cancel" else Away)
