"""Real workers: what they say is a verdict that says where it ran, and what they were sent is not sent again."""

from contextlib import AbstractContextManager

import pytest
from gatehouse import Gatehouse

from gatekeeper.model import Outcome, Verdict
from gatekeeper.verify.line import Line, Pending

from .crew import Crew, Worker
from .site import Pipes, asking, check, configure

GREEN = check("green", "grep -q web page.txt".replace("page.txt", "sites/web/page.txt"))
RED = check("red", "echo said; exit 3")
LATE = check("late", "sleep 1000", timeout="1s")
ELSEWHERE = check("elsewhere", "test ! -e lib/words.txt && test -e sites/web/server.js")
LIBRARY = check("library", "test -e lib/words.txt", paths='"lib", "sites/web/page.txt"')
WHOLE = check("whole", "test -e lib/words.txt && test -e sites/web/page.txt", paths='"."')


@pytest.fixture(scope="module")
def two(team: Crew) -> tuple[Worker, Worker]:
    return team.hire(), team.hire()


def test_what_workers_say_is_a_verdict_and_says_where_it_ran(
    site: Gatehouse, team: Crew, two: tuple[Worker, Worker]
) -> None:
    configure(site, team.address, GREEN, RED, LATE, ELSEWHERE, LIBRARY, WHOLE)
    said = {}
    with asking(site) as asked:
        for name in ("green", "red", "late", "elsewhere", "library", "whole", "boot of web"):
            verdict = asked.ask(name)
            assert isinstance(verdict, Verdict), (name, verdict)
            said[name] = verdict
        assert asked.wrong() == {}
    passed = {name for name, verdict in said.items() if verdict.outcome is Outcome.PASSED}
    assert passed == {"green", "elsewhere", "library", "whole", "boot of web"}
    assert (said["red"].outcome, said["late"].outcome) == (Outcome.FAILED, Outcome.TIMED_OUT)
    assert said["red"].excerpt == "said\nIt ended with status 3."
    assert (site.home.logs / said["red"].log).read_text() == "said\n\nIt ended with status 3.\n"
    assert {verdict.sandbox.partition(" on ")[2] for verdict in said.values()} <= {one.address for one in two}
    assert all(verdict.sandbox.startswith("bubblewrap (") for verdict in said.values())


def test_a_tree_is_sent_once_and_then_only_what_is_new(site: Gatehouse, team: Crew, two: tuple[Worker, Worker]) -> None:
    configure(site, team.address, ELSEWHERE, GREEN, WHOLE)
    clone = site.clone()
    big = clone.commit({"sites/web/big.bin": "".join(f"{number**5:x}\n" for number in range(60_000))})
    small = clone.commit({"sites/web/page.txt": "web again\n"})
    site.git("fetch", "-q", str(clone.folder), "HEAD:refs/heads/request/sent")
    with asking(site) as asked:
        sent = []
        for name, rev in (("green", big), ("elsewhere", big), ("green", small), ("green", big)):
            for _ in two:  # the idle worker that lacks nothing is asked first
                assert isinstance(asked.ask(name, rev=rev), Verdict)
            sent.append(asked.cluster.sent)
    assert sent[0] > 200_000
    assert sent[1] == sent[0]
    assert 0 < sent[2] - sent[1] < 2_000
    assert sent[3] == sent[2]
    with asking(site) as again:  # another Librarian asks the workers what they have
        assert isinstance(again.ask("green", rev=big), Verdict)
        assert again.cluster.sent in {0, sent[0]}


def test_no_secret_goes_to_a_worker_and_none_that_it_prints_is_kept(
    site: Gatehouse, team: Crew, two: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.home.var / "env").mkdir()
    (site.home.var / "env" / "web").write_text("TOKEN=abc-def-ghi\n")
    verify = f'[verify]\nexecutor = "{team.address}"\n'
    secret = {"web": 'env_file = "var/env/web"\nboot_env = { EXTRA = "in the open" }'}
    site.configure(verify, check=check("tells", "printf %s-%s-%s abc def ghi"), sites=secret)
    sent, asks = list[bytes](), Line.asking

    def listen(line: Line, worker: str, question: bytes) -> AbstractContextManager[Pending]:
        sent.append(question)
        return asks(line, worker, question)

    monkeypatch.setattr(Line, "asking", listen)
    with asking(site) as asked:
        tells, boot = asked.ask("tells"), asked.ask("boot of web")
    assert isinstance(tells, Verdict)
    assert isinstance(boot, Verdict)
    assert (site.home.logs / tells.log).read_text() == "[secret]"
    assert b"in the open" in b"".join(sent)
    assert b"abc-def-ghi" not in b"".join(sent)


def test_a_worker_that_is_killed_costs_a_try_elsewhere(
    site: Gatehouse, team: Crew, two: tuple[Worker, Worker], pipes: Pipes
) -> None:
    slow = check("slow", f"echo began > {pipes.folder}/began; cat {pipes.folder}/go")
    configure(site, team.address, slow, verify=f'read_only = ["{pipes.folder}"]')
    third = team.hire()
    with asking(site) as asked:
        with asked.beside("slow") as said:
            pipes.await_began()
            (first,) = (worker for worker in (*two, third) if worker.busy)
            first.kill()
            pipes.await_began()
            (second,) = (worker for worker in (*two, third) if worker is not first and worker.busy)
            pipes.let_go()
        (verdict,) = said
        assert isinstance(verdict, Verdict)
        assert (verdict.outcome, verdict.sandbox.partition(" on ")[2]) == (Outcome.PASSED, second.address)
        assert set(asked.wrong()) == {first.address}
        assert (site.home.logs / verdict.log).read_text() == "on\n"
