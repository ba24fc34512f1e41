"""What is remembered from one heartbeat to the next is what a Librarian that knows nothing would find out."""

import gc
import subprocess
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from faults.many import lay
from gatehouse import Gatehouse, build

from gatekeeper.commands.run import heed_signals
from gatekeeper.errors import GateError
from gatekeeper.gate import Gate
from gatekeeper.librarian import gates, loop, opening
from gatekeeper.librarian.beat import Beat
from gatekeeper.librarian.door import ourselves
from gatekeeper.librarian.memory import Memory
from gatekeeper.librarian.observe import observe
from gatekeeper.librarian.recollection import Recollection
from gatekeeper.model import Decision, State
from gatekeeper.process import Cancel
from gatekeeper.repo import spool
from gatekeeper.repo.ledger import utc
from gatekeeper.repo.lock import Lock

HOLD = '[[hold]]\npaths = ["**/*.sql"]\nreason = "a migration"\n'
ONE, TWO = (f'[agents.{name}]\nowner = "kim"\n' for name in ("agent-one", "agent-two"))


@dataclass
class Living:
    """A Librarian that goes on from heartbeat to heartbeat, as `gatekeeper run` does."""

    gate: Gatehouse
    held: Lock
    memory: Memory = field(default_factory=Memory)

    def beat(self, *, verb: str | None = None) -> int:
        """Do one heartbeat, with a decision of the operator's; return how many programs it ran."""
        if verb is not None:
            decision = Decision(spool.new_key(), verb, ourselves(), utc(time.time()), "because", None, {})
            spool.decide(self.gate.home.spool, decision)
        with closing(Cancel()) as brake, pytest.MonkeyPatch.context() as patch:
            started, popen = list[object](), subprocess.Popen

            def counted(*args: Any, **options: Any) -> "subprocess.Popen[bytes]":
                started.append(args)
                return popen(*args, **options)

            patch.setattr("gatekeeper.process.subprocess.Popen", counted)
            loop.beat_once(self.gate.home, self.held, brake, self.gate.told.append, memory=self.memory)
        return len(started)

    def remembered(self) -> list[object]:
        with gates.opened(self.gate.home, self.held) as (opened, _), self.memory.during(opened):
            return told(opened, self.memory)

    def afresh(self) -> list[object]:
        """What a process finds that remembers nothing, and has no folder for its merges."""
        with gates.for_reading(self.gate.home) as opened:
            return told(opened, Memory())


def told(opened: Gate, memory: Memory) -> list[object]:
    seen = observe(opened, Recollection(memory)).standings
    return [(one.result.id, one.state, one.reason, one.rests_on) for one in seen]


@pytest.fixture
def living() -> Iterator[Living]:
    """Two sites of files, live, and frozen."""
    with build(("one", "two")) as gate:
        gate.only_files()
        gate.tick()
        with opening.locked(gate.home) as held:
            living = Living(gate, held)
            living.beat(verb="freeze")
            yield living


def test_what_is_remembered_is_what_would_be_found_after_every_change(living: Living) -> None:
    gate, toml = living.gate, living.gate.home.sites_toml
    one, two, plain = gate.clone("agent-one"), gate.clone("agent-two"), toml.read_text()
    met = set[State]()

    def compare(what: str, *, verb: str | None = None) -> None:
        living.beat(verb=verb)
        found = living.remembered()
        assert found == living.afresh(), what
        met.update(gate.result(id_).state for id_ in gate.open())

    one.request("plain", {"sites/one/a.txt": "a\n"})
    two.request("sql", {"sites/two/a.sql": "a\n"})
    two.request("clash", {"sites/one/page.txt": "theirs\n"})
    one.request("clash-too", {"sites/one/page.txt": "ours\n"})
    compare("four requests")
    merged = dict(living.memory.merges)
    compare("nothing")
    assert living.memory.merges == merged
    assert merged
    toml.write_text(plain + HOLD)
    compare("a hold")
    toml.write_text(plain + ONE)
    compare("an agent that is listed no more")
    toml.write_text(plain + ONE + TWO + 'surfaces = ["one"]\n')
    compare("an agent that may not touch a surface any more")
    toml.write_text(plain)
    compare("all as before")
    assert merged.items() <= living.memory.merges.items(), "what was merged is not a matter of sites.toml"
    one.request("plain", {"sites/one/a.txt": "b\n", "sites/two/a.sql": "b\n"})
    compare("another tip")
    compare("another release", verb="thaw")
    assert not set(merged) & set(living.memory.merges)
    compare("frozen again", verb="freeze")
    one.request("last", {"sites/one/page.txt": "last\n"})
    compare("one more")
    assert {State.QUEUED, State.BLOCKED} <= met


def test_a_heartbeat_costs_what_is_new_and_not_what_is_open(living: Living) -> None:
    spent = []
    for name, count in (("few", 3), ("more", 30)):
        lay(living.gate, name, count, site="one")
        living.beat()
        spent.append(living.beat())
    assert spent[0] == spent[1]


def test_nothing_is_believed_after_a_heartbeat_that_failed(living: Living) -> None:
    lay(living.gate, "some", 3, site="one")
    living.beat()
    for path in [path for path in living.gate.home.trial.rglob("*") if path.is_file()]:
        path.unlink()
    lay(living.gate, "more", 3, site="one")
    with pytest.raises(GateError):
        living.beat()
    living.beat(verb="thaw")
    assert living.gate.open() == set()
    assert not living.gate.git("fsck", "--connectivity-only", "--no-dangling")


def test_what_lies_in_the_folder_at_a_start_is_not_believed(living: Living) -> None:
    lay(living.gate, "some", 3, site="one")
    living.beat()
    left = [path for path in living.gate.home.trial.rglob("*") if path.is_file()]
    assert left
    for path in left:
        path.chmod(0o600)
        path.write_bytes(b"")  # as a power cut leaves what was never synced
    Living(living.gate, living.held).beat(verb="thaw")
    assert living.gate.open() == set()
    assert not living.gate.git("fsck", "--connectivity-only", "--no-dangling")


class Knot:
    """Holds itself, so that only the collector of cycles can end it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_a_heartbeat_leaves_in_cycles_goes_while_the_librarian_rests(
    gate: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, real = threading.Event(), loop.beat_once

    def untidy(*args: Any, **more: Any) -> Beat:
        knot = Knot()
        weakref.finalize(knot, gone.set)
        gc.collect()  # it is old now: only a full collection looks at it again
        return real(*args, **more)

    monkeypatch.setattr(loop, "beat_once", untidy)
    with opening.locked(gate.home) as held, heed_signals() as bell:
        living = threading.Thread(target=loop.run, args=(gate.home, held, bell, gate.told.append))
        living.start()
        try:
            assert gone.wait(60)
        finally:
            bell.end()
            living.join()
