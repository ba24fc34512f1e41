"""The agents' command against a bare repository that stands in for the gate; results are written by hand."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from gatekeeper import process

COMMAND = Path(__file__).parents[1] / "request-deploy"
ASK = ("--surface", "shop", "--intent", "Fix the login redirect loop", "--artifact", "shop-1.4.2")

REFUSING = """#!/bin/sh
echo 'error: GATE-202 no surface named "sho". Surfaces are matched whole, never by prefix.'
echo 'hint: Did you mean "shop"?'
echo 'gate: {"v":1,"event":"refused","id":"fix-1","code":"GATE-202","state":null,"retry":"after_fix",\
"next":[["git","-c","trailer.ifexists=replace","commit","--amend","--no-edit",\
"--trailer","Surface: shop, web","--trailer","Bump: minor"],\
["git","push","--force","origin","HEAD:request/fix-1"]],"field":"Surface","allowed":["shop","web"]}'
exit 1
"""
FILING = """#!/bin/sh
echo 'success: request fix-1 filed. It is 2nd in the queue.'
echo 'gate: {"v":1,"event":"filed","id":"fix-1","code":null,"state":"queued","position":2,"retry":"never","next":[]}'
"""


@dataclass(frozen=True)
class World:
    """A gate and one clone of it, out of reach of this machine's Git configuration."""

    gate: Path
    clone: Path
    env: Mapping[str, str]

    def git(self, *argv: str, at: Path | None = None, stdin: str = "") -> str:
        done = process.run(("git", *argv), cwd=at or self.clone, env=self.env, stdin=stdin.encode())
        assert done.ok, done.errors.decode()
        return done.text

    def run(self, *argv: str, at: Path | None = None, env: Mapping[str, str] | None = None) -> process.Done:
        words = (sys.executable, str(COMMAND), *argv)
        return process.run(words, cwd=at or self.clone, env={**self.env, **(env or {})}, timeout=60)

    def answer(self, *argv: str, at: Path | None = None) -> dict[str, object]:
        done = self.run(*argv, "--json", at=at)
        answer = json.loads(done.text)
        assert isinstance(answer, dict)
        assert answer["exit"] == done.status, done.errors.decode()
        return answer

    def start(self, *argv: str) -> subprocess.Popen[str]:
        words = (sys.executable, str(COMMAND), *argv)
        return subprocess.Popen(
            words, cwd=self.clone, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def tip(self, request: str) -> str:
        return self.git("rev-parse", f"refs/heads/request/{request}", at=self.gate)

    def requests(self) -> list[str]:
        shape = ("--format=%(refname:lstrip=3)", "refs/heads/request/")
        return self.git("for-each-ref", *shape, at=self.gate).split()

    def tell(self, request: str, state: str, *lines: str, tip: str | None = None) -> None:
        """Write a result as the Librarian would."""
        head = f"request {request} is {state}\n\nState: {state}\n"
        body = "".join(f"{line}\n" for line in (*lines, f"Id: {request}", f"Tip: {tip or self.tip(request)}"))
        tree = self.git("mktree", at=self.gate)
        oid = self.git("commit-tree", tree, "-F", "-", at=self.gate, stdin=head + body)
        self.git("update-ref", f"refs/gate/results/{request}", oid, at=self.gate)

    def hook(self, name: str, text: str) -> None:
        path = self.gate / "hooks" / name
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def world(tmp_path: Path) -> World:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{
            f"GIT_{who}_{what}": "codex-1@agents.example"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    made = World(tmp_path / "gate.git", tmp_path / "clone", env)
    made.git("init", "-q", "--bare", "-b", "release", str(made.gate), at=tmp_path)
    made.git("init", "-q", "-b", "work", str(made.clone), at=tmp_path)
    made.git("remote", "add", "origin", str(made.gate))
    (made.clone / "sites" / "shop").mkdir(parents=True)
    (made.clone / "sites" / "shop" / "page.txt").write_text("one\n")
    (made.clone / "same.txt").write_text("same\n")
    made.git("add", ".")
    made.git("commit", "-qm", "Start")
    made.git("push", "-q", "origin", "HEAD:release")
    return made


def everything_local(world: World) -> tuple[str, bytes, list[str]]:
    """What a request must leave alone: branches, tags and HEAD, the index, what .git holds."""
    refs = world.git("for-each-ref", "refs/heads/", "refs/tags/") + (world.clone / ".git" / "HEAD").read_text()
    files = sorted(path.name for path in (world.clone / ".git").iterdir())
    return refs, (world.clone / ".git" / "index").read_bytes(), files


# Filing


def test_a_request_is_a_commit_with_trailers_on_heads_tree(world: World) -> None:
    answer = world.answer(*ASK, "--id", "fix-1", "--bump", "minor", "--try")
    tip = world.tip("fix-1")
    assert answer == {
        "schema": 1,
        "event": "filed",
        "id": "fix-1",
        "state": "queued",
        "tip": tip,
        **dict.fromkeys(("version", "code", "reason", "not_before", "attempt", "position", "intent", "agent")),
        "next": [],
        "exit": 0,
    }
    assert world.git("log", "-1", "--format=%B", tip, at=world.gate) == (
        "Fix the login redirect loop\n\nSurface: shop\nIntent: Fix the login redirect loop\n"
        "Artifact: shop-1.4.2\nBump: minor\nTry: yes"
    )
    assert world.git("rev-parse", f"{tip}^", f"{tip}^{{tree}}", at=world.gate) == world.git(
        "rev-parse", "HEAD", "HEAD^{tree}"
    )


def test_nothing_of_the_clone_changes_and_what_is_dirty_is_named(world: World) -> None:
    page = world.clone / "sites" / "shop" / "page.txt"
    page.write_text("two\n")
    os.utime(world.clone / "same.txt", (0, 0))  # Git would like to note that it is the same after all
    (world.clone / "new.txt").write_text("new\n")
    before = everything_local(world)
    done = world.run(*ASK, "--id", "fix-1")
    assert done.status == 0
    assert b"not committed, so not included: sites/shop/page.txt, new.txt\n" in done.errors
    assert everything_local(world) == before
    assert page.read_text() == "two\n"
    assert world.git("show", "refs/heads/request/fix-1:sites/shop/page.txt", at=world.gate) == "one"


def test_the_default_id_reads_like_the_intent_and_is_stable(world: World) -> None:
    first = world.answer(*ASK)
    assert str(first["id"]).startswith("fix-the-login-redirect-loop-")
    other = world.answer("--surface", "shop", "--intent", "Ünïcode: çà et là", "--artifact", "b")
    assert str(other["id"]).startswith("unicode-ca-et-la-")
    nothing = world.answer("--surface", "shop", "--intent", "修正", "--artifact", "c")
    assert str(nothing["id"]).startswith("request-")


def test_the_same_request_is_not_pushed_twice(world: World) -> None:
    first = world.answer(*ASK)
    again = world.answer("--surface", "shop", "--intent", "Worded otherwise", "--artifact", "shop-1.4.2")
    assert (again["event"], again["id"], again["tip"], again["exit"]) == (
        "unchanged",
        first["id"],
        first["tip"],
        75,
    )
    assert world.requests() == [first["id"]]


def test_the_same_request_under_a_chosen_id_is_found(world: World) -> None:
    first = world.answer(*ASK, "--id", "fix-1")
    assert world.answer(*ASK)["tip"] == first["tip"]
    assert world.answer(*ASK, "--id", "fix-1")["event"] == "unchanged"
    assert world.requests() == ["fix-1"]


def test_the_same_request_is_found_from_another_clone(world: World, tmp_path: Path) -> None:
    first = world.answer(*ASK)
    flags = ("-q", "--no-local", "--single-branch", "-b", "release")
    world.git("clone", *flags, str(world.gate), str(tmp_path / "other"), at=tmp_path)
    again = world.answer(*ASK, at=tmp_path / "other")
    assert (again["event"], again["tip"]) == ("unchanged", first["tip"])


def test_a_try_is_another_request_than_the_real_thing(world: World) -> None:
    tried, real = world.answer(*ASK, "--try"), world.answer(*ASK)
    assert tried["id"] != real["id"]
    assert real["event"] == "filed"


def test_a_repeated_request_tells_that_it_is_blocked(world: World) -> None:
    world.answer(*ASK, "--id", "fix-1")
    world.tell("fix-1", "blocked", "Code: GATE-402", "Reason: check unit failed.")
    done = world.run(*ASK, "--id", "fix-1")
    assert done.status == 10
    assert done.text.startswith("request fix-1 is blocked with GATE-402\n  reason: check unit failed.")


def test_new_content_under_the_same_id_is_a_new_attempt(world: World) -> None:
    first = world.answer(*ASK, "--id", "fix-1")
    world.tell("fix-1", "blocked", "Code: GATE-402")
    (world.clone / "sites" / "shop" / "page.txt").write_text("two\n")
    world.git("commit", "-qam", "Better")
    second = world.answer(*ASK, "--id", "fix-1")
    assert second["exit"] == 0
    assert second["tip"] == world.tip("fix-1") != first["tip"]
    status = world.answer("--status", "fix-1")
    assert (status["state"], status["tip"], status["code"], status["exit"]) == (
        "queued",
        second["tip"],
        None,
        75,
    )


def test_an_ended_request_of_the_same_id_does_not_stop_a_new_one(world: World) -> None:
    first = world.answer(*ASK, "--id", "fix-1")
    world.tell("fix-1", "rolled_back", "Version: v0.1.1")
    world.git("update-ref", "-d", "refs/heads/request/fix-1", at=world.gate)
    assert world.answer(*ASK, "--id", "fix-1")["event"] == "filed"
    assert first["tip"] != ""


def test_the_gates_words_come_through_in_order(world: World) -> None:
    world.hook("post-receive", FILING)
    done = world.run(*ASK, "--id", "fix-1")
    lines = done.errors.decode().splitlines()
    assert lines[0] == "remote: success: request fix-1 filed. It is 2nd in the queue."
    assert lines[1].startswith('remote: gate: {"v":1,"event":"filed"')
    assert (done.status, done.text) == (0, "request fix-1 is queued as number 2")


def test_a_remote_that_is_no_gate_is_named(world: World) -> None:
    assert b"warning: origin took the push but does not answer like a gate" in world.run(*ASK).errors


# Refusals and failures


def test_a_refusal_hands_back_this_command_with_the_better_value(world: World) -> None:
    world.hook("pre-receive", REFUSING)
    wrong = ("--surface", "sho", "--intent", "Fix it", "--artifact", "a", "--id", "fix-1")
    answer = world.answer(*wrong)
    assert answer["code"] == "GATE-202"
    assert answer["allowed"] == ["shop", "web"]
    assert answer["next"] == [
        [
            str(COMMAND),
            "--surface",
            "shop,web",
            "--intent",
            "Fix it",
            "--artifact",
            "a",
            "--id",
            "fix-1",
            "--bump",
            "minor",
        ]
    ]
    done = world.run(*wrong)
    assert done.status == 11
    assert done.text.splitlines()[0] == "request fix-1 was refused with GATE-202. Nothing was changed."
    assert done.errors.splitlines()[0].startswith(b'remote: error: GATE-202 no surface named "sho".')
    assert world.requests() == []


def test_a_refusal_without_a_machine_line_is_a_refusal(world: World) -> None:
    world.git("config", "receive.hideRefs", "refs/heads/", at=world.gate)
    done = world.run(*ASK)
    assert done.status == 11
    assert b"error: the gate refused it without a code: (deny updating a hidden ref)" in done.errors


def test_a_gate_out_of_reach_is_a_failure(world: World) -> None:
    world.gate.rename(world.gate.with_name("moved.git"))
    answer = world.answer(*ASK)
    assert (answer["event"], answer["exit"]) == ("failed", 1)
    assert "cannot be read" in str(answer["error"])


def test_a_pre_push_hook_that_says_no_is_no_refusal_of_the_gate(world: World) -> None:
    hook = world.clone / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho lint failed >&2\nexit 1\n")
    hook.chmod(0o755)
    done = world.run(*ASK)
    assert done.status == 1
    assert b"The push did not reach the gate `origin`: lint failed" in done.errors


def test_what_another_run_pushed_meanwhile_is_not_overwritten(world: World, tmp_path: Path) -> None:
    """A `git` on PATH lets another attempt land just before the push."""
    real, theirs = shutil.which("git"), world.git("rev-parse", "HEAD")
    shim = tmp_path / "bin" / "git"
    shim.parent.mkdir()
    move = f'"{real}" -C "{world.gate}" update-ref refs/heads/request/fix-1 {theirs}'
    shim.write_text(f'#!/bin/sh\ncase " $* " in *" push "*) {move};; esac\nexec "{real}" "$@"\n')
    shim.chmod(0o755)
    done = world.run(*ASK, "--id", "fix-1", env={"PATH": f"{shim.parent}:{world.env['PATH']}"})
    assert done.status == 1
    assert b"error: The request has changed since this run looked at it.\n" in done.errors
    assert world.tip("fix-1") == theirs


def test_settings_that_would_add_to_the_push_are_left_out(world: World) -> None:
    world.git("tag", "-a", "v9.9.9", "-m", "mine")
    for name, value in (("push.followTags", "true"), ("push.pushOption", "urgent"), ("color.ui", "always")):
        world.git("config", name, value)
    done = world.run(*ASK, "--id", "fix-1")
    assert done.status == 0, done.errors
    assert world.git("tag", at=world.gate) == ""


def test_nothing_committed_no_repository_no_remote(world: World, tmp_path: Path) -> None:
    nowhere, empty = tmp_path / "nowhere", tmp_path / "empty"
    nowhere.mkdir()
    env = {"GIT_CEILING_DIRECTORIES": str(tmp_path)}
    done = world.run(*ASK, at=nowhere, env=env)
    assert (done.status, done.output) == (1, b"")
    assert b"not a git repository" in done.errors
    world.git("init", "-q", str(empty), at=tmp_path)
    assert b"has no remote `gate` or `origin`" in world.run(*ASK, at=empty).errors
    world.git("remote", "add", "gate", str(world.gate), at=empty)
    done = world.run(*ASK, at=empty)
    assert done.status == 1
    assert b"Nothing is committed here yet" in done.errors


def test_no_identity_is_told_in_gits_words(world: World) -> None:
    quiet = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.useConfigOnly", "GIT_CONFIG_VALUE_0": "true"}
    env = {name: value for name, value in world.env.items() if "AUTHOR" not in name and "COMMITTER" not in name}
    bare = World(world.gate, world.clone, {**env, **quiet})
    done = bare.run(*ASK)
    assert done.status == 1
    assert b"user.email" in done.errors


# Where it is run


def test_it_prefers_the_remote_named_gate(world: World, tmp_path: Path) -> None:
    other = tmp_path / "other.git"
    world.git("clone", "-q", "--bare", str(world.gate), str(other), at=tmp_path)
    world.git("remote", "add", "gate", str(other))
    world.answer(*ASK, "--id", "fix-1")
    assert world.requests() == []
    world.answer(*ASK, "--id", "fix-1", "--remote", "origin")
    assert world.requests() == ["fix-1"]
    done = world.run(*ASK, "--remote", "orign")
    assert (done.status, done.errors) == (2, b"error: No remote is called `orign`; there is: gate, origin.\n")


def test_subfolder_detached_head_and_worktree(world: World, tmp_path: Path) -> None:
    assert world.answer(*ASK, "--id", "sub", at=world.clone / "sites" / "shop")["exit"] == 0
    world.git("worktree", "add", "-q", "--detach", str(tmp_path / "tree"))
    (tmp_path / "tree" / "sites" / "shop" / "page.txt").write_text("tree\n")
    world.git("commit", "-qam", "Elsewhere", at=tmp_path / "tree")
    assert world.answer(*ASK, "--id", "tree", at=tmp_path / "tree")["exit"] == 0
    assert world.git("show", "refs/heads/request/tree:sites/shop/page.txt", at=world.gate) == "tree"
    assert world.git("show", "refs/heads/request/sub:sites/shop/page.txt", at=world.gate) == "one"


# Looking, waiting, withdrawing


@pytest.mark.parametrize(
    ("state", "lines", "status"),
    [
        ("queued", (), 75),
        ("verifying", (), 75),
        ("verified", (), 75),
        ("verified", ("Try: yes",), 0),
        ("shipping", (), 75),
        ("shipped", ("Version: v0.1.1",), 0),
        ("blocked", ("Code: GATE-401",), 10),
        ("held", ("Code: GATE-406",), 10),
        ("withdrawn", (), 12),
        ("rejected", (), 12),
        ("expired", (), 12),
        ("rolled_back", (), 13),
        ("of a later gate", (), 1),
    ],
)
def test_each_state_has_its_exit_status(world: World, state: str, lines: tuple[str, ...], status: int) -> None:
    world.tell("fix-1", state, *lines, tip="0" * 40)
    assert world.answer("--status", "fix-1")["exit"] == status


def test_status_shows_what_the_result_says_and_escapes_it(world: World) -> None:
    world.answer(*ASK, "--id", "fix-1")
    world.tell(
        "fix-1",
        "blocked",
        "Code: GATE-401",
        "Reason: in conflict with release: sites/shop/page.txt",
        'Next: ["git","merge","a b"]',
        "Next: not JSON",
        "Intent: Fix \x1b[2J\u202eit",
    )
    done = world.run("--status", "fix-1")
    assert done.text.splitlines() == [
        "request fix-1 is blocked with GATE-401",
        "  reason: in conflict with release: sites/shop/page.txt",
        "  intent: Fix \\x1b[2J\\u202eit",
        "  next: git merge 'a b'",
    ]
    assert world.answer("--status", "fix-1")["next"] == [["git", "merge", "a b"]]


def test_reading_moves_no_ref(world: World) -> None:
    world.answer(*ASK, "--id", "fix-1")
    world.tell("fix-1", "shipped")
    before = everything_local(world)
    assert world.run("--status", "fix-1").status == 0
    assert everything_local(world) == before


def test_an_unknown_request_is_named_with_a_near_one_never_resolved(world: World) -> None:
    world.answer(*ASK, "--id", "shop-admin")
    done = world.run("--status", "shop-admi")
    assert (done.status, done.output) == (3, b"")
    assert done.errors == b"error: The gate knows no request `shop-admi`.\nhint: Did you mean `shop-admin`?\n"


@pytest.fixture
def waiting(world: World) -> Iterator[subprocess.Popen[str]]:
    world.answer(*ASK, "--id", "fix-1")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell runs the suite behind it
    child = world.start("--wait", "fix-1", "--timeout", "50s")
    signal.signal(signal.SIGINT, before)
    assert child.stderr is not None
    assert child.stderr.readline() == (
        "waiting at most 50 seconds: request fix-1 is queued; the Librarian has not looked at it yet\n"
    )
    yield child
    if child.poll() is None:
        child.kill()
    child.communicate()


def test_wait_tells_each_change_and_ends_with_the_request(world: World, waiting: subprocess.Popen[str]) -> None:
    assert waiting.stderr is not None
    world.tell("fix-1", "verifying")
    assert waiting.stderr.readline() == "request fix-1 is verifying\n"
    world.tell("fix-1", "shipped", "Version: v0.1.1")
    world.git("update-ref", "-d", "refs/heads/request/fix-1", at=world.gate)
    out, _ = waiting.communicate(timeout=30)
    assert (waiting.returncode, out) == (0, "request fix-1 is shipped in v0.1.1\n")


def looks(world: World, folder: Path, *argv: str) -> tuple[process.Done, list[str]]:
    """Run it with a `git` that writes down what it was asked; return how it ended, and its looks at the gate."""
    folder.mkdir()
    said, real = folder / "said", shutil.which("git")
    (folder / "git").write_text(f'#!/bin/sh\necho "$1 $2" >>{said}\nexec {real} "$@"\n')
    (folder / "git").chmod(0o755)
    done = world.run(*argv, env={"PATH": f"{folder}:{world.env['PATH']}"})
    return done, [line for line in said.read_text().splitlines() if line == "ls-remote --refs"]


def test_beside_the_gate_nothing_is_asked_while_nothing_moves(world: World, tmp_path: Path) -> None:
    world.answer(*ASK, "--id", "fix-1")
    done, asked = looks(world, tmp_path / "bin", "--wait", "fix-1", "--timeout", "7s")
    assert (done.status, len(asked)) == (75, 2)


def test_elsewhere_it_looks_every_few_seconds(world: World, tmp_path: Path) -> None:
    """A remote that a program of its own reaches tells nothing: five looks in seven seconds, if nothing is slow."""
    world.git("config", "protocol.ext.allow", "always")
    world.git("remote", "set-url", "origin", f"ext::git %s {world.gate}")
    world.answer(*ASK, "--id", "fix-1")
    done, asked = looks(world, tmp_path / "bin", "--wait", "fix-1", "--timeout", "7s")
    assert done.status == 75
    assert 3 <= len(asked) <= 6


def test_the_gate_wakes_who_waits_beside_it(world: World, waiting: subprocess.Popen[str]) -> None:
    """It would look again by itself only after 30 seconds."""
    world.tell("fix-1", "blocked", "Code: GATE-402")
    waiting.communicate(timeout=25)
    assert waiting.returncode == 10


def test_wait_outlives_a_gate_that_is_away_for_a_moment(world: World, waiting: subprocess.Popen[str]) -> None:
    assert waiting.stderr is not None
    away = world.gate.with_name("away.git")
    world.gate.rename(away)
    world.git("update-ref", "refs/gate/results/fix-1", "refs/heads/request/fix-1", at=away)
    assert waiting.stderr.readline().startswith("warning: The gate `origin` cannot be read")
    away.rename(world.gate)
    world.tell("fix-1", "rolled_back")
    waiting.communicate(timeout=30)
    assert waiting.returncode == 13


def test_wait_interrupted(waiting: subprocess.Popen[str]) -> None:
    waiting.send_signal(signal.SIGINT)
    _, errors = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert "Traceback" not in errors


def test_wait_gives_up_at_its_timeout_and_tells_the_state(world: World) -> None:
    done = world.run(*ASK, "--id", "fix-1", "--wait=0s", "--json")
    answer = json.loads(done.text)
    assert (done.status, answer["event"], answer["state"]) == (75, "filed", "queued")


def test_wait_does_not_wait_for_a_window_beyond_its_timeout(world: World) -> None:
    world.answer(*ASK, "--id", "fix-1")
    world.tell(
        "fix-1",
        "verified",
        "Code: GATE-408",
        "Reason: outside the ship windows.",
        "Not-Before: 2100-01-04T07:00:00Z",
    )
    answer = world.answer("--wait", "fix-1", "--timeout", "1d")
    assert (answer["exit"], answer["not_before"]) == (75, "2100-01-04T07:00:00Z")


def test_withdraw(world: World) -> None:
    world.answer(*ASK, "--id", "fix-1")
    answer = world.answer("--withdraw", "fix-1")
    assert (answer["event"], answer["state"], answer["exit"]) == ("withdrawn", "withdrawn", 0)
    assert world.requests() == []
    assert world.run("--withdraw", "fix-1").status == 3


def test_withdraw_of_what_has_ended_tells_how(world: World) -> None:
    world.tell("fix-1", "shipped", "Version: v0.1.1", tip="0" * 40)
    done = world.run("--withdraw", "fix-1")
    assert (done.status, done.text) == (0, "request fix-1 is shipped in v0.1.1")
    assert b"nothing was withdrawn" in done.errors


# The command line


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ((), "ask one thing"),
        (("--surface", "shop"), "a request also needs --intent, --artifact"),
        (("--id", "fix-1", "--wait"), "a request also needs --surface, --intent, --artifact"),
        ((*ASK, "--status", "fix-1"), "ask one thing"),
        (("--status", "a", "--withdraw", "b"), "ask one thing"),
        (("--wait",), "'' is no request id"),
        ((*ASK, "--wait", "fix-1"), "'fix-1' is no time-out"),
        (("--wait", "fix-1", "--timeout", "soon"), "'soon' is no time-out"),
        ((*ASK, "--id", "Bad_ID"), "'Bad_ID' is no request id"),
        (("--status", "../release"), "'../release' is no request id"),
        (("--status", "a" * 40), "is no request id"),
        ((*ASK, "--bump", "huge"), "invalid choice: 'huge'"),
        ((*ASK[:3], "two\nlines", *ASK[4:]), "one line each"),
    ],
)
def test_a_wrong_use_is_told_with_status_2(world: World, argv: tuple[str, ...], words: str) -> None:
    done = world.run(*argv)
    assert (done.status, done.output) == (2, b"")
    assert words in done.errors.decode()
    assert world.requests() == []


def test_the_file_is_alone_and_of_python_3_8() -> None:
    source = COMMAND.read_text()
    tree = ast.parse(source, feature_version=(3, 8))
    imported = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= sys.stdlib_module_names
    assert os.access(COMMAND, os.X_OK)
    assert source.startswith("#!/usr/bin/env python3\n")
