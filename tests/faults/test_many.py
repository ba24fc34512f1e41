"""Many requests at once: filing them takes a fixed number of programs, and no kill beside it loses or doubles one."""

import time
from collections import Counter
from collections.abc import Iterator

import pytest
from gatehouse import Gatehouse, build

from faults.crash import clear, start_again, strike
from faults.many import Librarian, at_work, lay
from faults.whole import assert_whole
from gatekeeper.librarian import gates, train
from gatekeeper.librarian.act import act
from gatekeeper.model import FROZEN, State
from gatekeeper.policy.step import Mark, Rest, Restate, next_step
from gatekeeper.repo import facts, frozen, records, report, results
from gatekeeper.repo.frozen import Freeze
from gatekeeper.repo.git import Git
from gatekeeper.repo.once import Once


@pytest.fixture(scope="module")
def young() -> Iterator[Gatehouse]:
    """A gate that is not live yet."""
    with build(("shop", "web")) as gate:
        yield gate


def test_thirty_are_filed_by_as_many_programs_as_three(young: Gatehouse) -> None:
    spent = []
    for name, count in (("first", 1), ("few", 3), ("more", 30)):
        ids = lay(young, name, count, site="shop")
        with at_work(young) as librarian:
            spent.append(librarian.file())
        filed = young.records("filed")[::-1][-count:]
        assert [record.data["id"] for record in filed] == ids, "not in the order of the pushes"
        assert [young.result(id_).sequence for id_ in ids] == [record.sequence for record in filed]
    assert spent[1] == spent[2]


