"""Installing the hooks, and seeing what was done to them since."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatekeeper.repo import create, hooks


@pytest.fixture
def home(tmp_path: Path) -> Path:
    create.create(tmp_path / "repo.git")
    hooks.install(tmp_path)
    return tmp_path


def test_installing_is_complete_and_repeatable(home: Path) -> None:
    assert hooks.drift(home) == ()
    written = hooks.install(home)
    folder = home / "repo.git" / "hooks"
    assert hooks.drift(home) == ()
    assert {path for path in folder.rglob("*") if path.is_file()} == set(written)
    assert [path.name for path in written[-3:]] == ["posted", "pre-receive", "post-receive"], "the hooks come last"
    assert all(os.access(folder / name, os.X_OK) for name in hooks.NAMES)
    assert {path.suffix for path in written} == {".py", ".pyc", ""}


def test_a_home_without_hooks_has_drifted(tmp_path: Path) -> None:
    create.create(tmp_path / "repo.git")
    assert f"{tmp_path}/repo.git/hooks/pre-receive is missing" in hooks.drift(tmp_path)


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (lambda folder: (folder / "pre-receive").chmod(0o644), "pre-receive has lost its mode 755"),
        (lambda folder: (folder / "pre-receive").unlink(), "pre-receive is missing"),
        (lambda folder: (folder / "pre-receive").write_text("#!/bin/sh\n"), "pre-receive was altered"),
        (lambda folder: (folder / "update").write_text("#!/bin/sh\n"), "update does not belong to the gate"),
        (lambda folder: (folder / "lib/gatekeeper/policy/refs.py").write_text(""), "policy/refs.py was altered"),
        (lambda folder: (folder / "lib/json.py").write_text(""), "lib/json.py does not belong to the gate"),
        (lambda folder: (folder / "lib/x").symlink_to("/tmp"), "lib/x does not belong to the gate"),
    ],
)
def test_drift_names_what_was_touched(home: Path, tamper: object, says: str) -> None:
    assert callable(tamper)
    tamper(home / "repo.git" / "hooks")
    assert any(sentence.endswith(says) for sentence in hooks.drift(home))
    hooks.install(home)
    assert not any("altered" in sentence or "missing" in sentence for sentence in hooks.drift(home))


def test_a_link_in_place_of_a_hook_is_seen(home: Path) -> None:
    hook = home / "repo.git" / "hooks" / "pre-receive"
    hook.rename(home / "elsewhere")
    hook.symlink_to(home / "elsewhere")
    assert hooks.drift(home) == (f"{hook} is missing",)


def test_bytecode_that_lies_is_seen(home: Path, tmp_path: Path) -> None:
    """Python runs the bytecode and never looks at the source: the watch must."""
    module = home / "repo.git/hooks/lib/gatekeeper/policy/refs.py"
    other = tmp_path / "other.py"
    other.write_text(module.read_text().replace('"GATE-101"', '"GATE-999"'))
    evil = hooks.compile_module(other).read_bytes()
    good = hooks.compiled(module).read_bytes()
    hooks.compiled(module).write_bytes(good[:16] + evil[16:])
    assert hooks.drift(home) == (f"{hooks.compiled(module)} is not what its source compiles to",)
    hooks.compiled(module).write_bytes(b"")
    assert hooks.drift(home) == (f"{hooks.compiled(module)} is not what its source compiles to",)


@pytest.mark.parametrize("folder", ["a" * 130, "with space"])
def test_an_interpreter_that_no_shebang_takes(home: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    place = home / folder
    place.mkdir()
    (place / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (place / "python3").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(place / "python3"))
    hooks.install(home)
    assert hooks.drift(home) == ()
    hook = home / "repo.git" / "hooks" / "pre-receive"
    done = subprocess.run([str(hook)], cwd=home / "repo.git", input=b"", capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr == b""
    assert done.stdout.startswith(b"error: GATE-501 var/policy.json cannot be read")
