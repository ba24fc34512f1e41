"""Brings a second repository up to a version: `release`, tags, the audit log, results and kept tips.

What is history is never rewritten there: a mirror that has another past refuses, and is then the last proof of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from gatekeeper import process
from gatekeeper.model import KEEP, LOG, RELEASE, RESULTS, TAGS, Oid, Ref
from gatekeeper.policy.texts import cleaned
from gatekeeper.process import Cancel, Done

STAGED = Ref("refs/gate/staged")
"""In a mirror that an engine follows: what is about to be shipped, so that the objects are there before the switch."""
_STATES = (RESULTS, KEEP)
"""Below these a ref says how something stands, and moves freely."""
_PUSH = ("-c", "core.hooksPath=/dev/null", "push", "--porcelain", "--atomic", "--no-verify", "--recurse-submodules=no")
_AT_ONCE = 5_000
"""Refs that one command line holds."""
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=15",
    "LC_ALL": "C.UTF-8",
}
_SAID_AT_MOST = 200


def push(
    folder: Path, refs: Mapping[Ref, Oid], url: str, *, timeout: float, cancel: Cancel | None = None
) -> str | None:
    """Push what of `refs` belongs into a mirror to `url`; return what went wrong, in words, or None.

    Log and `release` go last and together, so that a mirror is never ahead of what it can prove.
    """
    for specs in _batches(refs):
        done = _git((f"--git-dir={folder}", *_PUSH, "--", url, *specs), timeout=timeout, cancel=cancel)
        if done.timed_out:
            return _late(timeout)
        if not done.ok:
            return _why(done.text)
    return None


class Tip(Struct, frozen=True):
    """Where a ref of a mirror stands, None for nowhere; or why nobody can tell."""

    oid: str | None = None
    problem: str | None = None


def tip(url: str, ref: str, *, timeout: float) -> Tip:
    """Ask a mirror for one ref."""
    done = _git(("ls-remote", "--", url, ref), timeout=timeout)
    if done.timed_out or not done.ok:
        return Tip(problem=_late(timeout) if done.timed_out else _why(done.text))
    found = (line.split("\t") for line in done.text.splitlines() if line.endswith(f"\t{ref}"))
    return Tip(next((oid for oid, _ in found), None))


def force(folder: Path, url: str, ref: str, oid: str | None, *, timeout: float) -> str | None:
    """Move one ref of a mirror wherever it stands, or delete it; return what went wrong, in words, or None.

    Not for what is history: for a ref that says what an engine is to run.
    """
    if oid is None and (now := tip(url, ref, timeout=timeout)).oid is None:
        return now.problem
    spec = f":{ref}" if oid is None else f"+{oid}:{ref}"
    done = _git((f"--git-dir={folder}", *_PUSH, "--", url, spec), timeout=timeout)
    return _late(timeout) if done.timed_out else None if done.ok else _why(done.text)


def _git(args: Sequence[str], *, timeout: float, cancel: Cancel | None = None) -> Done:
    environment = process.clean_environment(_ENVIRONMENT)
    return process.run(
        ("git", *args), env=environment, timeout=timeout, cancel=cancel, die_with_parent=True, merge=True
    )


def _late(timeout: float) -> str:
    return f"it did not end within {timeout:g} seconds"


def _batches(refs: Mapping[Ref, Oid]) -> Iterator[list[str]]:
    first = [_spec(ref, oid) for ref, oid in refs.items() if ref.startswith((TAGS, *_STATES))]
    last = [_spec(ref, refs[ref]) for ref in (LOG, RELEASE) if ref in refs]
    yield from (first[at : at + _AT_ONCE] for at in range(0, len(first), _AT_ONCE))
    yield last


def _spec(ref: Ref, oid: Oid) -> str:
    return f"{'+' if ref.startswith(_STATES) else ''}{oid}:{ref}"


def _why(said: str) -> str:
    """Return the line that says most: a refused ref, or what went fatally wrong."""
    lines = said.splitlines()
    refused = [line for line in lines if line.startswith("!") and "atomic push failed" not in line]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return cleaned((*refused, *fatal, *lines, "git push failed")[0].lstrip("! \t"), _SAID_AT_MOST)
