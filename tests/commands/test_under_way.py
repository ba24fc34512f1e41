"""Progress at a terminal: seen while something takes long, gone at the end, and never in a pipe."""

import sys

import click
from gatehouse import Gatehouse
from terminal import terminal

from gatekeeper import process

SLOW = """
import sys, time
from gatekeeper import progress
from gatekeeper.commands.under_way import under_way
with under_way("begins") as line:
    progress.at("shipping v1\\x1b[31m.0.0")
    progress.jobs({"page of web": time.time() - 75})
    sys.stdin.readline()
    line.above(lambda: print("this stays"))
print("the end")
"""


def test_it_is_redrawn_at_a_terminal_and_taken_away() -> None:
    with terminal([sys.executable, "-c", SLOW], process.own_environment(), columns=60) as screen:
        drawn = screen.until(b"page of web 1 min") + screen.until(b"page of web 1 min")
        assert b"shipping v1\\x1b[31m.0.0: page of web" in drawn, "what others wrote is escaped"
        screen.type(b"\n")
        said = screen.rest()
    assert "\r\x1b[Kthis stays\r\n" in said
    assert said.endswith("\r\x1b[Kthe end\r\n")


def test_a_pipe_and_a_dumb_terminal_get_none_of_it() -> None:
    done = process.run((sys.executable, "-c", SLOW), stdin=b"\n", env=process.own_environment())
    assert (done.text, done.errors) == ("this stays\nthe end", b"")
    env = {**process.own_environment(), "TERM": "dumb"}
    with terminal([sys.executable, "-c", SLOW], env) as screen:
        screen.type(b"\n")
        assert "begins" not in screen.rest()


def test_a_heartbeat_shows_what_it_does_and_leaves_only_its_lines(gate: Gatehouse) -> None:
    toml = '[[checks]]\nname = "slow"\nrun = ["sleep", "2"]\npaths = ["sites/web"]\ntimeout = "20s"\n'
    gate.home.sites_toml.write_text(gate.configure(toml))
    gate.clone().request("watched", {"sites/web/page.txt": "watched\n"})
    argv = [sys.executable, "-m", "gatekeeper", "--gate", str(gate.home.path), "tick"]
    with terminal(argv, gate.env, columns=100) as screen:
        screen.until(b"verifying: slow")
        said = screen.rest()
    assert screen.process.returncode == 0
    lines = [click.unstyle(line.rpartition("\x1b[K")[2]) for line in said.split("\r\n")]
    assert any(line.startswith("shipped v") for line in lines)
    assert not any("verifying: slow" in line or line.startswith(("| ", "/ ", "- ", "\\ ")) for line in lines)
