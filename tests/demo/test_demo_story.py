"""The demo as a newcomer starts it: the whole story is told, and nothing of it is left behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from gatekeeper import process
from gatekeeper.demo.witness import NO_ANSWER, Spell, summed_up
from gatekeeper.sites import procfs

TOOLS = Path(__file__).parents[2] / "node_modules" / ".bin"
GATEKEEPER = (sys.executable, "-c", "from gatekeeper.cli import main; main()")
STORY = (
    "6 sites, one build, one check, 3 agents",
    "serves v0.1.0",
    "GATE-101 refs/heads/release is written by the Librarian only",
    "success: request free-delivery filed. It is 1st in the queue.",
    "request free-delivery is shipped in v0.1.1",
    "from the push to six sites on v0.1.1:",
    "request fair is shipped in v0.1.2",
    "request lasting is blocked with GATE-401",
    "CONFLICT (content): Merge conflict in sites/web/site.js",
    "lasting is shipped in v0.1.3",
    "201 stored",
    "request captions is blocked with GATE-404",
    "site blog was not healthy on v0.2.0",
    "blog        v0.1.3 all the time",
    "Roll back to v0.1.2: the front page promises too much",
    "It takes out lasting.",
    "(tag: v0.1.4) Roll back to v0.1.2",
    "(tag: v0.1.3) Merge release",
    "SITES    6 of 6 healthy",
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path: pm2's socket must fit."""
    folder = Path(tempfile.mkdtemp(prefix="gk-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def environment(place: Path) -> Mapping[str, str]:
    path = f"{os.environ['PATH']}:{TOOLS}"
    return {"PATH": path, "HOME": str(place), "TMPDIR": str(place), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


def left_behind(place: Path) -> list[str]:
    """Return what is there that was not before: folders of the demo, and processes that are in one or name it."""
    folders = [str(path) for path in place.glob("gatekeeper-demo-*")]
    inside = f"{place}/gatekeeper-demo-"
    running = [pid for pid in procfs.parents() if inside in f"{procfs.cwd(pid)} {procfs.title(pid)}"]
    return folders + [procfs.title(pid) for pid in running]


def test_the_whole_story_is_told_and_nothing_is_left(place: Path) -> None:
    done = process.run((*GATEKEEPER, "demo"), env=environment(place), merge=True, timeout=400)
    assert done.ok, done.text[-4000:]
    rest = done.text
    for line in STORY:
        assert line in rest, f"{line!r} does not come where it should in\n{done.text}"
        rest = rest[rest.index(line) + len(line) :]
    assert 'sandbox = "none"' not in done.text
    assert left_behind(place) == []


def test_an_interrupted_demo_takes_everything_away_and_a_taken_port_is_no_obstacle(place: Path) -> None:
    with ExitStack() as stack:
        with suppress(OSError):  # somebody else's: taken all the same
            stack.enter_context(socket.create_server(("127.0.0.1", 4101)))
        command = (*GATEKEEPER, "demo")
        child = stack.enter_context(
            subprocess.Popen(
                command, env=environment(place), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
        assert child.stdout is not None
        said = []
        for line in child.stdout:
            said.append(line)
            if "serves v0.1.0" in line:
                (programs,) = place.glob("gatekeeper-demo-*/bin")
                assert all(shutil.which(name, path=programs) for name in ("gatekeeper", "request-deploy", "pm2"))
                child.send_signal(signal.SIGINT)
                break
        said += child.stdout.readlines()
        assert child.wait(timeout=120) == 130, "".join(said)
    assert any("port 4101 is taken on this machine, so shop gets " in line for line in said), "".join(said)
    assert left_behind(place) == []


def test_without_pm2_the_demo_says_how_to_get_it(place: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(Path(process.__file__).parent, copy / "gatekeeper", ignore=shutil.ignore_patterns("__pycache__"))
    env = {**environment(place), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(copy)}
    done = process.run((*GATEKEEPER, "demo"), env=env, cwd=copy, merge=True, timeout=60)
    assert done.status == 1
    assert "GATE-504 The demo needs pm2" in done.text
    assert "npm install --global pm2" in done.text
    assert left_behind(place) == []


def test_what_a_visitor_saw_is_summed_up() -> None:
    spells = [Spell("v1", 0.0, 1.0, 50), Spell("v2", 1.1, 2.0, 40), Spell("v1", 2.0, 2.1, 3), Spell("v2", 2.2, 3.6, 20)]
    spells += [Spell(NO_ANSWER, 3.7, 3.7), Spell("v1", 3.8, 5.0, 6)]
    assert summed_up(spells, "v1") == "v2 for 2.5 s (60 answers); v1 before and after; 1 of 120 without an answer"
    assert summed_up(spells[:1], "v1") == "v1 all the time; 0 of 50 without an answer"
