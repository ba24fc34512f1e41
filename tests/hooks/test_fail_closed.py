"""The hooks by themselves: what Git would never send, what is missing, what is broken. Nothing of it is accepted."""

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatekeeper.repo import hooks, report
from hooks.doorway import Answer, Clone, Door

ZERO = "0" * 40
OID = "1" * 40


def hook(door: Door, name: str, stdin: bytes, **env: str) -> Answer:
    folder = door.home / "repo.git"
    full = {"PATH": os.environ["PATH"], "GIT_DIR": ".", **env}
    argv = [str(folder / "hooks" / name)]
    done = subprocess.run(argv, cwd=folder, env=full, input=stdin, capture_output=True, check=False)
    assert done.stderr == b""
    return Answer(done.returncode, done.stdout.decode().splitlines(), done.stdout.decode())


def line(ref: str, old: str = ZERO, new: str = OID) -> bytes:
    return f"{old} {new} {ref}\n".encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("stdin", "code"),
    [
        (b"", "104"),
        (b"\n", "104"),
        (b"x\n", "104"),
        (line("refs/heads/request/x")[:-1], "104"),
        (line("refs/heads/request/x") + b"rest", "104"),
        (line("refs/heads/request/x\n"), "104"),
        (line("refs/heads/request/x\nforged"), "104"),
        (line(f"refs/heads/request/x\n{ZERO} {OID} refs/heads/request/y"), "105"),
        (line("refs/heads/request/x\n" + line("refs/heads/release").decode().strip()), "101"),
        (line("refs/heads/request/../release"), "104"),
        (line("refs/heads/request/"), "104"),
        (line("refs/heads/request/\x1b[31m"), "104"),
        (line("refs/heads/request/x y"), "104"),
        (line("refs/heads/request/x\x00"), "104"),
        (line("refs/heads/request/\udcff"), "104"),
        (line("refs/heads/request/x", new="1" * 39), "104"),
        (line("refs/heads/request/x", new="--output=x".ljust(40, "a")), "104"),
        (line("refs/heads/release", old=OID, new=ZERO), "101"),
        (line("refs/tags/v1.4.1", old=OID, new=ZERO), "102"),
        (line("refs/gate/log", old=OID, new=ZERO), "103"),
        (line("HEAD"), "103"),
        (line("refs/heads/request/Bad", old=OID, new=ZERO), "104"),
        (line("refs/heads/request/x", new=ZERO), "208"),
    ],
)
def test_what_a_raw_client_may_send(door: Door, stdin: bytes, code: str) -> None:
    answer = hook(door, "pre-receive", stdin)
    assert answer.status == 1
    assert answer.code == f"GATE-{code}"
    assert answer.raw.replace("\n", "").isprintable()
    (entry,) = door.spool("refused")
    assert entry["code"] == f"GATE-{code}"
    assert entry["ref"].isprintable()


def test_a_tip_that_does_not_exist(door: Door) -> None:
    answer = hook(door, "pre-receive", line("refs/heads/request/x"))
    assert (answer.status, answer.code) == (1, "GATE-204")
    assert answer.lines[0] == "error: GATE-204 the tip is not a commit but a missing object."


@pytest.mark.parametrize("kind", ["tree", "blob"])
def test_a_tip_that_is_no_commit(door: Door, kind: str) -> None:
    oid = door.repo.git("rev-parse", "release^{tree}" if kind == "tree" else "release:sites/shop/cart.js")
    answer = hook(door, "pre-receive", line("refs/heads/request/x", new=oid))
    assert answer.lines[0] == f"error: GATE-204 the tip is not a commit but a {kind}."


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.binary(max_size=200))
def test_noise_is_never_accepted(door: Door, stdin: bytes) -> None:
    answer = hook(door, "pre-receive", stdin)
    assert answer.status == 1
    assert answer.machine["event"] == "refused"


@pytest.mark.parametrize(
    "content",
    [None, b"", b"{", b"[]", b'{"v":2}', b'{"v":"1"}', b"\xff", b"{}"],
    ids=["missing", "empty", "cut", "list", "newer", "text", "binary", "unnumbered"],
)
def test_without_a_policy_nothing_is_accepted(door: Door, clone: Clone, content: bytes | None) -> None:
    path = door.home / "var" / "policy.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    clone.commit()
    answer = clone.push("HEAD:request/fix-1")
    assert (answer.status, answer.code, answer.machine["retry"]) == (1, "GATE-501", "later")
    assert "refs/heads/request/fix-1" not in door.refs()