def test_a_full_queue_is_looked_at_by_as_many_programs_as_a_short_one(
    young: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands far behind a line that is full keeps its state; it is judged when the line has moved on."""
    monkeypatch.setattr(train, "_LOOKED_AT", 8)
    spent = []
    for name, count in (("front", 40), ("rear", 60)):
        lay(young, name, count, site="web")
        with at_work(young) as librarian:
            librarian.file()
        with at_work(young) as librarian:
            seen = librarian.look()
            spent.append((len(librarian.processes), len(librarian.hands.mind.memory.merges)))
    assert spent[0] == spent[1]
    assert len(seen.standings) == len(young.open())


def test_each_of_many_is_seen_as_if_it_were_alone(young: Gatehouse) -> None:
    clone = young.clone()
    stacked = [clone.request(f"stack-{n}", {f"sites/web/stack-{n}.txt": f"{n}\n"}) for n in range(2)]
    clone.fresh()
    clone.git("merge", "-q", "--no-ff", "-m", "Merge", stacked[1])
    tips = {"merge": clone.git("rev-parse", "HEAD"), "stack-0": stacked[0], "stack-1": stacked[1], "old": young.release}
    young.git("fetch", "-q", str(clone.folder), tips["merge"])
    policy = {"limits": {"message_bytes": 9999, "request_paths": 99, "request_depth": 9}, "taken_out": []}
    with Git(young.home.repo) as git:
        seen, others = facts.collect_all(git.call, tips, policy)
        together = dict(zip(tips, seen, strict=True))
        for id_, tip in tips.items():
            alone = facts.collect(git.call, id_, tip, policy)
            assert together[id_]._replace(others=alone.others) == alone
            assert alone.others == tuple(other for name, other in others.items() if name != id_)
    assert [commit.oid for commit in together["merge"].commits[:2]] == [tips["merge"], stacked[1]]
    assert together["old"].commits == ()


def test_who_has_too_many_open_is_told_so_within_one_batch(young: Gatehouse) -> None:
    text = young.home.sites_toml.read_text()
    young.home.sites_toml.write_text(f"{text}\n[limits]\nopen_requests = 2\n")
    ids = lay(young, "greedy", 3, site="shop", agents=1)
    with at_work(young) as librarian:
        librarian.file()
    young.home.sites_toml.write_text(text)
    assert [young.code(id_) for id_ in ids] == [None, None, "GATE-304"]


@pytest.mark.parametrize(
    "step", ["before objects", "after objects", "before refs: filed N requests", "after refs: filed N requests"]
)
def test_a_kill_beside_the_filing_of_many(site_gate: Gatehouse, step: str) -> None:
    """None is filed yet, or all are: once each, in the order of their pushes, with the numbers of their records."""
    clear(site_gate)
    start_again(site_gate)
    ids = lay(site_gate, f"killed-{len(site_gate.records())}", 5, site="one")
    assert strike(site_gate, [{"at": step, "do": "kill"}], "tick") < 0
    start_again(site_gate)
    filed = [record for record in site_gate.records("filed")[::-1] if record.data["id"] in ids]
    assert [record.data["id"] for record in filed] == ids
    assert [site_gate.result(id_).sequence for id_ in ids] == [record.sequence for record in filed]
    assert Counter(site_gate.result(id_).state for id_ in ids) == {State.SHIPPED: len(ids)}
    assert_whole(site_gate)


def test_what_a_freeze_makes_of_a_long_queue_is_written_down_at_once(young: Gatehouse) -> None:
    """Not one after the other, where each would have everything looked at anew."""
    ids = lay(young, "frozen", 30, site="shop")
    with at_work(young) as librarian:
        librarian.file()
        stopped(young, librarian)
        step = next_step(seen := librarian.look())
        assert isinstance(step, Restate)
        assert {mark.result.id for mark in step.marks} >= set(ids)
        assert act(librarian.gate, seen, step, librarian.hands) == ()
        assert isinstance(next_step(librarian.look()), Rest)
        young.git("update-ref", "-d", FROZEN)
    assert {young.code(id_) for id_ in ids} == {"GATE-408"}
    queued = [record for record in young.records("queued")[::-1] if record.data["id"] in ids]
    assert [record.data["id"] for record in queued] == ids


def test_those_that_landed_inside_another_lose_their_refs_together(young: Gatehouse) -> None:
    ids = lay(young, "inside", 3, site="shop")
    with at_work(young) as librarian:
        librarian.file()
        seen = librarian.look()
        marks = tuple(Mark(each.result, State.SHIPPED) for each in seen.standings if each.result.id in ids)
        assert act(librarian.gate, seen, Restate(marks), librarian.hands) == ()
    assert not young.open() & set(ids)
    assert [young.result(id_).state for id_ in ids] == [State.SHIPPED] * 3
    assert {record.data["id"] for record in young.records("landed")} == set(ids)


def stopped(gate: Gatehouse, librarian: Librarian) -> None:
    still = frozen.write(librarian.gate.signer, Freeze("for now", stopped=True), at=time.time())
    gate.git("update-ref", FROZEN, still)


@pytest.mark.parametrize(
    "step", ["before objects", "before refs: restated N requests", "after refs: restated N requests"]
)
def test_a_kill_beside_the_restating_of_many(site_gate: Gatehouse, step: str) -> None:
    """Each still says what it said before, or all say what is so now; the records tell it once."""
    clear(site_gate)
    start_again(site_gate)
    ids = lay(site_gate, f"told-{len(site_gate.records())}", 5, site="one")
    with at_work(site_gate) as librarian:
        librarian.file()
        stopped(site_gate, librarian)
    assert strike(site_gate, [{"at": step, "do": "kill"}], "tick") < 0
    after = step.startswith("after")
    assert {site_gate.code(id_) for id_ in ids} == {"GATE-408" if after else None}
    start_again(site_gate)
    assert {site_gate.code(id_) for id_ in ids} == {"GATE-408"}
    assert len([record for record in site_gate.records("queued") if record.data["id"] in ids]) == len(ids)
    site_gate.git("update-ref", "-d", FROZEN)
    start_again(site_gate)
    assert Counter(site_gate.result(id_).state for id_ in ids) == {State.SHIPPED: len(ids)}
    assert_whole(site_gate)


def test_many_refusals_are_recorded_once_though_the_librarian_was_killed_beside_them(site_gate: Gatehouse) -> None:
    """More than the records that a quiet gate looks back at."""
    agent = {"name": "agent-one", "assurance": "claimed", "role": "agent"}
    before = len(site_gate.records("refused"))
    for number in range(300):
        report.note(str(site_gate.home.path), "refused", agent=agent, code="GATE-101", ref=f"refs/heads/x-{number}")
    assert strike(site_gate, [{"at": "before spool: drop", "do": "kill"}], "tick") < 0
    start_again(site_gate)
    assert len(site_gate.records("refused")) == before + 300
    assert_whole(site_gate)


def test_who_looks_at_the_log_reads_no_result(young: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only who judges a push needs to know what rollbacks took out; a result is read once, as it cannot change."""
    lay(young, "unread", 2, site="shop")
    with at_work(young) as librarian:
        librarian.file()
    read = Counter[str]()
    real = results.decode
    monkeypatch.setattr(results, "decode", lambda text: read.update([text]) or real(text))
    monkeypatch.setattr(results, "_READ", Once("commit", results._decode))  # noqa: SLF001
    with gates.for_reading(young.home) as gate:
        assert list(records.walk(gate.git, limit=1))
        assert not read
        assert results.known(gate.git, gate.git.refs()).keys() >= {"unread-0", "unread-1"}
        results.known(gate.git, gate.git.refs())
    assert set(read.values()) == {1}


def test_the_records_that_name_a_request_are_found_without_reading_the_others(
    young: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(young, "named", 3, site="shop")
    with at_work(young) as librarian:
        librarian.file()
    read, real = Counter[str](), records.decode
    monkeypatch.setattr(records, "decode", lambda text: read.update([text]) or real(text))
    with gates.for_reading(young.home) as gate:
        found = list(records.walk(gate.git, words='"named-1"'))
    assert [(one.record.event, one.record.data["id"]) for one in found] == [("filed", "named-1")]
    assert sum(read.values()) == 1
