"""What a push costs: which modules a hook loads, and how many git processes it starts. Counted, never timed."""

import json
import os
import subprocess
import sys
from contextlib import closing
from typing import Any
from unittest.mock import patch

import pytest

from gatekeeper.repo import childgit, hooks, receive, roll
from gatekeeper.repo.roll import Roll
from hooks.doorway import Clone, Door

LOADED = """
import io, os, sys
path, os._exit = sys.argv[1], sys.exit
try:
    exec(compile(open(path).read(), path, "exec"), {"__file__": path, "__name__": "__main__"})
except SystemExit as end:
    status = end.code
else:
    status = 0
sys.stdout.flush()
print("loaded", status, *sorted(sys.modules))
"""
HEAVY = {
    "argparse", "ast", "asyncio", "contextvars", "dataclasses", "difflib", "importlib.metadata", "inspect", "logging",
    "pathlib", "selectors", "shutil", "site", "socket", "subprocess", "tempfile", "threading", "typing", "unicodedata",
}  # fmt: skip


def loaded(door: Door, name: str, stdin: bytes) -> tuple[str, set[str]]:
    path = str(door.home / "repo.git" / "hooks" / name)
    env = {"PATH": os.environ["PATH"], "GIT_DIR": "."}
    argv = [sys.executable, "-I", "-S", "-c", LOADED, path]
    done = subprocess.run(argv, cwd=door.home / "repo.git", env=env, input=stdin, capture_output=True, check=True)
    status, *modules = done.stdout.decode().rpartition("loaded ")[2].split()
    return status, set(modules)


@pytest.fixture
def tip(door: Door, clone: Clone) -> str:
    oid = clone.commit()
    door.repo.git("fetch", "-q", str(clone.folder), oid)
    return oid


def test_what_pre_receive_loads(door: Door, tip: str) -> None:
    status, modules = loaded(door, "pre-receive", f"{'0' * 40} {tip} refs/heads/request/x\n".encode())
    assert status == "0"
    assert not modules & HEAVY
    own = {name for name in modules if name.startswith("gatekeeper")}
    shipped = {f"gatekeeper/{name}".replace("/__init__", "").replace("/", ".") for name in hooks.MODULES}
    assert own == shipped


def test_what_post_receive_loads(door: Door, tip: str) -> None:
    stdin = f"{'0' * 40} {tip} refs/heads/request/x\n".encode()
    loaded(door, "pre-receive", stdin)
    status, modules = loaded(door, "posted", stdin)
    assert status == "0"
    assert not modules & (HEAVY | {"json", "re", "collections", "contextlib"})
    assert {name for name in modules if name.startswith("gatekeeper")} == {
        "gatekeeper",
        "gatekeeper.repo",
        "gatekeeper.repo.posted",
    }


def test_the_interpreter_is_sealed(door: Door, clone: Clone) -> None:
    """-I and -S: neither the pusher's PYTHON* variables nor a package of his may have a say."""
    trap = clone.folder / "trap"
    trap.mkdir()
    (trap / "json.py").write_text("raise SystemExit(0)\n")
    (trap / "sitecustomize.py").write_text("import os; os._exit(0)\n")
    env = clone.env | {"PYTHONPATH": str(trap), "PYTHONSTARTUP": str(trap / "json.py"), "PYTHONHOME": "/nowhere"}
    pusher = Clone(clone.folder, env)
    (door.home / "repo.git" / "json.py").write_text("raise SystemExit(0)\n")
    clone.commit(files={"sites/shop/cart.js": "2\n"})
    assert pusher.push("HEAD:release").code == "GATE-101"
    for name in ("pre-receive", "posted"):
        first = (door.home / "repo.git" / "hooks" / name).read_text().splitlines()[0]
        assert first == f"#!{os.path.realpath(sys.executable)} -IS"


def judged(door: Door, ref: str, tip: str, **env: str) -> tuple[str, list[str]]:
    """Judge a push, and return the answer and the git processes that it took."""
    policy: dict[str, Any] = json.loads((door.home / "var" / "policy.json").read_text())
    started, start = list[str](), childgit.start

    def counted(argv: list[str], *more: Any) -> Any:
        started.append(argv[1])
        return start(argv, *more)

    git = childgit.runner(str(door.home / "repo.git"), os.environ)
    with patch.object(childgit, "start", counted), closing(git):
        text = receive.Door(str(door.home), policy, env, git).judge(f"{'0' * 40} {tip} {ref}\n".encode())
    return text, started


def test_a_forbidden_ref_costs_no_git_at_all(door: Door, tip: str) -> None:
    text, calls = judged(door, "refs/heads/release", tip)
    assert text.startswith("error: GATE-101")
    assert calls == []


def test_a_request_costs_a_few_processes(door: Door, tip: str) -> None:
    text, calls = judged(door, "refs/heads/request/x", tip)
    assert text == ""
    assert calls == ["cat-file", "log", "rev-parse", "for-each-ref", "log"]
    door.repo.git("update-ref", "refs/heads/request/x", tip)
    _, more = judged(door, "refs/heads/request/y", tip)
    assert more == [*calls, "log"], "another open request costs one more: the overlaps"
    for n in range(20):
        door.repo.git("update-ref", f"refs/heads/request/z{n}", tip)
    _, many = judged(door, "refs/heads/request/y", tip)
    assert many == more, "twenty others cost what one does"


def test_with_a_roll_the_others_are_not_listed(door: Door, tip: str) -> None:
    release = door.repo.git("rev-parse", "release")
    told = roll.encode(Roll({"codex-1": ["x"]}, {}, ["x"], (release, "v9.9.9")))
    (door.home / "var" / roll.FILE).write_bytes(told)
    door.repo.git("update-ref", "refs/heads/request/x", tip)
    text, calls = judged(door, "refs/heads/request/y", tip)
    assert text == ""
    assert calls == ["cat-file", "log", "rev-parse", "log"], "nor is the version looked up that the roll tells"
    (door.home / "var" / roll.FILE).write_bytes(roll.encode(Roll({}, {}, [], ("", ""))))
    _, other = judged(door, "refs/heads/request/w", tip)
    assert other == calls, "nobody is listed to be compared with, but the version is asked for"