def test_a_hollow_policy_accepts_nothing(door: Door, clone: Clone) -> None:
    (door.home / "var" / "policy.json").write_text('{"v":1}')
    clone.commit()
    answer = clone.push("HEAD:request/fix-1")
    assert (answer.status, answer.code) == (1, "GATE-501")
    assert "could not judge this push (KeyError" in answer.lines[0]


@pytest.mark.parametrize("broken", ["lib/gatekeeper/policy/admission.py", "lib/gatekeeper/repo/receive.py"])
def test_a_hook_without_its_modules_accepts_nothing(door: Door, clone: Clone, broken: str) -> None:
    path = door.home / "repo.git" / "hooks" / broken
    path.unlink()
    Path(hooks.compiled(path)).unlink()
    clone.commit()
    answer = clone.push("HEAD:request/fix-1")
    assert (answer.status, answer.code) == (1, "GATE-501")
    assert "ModuleNotFoundError" in answer.lines[0] or "ImportError" in answer.lines[0]


def test_a_hook_without_its_interpreter_accepts_nothing(door: Door, clone: Clone) -> None:
    path = door.home / "repo.git" / "hooks" / "pre-receive"
    path.write_text(path.read_text().replace("#!/", "#!/gone/", 1))
    clone.commit()
    assert clone.push("HEAD:request/fix-1").status == 1
    assert "refs/heads/request/fix-1" not in door.refs()


def test_a_disk_that_takes_no_note_refuses(door: Door, clone: Clone) -> None:
    spool = door.home / "var" / "spool"
    spool.rmdir()
    spool.write_text("")
    clone.commit()
    answer = clone.push("HEAD:request/fix-1")
    assert (answer.status, answer.code, answer.machine["retry"]) == (1, "GATE-503", "later")
    assert answer.lines[0].startswith("error: GATE-503 the disk does not take what the gate must write: ")
    assert "refs/heads/request/fix-1" not in door.refs()


def test_a_refusal_needs_no_disk(door: Door, clone: Clone) -> None:
    (door.home / "var" / "spool").rmdir()
    clone.commit()
    assert clone.push("HEAD:release").code == "GATE-101"


def test_without_git_nothing_is_accepted(door: Door, tmp_path: Path) -> None:
    answer = hook(door, "pre-receive", line("refs/heads/request/x"), PATH=str(tmp_path))
    assert (answer.status, answer.code) == (1, "GATE-501")


def test_refusals_do_not_fill_the_disk(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MOST_REFUSALS", 3)
    for _ in range(7):
        report.note_refusal(str(door.home), code="GATE-101")
    assert len(door.spool("refused")) == 4
    assert report.dropped(str(door.home)) == 3
    report.note(str(door.home), "pushing", id="x")
    assert len(door.spool("pushing")) == 1
    assert not list((door.home / "var" / "spool").glob(".tmp-*"))


def test_the_librarian_is_woken(door: Door, clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(door.home / "var")  # a socket's path has 108 bytes at most
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("bell.sock")
        clone.commit()
        assert clone.push("HEAD:request/fix-1").status == 0
        listener.settimeout(10)
        assert listener.recv(100) == b"wake"


def test_no_listener_is_no_failure(door: Door, clone: Clone) -> None:
    (door.home / "var" / "bell.sock").write_text("not a socket")
    clone.commit()
    assert clone.push("HEAD:request/fix-1").machine["event"] == "filed"


def test_post_receive_has_words_of_its_own(door: Door) -> None:
    """When pre-receive could not leave the answer, the request is filed all the same."""
    answer = hook(door, "post-receive", line("refs/heads/request/fix-1"))
    assert answer.lines[0] == "success: request fix-1 filed."
    assert answer.machine["next"] == [["request-deploy", "--wait", "fix-1"]]
    answer = hook(door, "post-receive", line("refs/heads/request/fix-1", old=OID, new=ZERO))
    assert (answer.lines[0], answer.machine["next"]) == ("success: request fix-1 withdrawn.", [])


def test_a_lost_answer_does_not_cost_the_request(door: Door, clone: Clone) -> None:
    answers = door.home / "var" / "answers"
    answers.rmdir()
    answers.write_text("")
    clone.commit()
    answer = clone.push("HEAD:request/fix-1")
    assert answer.lines[0] == "success: request fix-1 filed."
    assert "refs/heads/request/fix-1" in door.refs()


def test_old_answers_are_swept(door: Door, clone: Clone) -> None:
    stale = door.home / "var" / "answers" / f"{OID}-gone"
    stale.write_text("x")
    os.utime(stale, (0, 0))
    clone.commit()
    clone.push("HEAD:request/fix-1")
    deadline = time.monotonic() + 60
    while list((door.home / "var" / "answers").iterdir()):  # its own is cleared away behind the pusher's back
        assert time.monotonic() < deadline
        time.sleep(0.01)
