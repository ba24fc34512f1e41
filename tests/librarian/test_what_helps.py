"""What the Librarian's own decisions say helps, for each code: run as it stands it helps, or a person decides."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from gatehouse import CHECK, Clone, Gatehouse

from gatekeeper.model import Result, State

ROOT = Path(__file__).parents[2]
PAGE, LIST = "sites/shop/page.txt", "sites/shop/list.txt"
DAY = 86400


def asked(gate: Gatehouse, way: str, id_: str, files: dict[str, str | None]) -> Clone:
    """Ask with plain Git, or with request-deploy, whose commit HEAD does not have."""
    clone = gate.clone("agent-one")
    clone.fresh()
    clone.commit(files, f"Do {id_}" if way == "git" else "Work")
    if way == "git":
        assert clone.push(f"HEAD:request/{id_}").status == 0
    else:
        clone.env["PATH"] = f"{ROOT}:{gate.env['PATH']}"
        clone.run("request-deploy", "--surface", "shop", "--intent", f"Do {id_}", "--artifact", "a-1", "--id", id_)
    gate.tick()
    return clone


def helped(gate: Gatehouse, way: str, clone: Clone, id_: str, repair: Callable[[Clone], object]) -> None:
    """Repair, and run what helps as an agent finds it; where Git stops at a conflict, solve it."""
    result = gate.result(id_)
    assert result.reason
    commands = [list(argv) for argv in result.reason.next]
    if way == "tool":
        told = clone.run("request-deploy", "--status", id_, ok=False).stdout
        commands = [["sh", "-c", line] for line in re.findall(r"  next: (.*)", told)]
    assert commands, result
    if len(commands) == 1:
        repair(clone)
    for argv in commands:
        if clone.run(*argv, ok=False).returncode:
            assert "rebase" in " ".join(argv)
            repair(clone)
            clone.git("add", "-A")
            clone.git("-c", "core.editor=true", "rebase", "--continue")
    gate.tick()
    done = gate.result(id_)
    assert (done.state, done.attempt, done.ask.intent) == (State.SHIPPED, result.attempt + 1, result.ask.intent)


def writing(path: str, text: str) -> Callable[[Clone], object]:
    """Return what writes a file and commits it, unless a rebase is under way."""

    def repair(clone: Clone) -> None:
        (clone.folder / path).write_text(text)
        if not (clone.folder / ".git" / "rebase-merge").exists():
            clone.git("commit", "-qa", "--amend", "--no-edit")

    return repair


def nobody_but_a_person(result: Result, code: str) -> None:
    assert result.reason
    assert (result.reason.code, result.reason.next) == (code, ())


@pytest.mark.parametrize("way", ["git", "tool"])
def test_401_is_rebased_solved_and_pushed_with_what_it_was_for(gate: Gatehouse, way: str) -> None:
    first, clone = f"first {gate.version}\n", gate.clone("agent-one")
    clone.commit({LIST: "late\nline 1\n"}, f"Do late-{way}" if way == "git" else "Work")
    gate.clone("agent-two").request(f"early-{way}", {LIST: first + "line 1\n"})
    gate.tick()
    if way == "git":
        assert clone.push(f"HEAD:request/late-{way}").status == 0
    else:
        clone.env["PATH"] = f"{ROOT}:{gate.env['PATH']}"
        ask = ("--surface", "shop", "--intent", f"Do late-{way}", "--artifact", "a-1", "--id", f"late-{way}")
        clone.run("request-deploy", *ask)
    gate.tick()
    assert gate.code(f"late-{way}") == "GATE-401"
    helped(gate, way, clone, f"late-{way}", writing(LIST, first + "late\nline 1\n"))


@pytest.mark.parametrize("way", ["git", "tool"])
def test_402_is_repaired_and_pushed(gate: Gatehouse, way: str) -> None:
    clone = asked(gate, way, f"red-{way}", {PAGE: "BROKEN\n"})
    assert gate.code(f"red-{way}") == "GATE-402"
    helped(gate, way, clone, f"red-{way}", writing(PAGE, f"whole again {way}\n"))


def test_403_is_repaired_and_pushed(gate: Gatehouse) -> None:
    gate.configure(check=CHECK.replace("10s", "4s"))
    clone = asked(gate, "git", "slow", {"sites/web/test.sh": "sleep 600\n"})
    assert gate.code("slow") == "GATE-403"
    helped(gate, "git", clone, "slow", writing("sites/web/test.sh", "true\n"))


@pytest.mark.parametrize("way", ["git", "tool"])
def test_404_is_repaired_and_pushed_also_under_another_id(gate: Gatehouse, way: str) -> None:
    text = f"FAILS WHEN bad {way}\n"
    gate.mood("shop", f"bad {way}")
    clone = asked(gate, way, f"sick-{way}", {PAGE: text})
    assert gate.code(f"sick-{way}") == "GATE-404"
    again = asked(gate, way, f"same-{way}", {PAGE: text})
    assert gate.code(f"same-{way}") == "GATE-404", "the same content, not shipped again"
    helped(gate, way, again, f"same-{way}", writing(PAGE, f"well {way}\n"))
    clone.fresh()
    (clone.folder / PAGE).write_text(f"better {way}\n")
    clone.git("commit", "-qam", f"Do sick-{way}")
    assert clone.push("--force", f"HEAD:request/sick-{way}").status == 0


def test_405_406_407_and_408_are_a_persons_or_nobodys(gate: Gatehouse) -> None:
    gate.configure('[[hold]]\npaths = ["**/list.txt"]\nreason = "the list is dear to us"\n')
    clone = asked(gate, "git", "dear", {LIST: "all new\n"})
    nobody_but_a_person(gate.result("dear"), "GATE-406")
    assert "gatekeeper approve dear@" in gate.cli("show", "dear", ok=True).stdout
    gate.decide("reject", "dear")
    nobody_but_a_person(gate.result("dear"), "GATE-405")
    clone.request("mine", {PAGE: "mine\n"})
    clone.push(":request/mine")
    gate.tick()
    clone.request("mine", {PAGE: "mine again\n"})
    gate.decide("freeze", message="migration of the database")
    gate.tick()
    nobody_but_a_person(gate.result("mine"), "GATE-408")
    assert "frozen" in gate.cli("show", "mine", ok=True).stdout
    clone.push(":request/mine")
    gate.tick()
    nobody_but_a_person(gate.result("mine"), "GATE-407")


def test_409_goes_on_by_itself(gate: Gatehouse) -> None:
    clone = gate.clone("agent-one")
    clone.request("second", {PAGE: "second\n"}, "Do second\n\nDepends-On: first-one")
    gate.tick()
    nobody_but_a_person(gate.result("second"), "GATE-409")
    gate.clone("agent-two").request("first-one", {"sites/web/page.txt": "first\n"})
    gate.tick()
    assert gate.result("second").state is State.SHIPPED


def test_410_is_rebased_and_pushed_again(gate: Gatehouse) -> None:
    clone = asked(gate, "git", "stale", {PAGE: "BROKEN\n"})
    gate.tick(clock=lambda: time.time() + 15 * DAY)
    assert gate.code("stale") == "GATE-410"
    result = gate.result("stale")
    assert result.reason
    writing(PAGE, "fresh\n")(clone)
    for argv in result.reason.next:
        clone.run(*argv)
    gate.tick(clock=lambda: time.time() + 15 * DAY)
    assert gate.result("stale").state is State.SHIPPED


def test_every_code_of_the_librarian_is_here() -> None:
    text = Path(__file__).read_text()
    for code in range(401, 411):
        assert f'"GATE-{code}"' in text
