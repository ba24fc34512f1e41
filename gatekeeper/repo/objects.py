"""Asks Git for many objects at once, through a callable. Shared with the hooks: standard library only."""

from __future__ import annotations

from gatekeeper.policy.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Git = Callable[[list[str], bytes], bytes]
    """Runs `git ARGS` with this standard input and returns what it prints; raises for any status but 0."""


def together(git: Git, *asked: tuple[list[str], bytes]) -> list[bytes]:
    """Ask several things at once where the callable can, else one after the other."""
    at_once = getattr(git, "together", None)
    return at_once(*asked) if at_once else [git(args, stdin) for args, stdin in asked]


ASKING = ["cat-file", "--batch-command", "--buffer"]
"""What is asked of Git; a callable may keep one such process for all that is asked."""


class Object(NamedTuple):
    """What Git says of one name; `content` is empty when only the size was asked for."""

    oid: str
    kind: str
    size: int
    content: bytes = b""


def contents(git: Git, names: Iterable[str]) -> dict[str, Object]:
    """Return the objects that these names stand for, with their content; the missing ones are left out."""
    return _ask(git, [("contents", name) for name in dict.fromkeys(names)])


def sizes(git: Git, names: Iterable[str]) -> dict[str, Object]:
    """Return type and size of these objects; the missing ones are left out."""
    return _ask(git, [("info", name) for name in dict.fromkeys(names)])


def mixed(git: Git, *, whole: Iterable[str], measured: Iterable[str]) -> dict[str, Object]:
    """Return some objects with their content and others, which may be huge, with their size, in one process."""
    asked = [("info", name) for name in dict.fromkeys(measured)]
    return _ask(git, asked + [("contents", name) for name in dict.fromkeys(whole)])


def _ask(git: Git, asked: list[tuple[str, str]]) -> dict[str, Object]:
    if not asked:
        return {}
    script = "".join(f"{verb} {name}\n" for verb, name in asked).encode()
    output, at = git(ASKING, script), 0
    found = {}
    for verb, name in asked:
        end = output.index(b"\n", at)
        head = output[at:end]
        size, at = size_in(head), end + 1
        if size is None:
            continue
        words = head.decode().split(" ")
        content = output[at : at + size] if verb == "contents" else b""
        found[name] = Object(words[0], words[1], size, content)
        at += size + 1 if verb == "contents" else 0
    return found


def size_in(head: bytes) -> int | None:
    """Return the size that the first line of an answer tells; None for `NAME missing`, or an ambiguous one."""
    words = head.rsplit(b" ", 2)
    return int(words[2]) if len(words) == 3 and words[2].strip().isdigit() else None
