"""`gatekeeper status` on a real gate: what needs a person first and how to settle it, and what is new to who looks."""

import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
import pytest
from gatehouse import Gatehouse, build, librarian
from terminal import Terminal, terminal

from gatekeeper.commands.paper import cells

HOLD = '[[hold]]\npaths = ["**/migrations/**"]\nreason = "schema migration"\n'
LONG = "Rework the whole front page of the web site, with a carousel that everybody has asked for since March"


def list_with(word: str) -> str:
    return "".join(f"{word if number == 3 else f'line {number}'}\n" for number in range(20))


@pytest.fixture(scope="module")
def troubled() -> Iterator[Gatehouse]:
    """A gate where a check failed, a request is held, one is in conflict, and two wait for the end of a freeze."""
    with build(("shop", "web")) as gate:
        gate.toml = gate.configure(HOLD)
        gate.tick()
        one, two = gate.clone("agent-one"), gate.clone("agent-two")
        one.request("fails", {"sites/web/page.txt": "BROKEN\n"}, LONG)
        two.request("column", {"sites/shop/migrations/1.sql": "alter\n"}, "Add a column")
        one.request("list-a", {"sites/web/list.txt": list_with("mine")}, "Change the list")
        two.request("list-b", {"sites/web/list.txt": list_with("theirs")}, "Change the list too")
        gate.tick()
        gate.decide("freeze", message="the database\x1b[31m fails over", until="2099-01-01T10:00:00Z")
        one.request("later", {"sites/web/more.txt": "more\n"}, "Wait for the thaw")
        two.request("much-later", {"sites/web/more2.txt": "more\n"}, "Wait as well 中文")
        yield gate


@contextmanager
def at_a_terminal(gate: Gatehouse, *args: str, columns: int = 80, lines: int = 60, **env: str) -> Iterator[Terminal]:
    argv = [sys.executable, "-m", "gatekeeper", "--gate", str(gate.home.path), *args]
    with terminal(argv, {**gate.env, **env}, columns=columns, lines=lines) as found:
        yield found


def seen_by(gate: Gatehouse, name: str) -> str:
    """Return what this person is shown at a terminal, without colours."""
    with at_a_terminal(gate, "status", SUDO_USER=name) as screen:
        return click.unstyle(screen.rest()).replace("\r\n", "\n")


def test_no_verb_is_status(troubled: Gatehouse) -> None:
    bare, asked = troubled.cli(ok=True).stdout, troubled.cli("status", ok=True).stdout
    assert bare.splitlines()[0] == asked.splitlines()[0]
    assert bare.splitlines()[0].startswith(f"gate     {troubled.home.path}")
    assert "SITES    2 of 2 healthy" in bare


def test_what_needs_a_person_comes_first_each_with_what_settles_it(troubled: Gatehouse) -> None:
    told = troubled.cli("status", ok=True).stdout
    heads = [line.split()[0] for line in told.splitlines() if re.match("[A-Z]+ ", line)]
    assert heads == ["DOWN", "FROZEN", "BLOCKED", "HELD", "BLOCKED", "QUEUE", "SITES"]
    tip = troubled.result("column").tip[:12]
    wanted = (
        "gatekeeper run",
        "gatekeeper thaw",
        "gatekeeper retry fails",
        f'gatekeeper approve column@{tip} -m "…"',
        "gatekeeper resolve list-b",
    )
    places = [told.index(f"-> {command}") for command in wanted]
    assert places == sorted(places)


def test_each_request_of_the_queue_says_what_it_waits_for(troubled: Gatehouse) -> None:
    told = troubled.json("status")["requests"]
    waits = {one["id"]: one["waits_for"] for one in told}
    assert waits["fails"] is None
    assert waits["later"].startswith("`gatekeeper thaw`, or 2099-01-01 10:00 UTC")
    assert [one["settle"][0][1] for one in told if one["settle"]] == ["retry", "approve", "resolve"]


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_every_line_fits_the_terminal_and_agents_text_stays_escaped(troubled: Gatehouse, columns: int) -> None:
    with at_a_terminal(troubled, "status", columns=columns) as screen:
        said = screen.rest()
    plain = click.unstyle(said)
    assert plain != said, "there is colour on a terminal"
    assert "\x1b" not in plain
    assert "database\\x1b[31m" in " ".join(plain.split())
    assert [line for line in plain.splitlines() if cells(line) > columns and "/" not in line] == []
    assert " ".join(LONG.split()) in " ".join(plain.split())


