"""What a push costs: which modules a hook loads, and how many git processes it starts. Counted, never timed."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from gatekeeper.repo import childgit, hooks, receive
from hooks.doorway import Clone, Door

LOADED = """
import io, sys
path = sys.argv[1]
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
    status, modules = loaded(door, "post-receive", stdin)
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
    for name in hooks.NAMES:
        first = (door.home / "repo.git" / "hooks" / name).read_text().splitlines()[0]
        assert first == f"#!{os.path.realpath(sys.executable)} -IS"


class Counting:
    """Passes calls on to the hooks' own git, and keeps their first words."""

    def __init__(self, door: Door) -> None:
        self.calls: list[str] = []
        self._git = childgit.runner(str(door.home / "repo.git"), os.environ)

    def __call__(self, args: list[str], stdin: bytes = b"") -> bytes:
        self.calls.append(args[0])
        return self._git(args, stdin)


def judged(door: Door, ref: str, tip: str, **env: str) -> tuple[str, list[str]]:
    policy: dict[str, Any] = json.loads((door.home / "var" / "policy.json").read_text())
    git = Counting(door)
    line = f"{'0' * 40} {tip} {ref}\n".encode()
    text = receive.Door(str(door.home), policy, env, git).judge(line)
    return text, git.calls


def test_a_forbidden_ref_costs_no_git_at_all(door: Door, tip: str) -> None:
    text, calls = judged(door, "refs/heads/release", tip)
    assert text.startswith("error: GATE-101")
    assert calls == []


def test_a_request_costs_a_dozen_processes(door: Door, tip: str) -> None:
    text, calls = judged(door, "refs/heads/request/x", tip)
    assert text == ""
    assert calls == ["for-each-ref", "cat-file", "rev-parse", "log", *["cat-file"] * 5, "log"]
    door.repo.git("update-ref", "refs/heads/request/x", tip)
    _, more = judged(door, "refs/heads/request/y", tip)
    assert more == [*calls, "log"], "another open request costs one more: the overlaps"
    for n in range(20):
        door.repo.git("update-ref", f"refs/heads/request/z{n}", tip)
    _, many = judged(door, "refs/heads/request/y", tip)
    assert many == more, "twenty others cost what one does"
