"""Brings a second repository up to a version: `release`, tags, the audit log, results and kept tips.

What is history is never rewritten there: a mirror that has another past refuses, and is then the last proof of it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from gatekeeper import process
from gatekeeper.model import KEEP, LOG, RELEASE, RESULTS, TAGS, Oid, Ref
from gatekeeper.policy.texts import cleaned
from gatekeeper.process import Cancel

_STATES = (RESULTS, KEEP)
"""Below these a ref says how something stands, and moves freely."""
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
    options = ("--porcelain", "--atomic", "--no-verify", "--recurse-submodules=no")
    for specs in _batches(refs):
        argv = ("git", f"--git-dir={folder}", "-c", "core.hooksPath=/dev/null", "push", *options, "--", url, *specs)
        environment = process.clean_environment(_ENVIRONMENT)
        done = process.run(argv, env=environment, timeout=timeout, cancel=cancel, die_with_parent=True, merge=True)
        if done.timed_out:
            return f"it did not end within {timeout:g} seconds"
        if not done.ok:
            return _why(done.text)
    return None


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
