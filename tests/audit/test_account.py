"""What the records add up to, where a whole gate would be slow to bring it about."""

from typing import Any

from gatekeeper.audit.account import account
from gatekeeper.audit.chain import Link
from gatekeeper.audit.stored import Stored
from gatekeeper.model import Actor, Assurance, Oid
from gatekeeper.repo.ledger import LIBRARIAN
from gatekeeper.repo.records import Record

KIM = Actor("kim", Assurance.KERNEL, "operator")
NOTHING = Stored(Oid("0" * 40), "commit", {}, "", b"", b"", intact=True)


def links(*told: tuple[str, Actor, dict[str, Any]]) -> list[Link]:
    records = [
        Record(event, f"{event} it", number, f"2026-11-{number:02}T12:00:00Z", actor, "advisory", data)
        for number, (event, actor, data) in enumerate(told, 1)
    ]
    return [Link(NOTHING, record, record.sequence) for record in records]


FILED = {"id": "fix-1", "tip": "a" * 40, "attempt": 1, "surfaces": ["shop"], "intent": "Sell", "artifact": "b-1"}
SHIPPED = {"version": "v0.1.1", "commit": "c" * 40, "tree": "d" * 40, "requests": [{"id": "fix-1", "tip": "a" * 40}]}


def test_a_request_that_a_person_filed_again_is_still_its_agents() -> None:
    again = {"id": "fix-1", "tip": "e" * 40, "attempt": 2, "decision": "k", "verb": "retry", "message": "innocent"}
    taken = {"version": "v0.1.2", "commit": "f" * 40, "tree": "d" * 40, "takes_out": ["fix-1"], "by": "kim"}
    found = account(
        links(
            ("filed", Actor("codex-1"), FILED),
            ("shipped", LIBRARIAN, SHIPPED),
            ("shipped", LIBRARIAN, {**taken, "decision": "j", "cause": "rollback"}),
            ("filed", KIM, again),
        )
    )
    assert [(line.outcome, line.agent, line.intent) for line in found.requests] == [
        ("rolled back", "codex-1", "Sell"),
        ("filed", "codex-1", "Sell"),
    ]
    assert [(line.who, line.what) for line in found.decisions] == [("kim", "rollback"), ("kim", "retry")]


def test_refusals_are_counted_also_those_that_were_only_counted() -> None:
    found = account(
        links(
            ("refused", Actor("codex-1"), {"code": "GATE-101"}),
            ("refused", Actor("codex-2"), {"code": "GATE-101"}),
            ("refused", LIBRARIAN, {"count": 250}),
            ("filed", Actor("codex-1"), FILED),
            ("rejected", KIM, {"id": "fix-1", "tip": "a" * 40, "decision": "k", "message": "not now"}),
        )
    )
    assert dict(found.refused) == {"GATE-101": 2, "GATE-405": 1, "not kept one by one": 250}
    assert (found.requests[0].outcome, found.requests[0].reason, found.requests[0].decided_by) == (
        "rejected",
        "not now",
        "kim",
    )


def test_a_request_counts_where_it_was_filed_and_a_release_where_it_went_live() -> None:
    told = links(("filed", Actor("codex-1"), FILED), ("shipped", LIBRARIAN, SHIPPED))
    found = account(told, first="2026-11-02")
    assert found.requests == ()
    assert [line.intent for release in found.releases for line in release.requests] == ["Sell"]
    assert account(told, last="2026-11-01T23:59:59Z").releases == ()


def test_the_persons_of_the_newest_configuration() -> None:
    toml = '[agents.codex-1]\nowner = "kim"\n'
    found = account(links(("configured", LIBRARIAN, {"effective": ""}), ("configured", LIBRARIAN, {"effective": toml})))
    assert found.owners == (("codex-1", "kim"),)
