"""What a change may hold: GATE-204, 205 and 207. Pure, and shared with the hooks.

`.git` and its disguises, submodules, links that leave the tree: each has been a way to run code at a checkout.
"""

from __future__ import annotations

from gatekeeper.policy import repair
from gatekeeper.policy.pushed import Refusal
from gatekeeper.policy.texts import hidden
from gatekeeper.policy.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from gatekeeper.policy.pushed import Change, Entry

LINK = "120000"
SUBMODULE = "160000"
FILES = ("100644", "100755")
NAMED = 5
"""How many paths an answer names."""
KINDS = ("kind", "submodule", "link", "git_link", "git", "mode", "lfs", "utf8", "character", "twin")
"""What can be wrong with a path, as the template of GATE-204 words it; `kind`: the tip is no commit."""
_MEASURES = {"paths": "paths", "depth": "folders deep", "bytes": "bytes when expanded"}
_LFS = ("version https://git-lfs.github.com/spec/", "version https://hawser.github.com/spec/")


def fault(change: Change, policy: Mapping[str, Any], *, base: str | None, request_id: str) -> Refusal | None:
    """Return why this change may not ship, or None. `base` is the commit that its paths can be put back to."""
    return (
        next(iter(too_large_for(change, policy["limits"])), None)
        or _forbidden(change, base, request_id)
        or _protected(change, policy["protected"], base, request_id)
    )


def too_large(what: str, count: int, limit: int, setting: str) -> Refusal:
    """Return GATE-205 with the setting that an operator could raise."""
    return Refusal("GATE-205", {"what": what, "count": count, "limit": limit, "setting": setting}, field=setting)


def _forbidden(change: Change, base: str | None, request_id: str) -> Refusal | None:
    found = findings(change)
    if not found:
        return None
    path, why, more = found[0]
    paths = tuple(dict.fromkeys(each[0] for each in found))
    return forbidden(why, more, path, len(paths) - 1, _undone(change, paths, base, request_id))


def findings(change: Change) -> list[tuple[str, str, str]]:
    """Return all that GATE-204 forbids in a change: each time the path, one of `KINDS`, and a detail."""
    found = [(entry.path, why, more) for entry in change.entries if entry.mode for why, more in _problems(entry)]
    return found + [(new, "twin", old) for new, old in change.twins]


def too_large_for(change: Change, limits: Mapping[str, int]) -> list[Refusal]:
    """Return all that GATE-205 forbids in a change."""
    measured = {"paths": change.paths, "depth": change.depth, "bytes": change.size}
    over = [(what, count) for what, count in measured.items() if count > limits[f"request_{what}"]]
    return [too_large(_MEASURES[what], n, limits[f"request_{what}"], f"limits.request_{what}") for what, n in over]


def forbidden(why: str, more: str, path: str = "", others: int = 0, steps: tuple[tuple[str, ...], ...] = ()) -> Refusal:
    """Return GATE-204 for one of `KINDS`, with a detail; without commands a person decides what goes in its place."""
    reasons = dict.fromkeys(KINDS, "") | {why: more or "yes"}
    values = {**reasons, "path": path, "others": others}
    return Refusal("GATE-204", values, steps, "after_fix" if steps or path else "never")


def _protected(change: Change, protected: Sequence[str], base: str | None, request_id: str) -> Refusal | None:
    paths = tuple(e.path for e in change.entries if any(_within(e.path, folder) for folder in protected))
    if not paths:
        return None
    values = {"paths": ", ".join(paths[:NAMED]), "others": max(0, len(paths) - NAMED)}
    steps = _undone(change, paths, base, request_id)
    return Refusal("GATE-207", values, steps, "after_fix" if steps else "never", allowed=None)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/") or folder == "."


def _undone(change: Change, paths: tuple[str, ...], base: str | None, request_id: str) -> tuple[tuple[str, ...], ...]:
    """Return how to take `paths` back, when something is then left and every path can be typed."""
    left = any(entry.path not in paths for entry in change.entries)
    if base is None or not left or len(paths) > 2 * NAMED or any(not _typeable(path) for path in paths):
        return ()
    return (*repair.put_back(base, (f":(top,literal){path}" for path in paths)), repair.push_again(request_id))


def _typeable(path: str) -> bool:
    return not any(0xD800 <= ord(char) <= 0xDFFF for char in path)


def _problems(entry: Entry) -> list[tuple[str, str]]:
    """Return what is wrong with one path, each as a word of the template and a detail."""
    found = []
    if (character := hidden(entry.path)) is not None:
        found.append(("utf8" if character.startswith("byte") else "character", character))
    if any(_is_git(part) for part in entry.path.replace("\\", "/").split("/")):
        found.append(("git", ""))
    if entry.mode == SUBMODULE:
        found.append(("submodule", ""))
    elif entry.mode == LINK:
        found += _link_problems(entry)
    elif entry.mode not in FILES:
        found.append(("mode", entry.mode))
    elif entry.text is not None and entry.text.startswith(_LFS):
        found.append(("lfs", ""))
    return found


def _is_git(part: str) -> bool:
    """Return whether some file system takes this name for `.git`: case, trailing dots, NTFS and HFS tricks."""
    name = "".join(char for char in part if hidden(char) is None).lower()
    return name.split(":", 1)[0].rstrip(". ") in (".git", "git~1") or part in (".", "..", "")


def _link_problems(entry: Entry) -> list[tuple[str, str]]:
    """Judge a link by its text alone. Up only at its start: after a name, `..` would follow that name's own link."""
    *folders, name = entry.path.split("/")
    target = entry.text or ""
    parts = target.split("/")
    ups = next((n for n, part in enumerate(parts) if part != ".."), len(parts))
    if name.lower().startswith(".git"):
        return [("git_link", "")]
    if not target or hidden(target) is not None:
        return [("link", "an unreadable target")]
    if target.startswith("/") or ups > len(folders) or ".." in parts[ups:]:
        return [("link", target[:80])]
    return [("git", "")] if any(part and _is_git(part) for part in parts[ups:] if part != ".") else []