def test_no_color_and_a_pipe_are_without_colour(troubled: Gatehouse) -> None:
    with at_a_terminal(troubled, "status", NO_COLOR="1") as screen:
        assert "\x1b" in screen.rest()  # `terminal` drops it: a shell's own variable must not change what we test
    argv = ["env", "NO_COLOR=1", sys.executable, "-m", "gatekeeper", "--gate", str(troubled.home.path), "status"]
    with terminal(argv, troubled.env) as screen:
        assert "\x1b" not in screen.rest()
    assert "\x1b" not in troubled.cli("status").stdout


def test_a_person_sees_what_is_new_since_they_looked_and_a_pipe_is_no_look(troubled: Gatehouse) -> None:
    first, other = seen_by(troubled, "kim"), seen_by(troubled, "lee")
    assert "since your last look" not in first + other
    clone = troubled.clone("agent-one")
    assert clone.push("HEAD:refs/heads/release").status != 0
    assert clone.push("HEAD:refs/heads/release").status != 0
    troubled.decide("retry", "fails")
    looks = {path: path.read_text() for path in troubled.home.looks.iterdir()}
    troubled.cli("status", ok=True)
    assert {path: path.read_text() for path in troubled.home.looks.iterdir()} == looks
    again = seen_by(troubled, "kim")
    new = again.partition("NEW ")[2]
    assert "refused GATE-101 x2" in new
    assert "blocked fails GATE-402" in new
    assert re.search(r"retried fails by \w+", new)
    assert "-> gatekeeper log -n " in new
    assert "nothing happened" in seen_by(troubled, "kim")
    assert "refused GATE-101 x2" in seen_by(troubled, "lee")


def test_a_look_that_cannot_be_remembered_or_read_fails_nothing(troubled: Gatehouse) -> None:
    looks = troubled.home.looks
    looks.mkdir(exist_ok=True)
    for number, text in enumerate(("not json", '{"log": "--all", "at": ""}', f'{{"log": "{"0" * 40}", "at": "x"}}')):
        (looks / f"odd-{number}").write_text(text)
        assert "NEW " not in seen_by(troubled, f"odd-{number}")
    (looks / "blocked-up").mkdir()
    assert "QUEUE" in seen_by(troubled, "blocked-up")
    assert "QUEUE" in seen_by(troubled, "../../etc/passwd")
    assert not [path for path in looks.iterdir() if "passwd" in path.name]


def test_watch_draws_again_and_leaves_the_terminal_as_it_was(troubled: Gatehouse) -> None:
    with at_a_terminal(troubled, "status", "--watch", lines=12) as screen:
        before = screen.settings()
        drawn = screen.until(b"q ends")
        assert drawn.startswith(b"\x1b[?1049h")
        assert b"more lines" in drawn
        assert screen.settings() != before
        screen.resize(50, 120)
        assert b"QUEUE" in screen.until(b"q ends")
        screen.type(b"q")
        assert screen.rest().endswith("\x1b[?1049l")
        assert screen.process.returncode == 0
        assert screen.settings() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_watch_and_the_terminal_is_as_it_was(troubled: Gatehouse, number: signal.Signals) -> None:
    with at_a_terminal(troubled, "status", "--watch") as screen:
        before = screen.settings()
        screen.until(b"q ends")
        screen.process.send_signal(number)
        assert screen.rest().endswith("\x1b[?1049l")
        assert screen.process.returncode == 130
        assert screen.settings() == before


@pytest.mark.parametrize(("args", "why"), [((), "needs a terminal"), (("--json",), "prints one object")])
def test_watch_without_a_terminal_is_refused_with_what_to_do(
    troubled: Gatehouse, args: tuple[str, ...], why: str
) -> None:
    done = troubled.cli("status", "--watch", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
    assert "watch -n 2 gatekeeper status" in done.stderr


def test_a_check_that_runs_is_seen_with_its_time(troubled: Gatehouse) -> None:
    slow = '[[checks]]\nname = "slow"\nrun = ["sleep", "600"]\npaths = ["sites/web/slow.txt"]\ntimeout = "10m"\n'
    troubled.clone("agent-one").request("slowly", {"sites/web/slow.txt": "slow\n"}, "Take long")
    troubled.home.sites_toml.write_text(troubled.configure(HOLD, slow))
    with librarian(troubled) as process:
        assert process.stderr is not None
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        deadline = time.monotonic() + 120
        while "slow" not in str(troubled.json("status")["librarian"]["doing"]):
            assert time.monotonic() < deadline
        told = " ".join(troubled.cli("status").stdout.split())
        assert re.search(r"now verifying, for \d+ s", told), told
        assert re.search(
            r"slowly verifying, by agent-one Take long waits for its checks, since .*; running: slow for \d+ s", told
        ), told
    assert not troubled.home.doing.exists()
    troubled.home.sites_toml.write_text(troubled.toml)
