"""Installs the hooks, and tells what differs from what this version would install.

They run without the package: a copy of the modules that they share with it lies in hooks/lib, compiled beforehand.
"""

import hashlib
import importlib.util
import marshal
import os
import py_compile
import sys
from functools import cache
from pathlib import Path
from shlex import quote

from gatekeeper import assets
from gatekeeper.repo.export import write_file

NAMES = ("posted", "pre-receive", "post-receive")
"""The programs that Git starts, and before them the one that post-receive does."""
MODULES = (
    "__init__",
    "policy/__init__",
    "policy/admission",
    "policy/answer",
    "policy/content",
    "policy/pushed",
    "policy/refs",
    "policy/repair",
    "policy/surfaces",
    "policy/texts",
    "policy/values",
    "policy/wishes",
    "repo/__init__",
    "repo/around",
    "repo/childgit",
    "repo/compiled",
    "repo/facts",
    "repo/filed",
    "repo/objects",
    "repo/posted",
    "repo/receive",
    "repo/report",
    "repo/roll",
    "repo/tree",
)
"""Every module that a hook imports; a test compares this with what one really does."""
_PACKAGE = Path(assets.__file__).parent
_LONGEST_SHEBANG = 120
"""Linux cut the first line at 127 characters before 5.1, and splits none at a space."""


def install(home: Path) -> tuple[Path, ...]:
    """Write the hooks and their modules, each whole or not at all, the hooks last; return every file."""
    folder = home / "repo.git" / "hooks"
    for place in (home / "var" / "spool", home / "var" / "answers"):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = []
    for path, (content, mode) in _wanted(folder).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content, mode=mode)
        written.append(path)
        if path.suffix == ".py":
            written.append(compile_module(path))
    return tuple(written)


def drift(home: Path) -> tuple[str, ...]:
    """Return what is missing, altered or foreign in the repository's hooks folder, a sentence each."""
    folder = home / "repo.git" / "hooks"
    wanted = _wanted(folder)
    sources = {compiled(path): path for path in wanted if path.suffix == ".py"}
    found = [problem for path, (content, mode) in wanted.items() if (problem := _difference(path, content, mode))]
    found += [f"{path} is not what its source compiles to" for path, source in sources.items() if _stale(path, source)]
    known = {*wanted, *sources}
    seen = (path for path in sorted(folder.rglob("*")) if not path.is_dir() or path.is_symlink())
    return (*found, *(f"{path} does not belong to the gate" for path in seen if path not in known))


def digest() -> str:
    """Return a digest of all that this gatekeeper installs, with the interpreter that it names."""
    total = hashlib.sha256()
    for path, (content, mode) in _wanted(Path()).items():
        total.update(b"%s\0%o\0%d\0%s" % (str(path).encode(), mode, len(content), content))
    return total.hexdigest()


def _wanted(folder: Path) -> dict[Path, tuple[bytes, int]]:
    lib = folder / "lib" / "gatekeeper"
    files = {lib / f"{name}.py": (_source(_PACKAGE / f"{name}.py"), 0o644) for name in MODULES}
    for name in NAMES:
        script = _source(assets.folder("hooks") / name)
        python = b"python3" in script.partition(b"\n")[0]
        interpreter = os.path.realpath(sys.executable)
        files.update(_script(folder, name, script, interpreter) if python else {folder / name: (script, 0o755)})
    return files


@cache
def _source(path: Path) -> bytes:
    """Read once: a Librarian that runs while another version is installed goes on as the one it is."""
    return path.read_bytes()


def _script(folder: Path, name: str, script: bytes, interpreter: str) -> dict[Path, tuple[bytes, int]]:
    """Return the hook with the interpreter's own path on top, or behind a launcher when no kernel takes that."""
    first = f"#!{interpreter} -IS"
    if len(first) <= _LONGEST_SHEBANG and " " not in interpreter:
        return {folder / name: (first.encode() + b"\n" + script.split(b"\n", 1)[1], 0o755)}
    body = folder / f"{name}.body"
    launcher = f'#!/bin/sh\nexec {quote(interpreter)} -IS "$0.body"\n'
    return {body: (script, 0o644), folder / name: (launcher.encode(), 0o755)}


def compiled(path: Path) -> Path:
    """Return where Python looks for the bytecode of a module."""
    return Path(importlib.util.cache_from_source(str(path)))


def compile_module(path: Path) -> Path:
    """Compile a module so that Python never looks whether the source is newer: the hook's user cannot write here."""
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(path), cfile=str(compiled(path)), doraise=True, invalidation_mode=unchecked)
    return compiled(path)


def _difference(path: Path, content: bytes, mode: int) -> str | None:
    if path.is_symlink() or not path.is_file():
        return f"{path} is missing"
    if path.read_bytes() != content:
        return f"{path} was altered"
    return None if path.stat().st_mode & 0o777 == mode else f"{path} has lost its mode {mode:o}"


def _stale(path: Path, source: Path) -> bool:
    try:
        return not _is_compiled(path.read_bytes(), source.read_bytes(), str(source))
    except OSError:
        return True


@cache
def _is_compiled(data: bytes, text: bytes, name: str) -> bool:
    """Compare code, not bytes: marshal writes the same code in more than one way."""
    try:
        head = importlib.util.MAGIC_NUMBER + b"\x01\0\0\0" + importlib.util.source_hash(text)
        code = compile(text, name, "exec", dont_inherit=True)
        return data[:16] == head and bool(marshal.loads(data[16:]) == code)  # noqa: S302 - compared, never run
    except (ValueError, EOFError, TypeError):
        return False
