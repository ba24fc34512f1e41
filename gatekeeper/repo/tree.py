"""Compares two trees object by object, so that a few objects that expand to billions of paths are counted cheaply.

Level by level: each different pair of folders is looked at once a level, however often it occurs there.
Shared with the hooks: standard library only.
"""

from __future__ import annotations

from collections import Counter

from gatekeeper.policy.pushed import Change, Entry
from gatekeeper.policy.values import TYPE_CHECKING, NamedTuple
from gatekeeper.repo import objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gatekeeper.repo.objects import Git

TREE = "40000"
LINK = "120000"
SUBMODULE = "160000"
MALFORMED = "malformed"
"""In place of a mode: the name has a slash, is empty or stands there twice; `receive.fsckObjects` refuses it too."""
_SMALL = 1024
"""An LFS pointer is smaller than this by its specification."""
_LONGEST_LINK = 4096
_MANY = 20_000
"""Entries, or folders of one level, that the memory easily holds at once."""


class Node(NamedTuple):
    """One line of a tree object."""

    mode: str
    oid: str


Folder = dict[str, Node]


Pair = tuple["str | None", "str | None"]


def compare(git: Git, old: str | None, new: str, limits: Mapping[str, int]) -> Change:
    """Return what the tree `new` changes in the tree `old` (None: nothing was there); each an oid or `oid^{tree}`."""
    return next(compare_all(git, [(old, new)], limits))


def compare_all(git: Git, pairs: Sequence[Pair], limits: Mapping[str, int]) -> Iterator[Change]:
    """Yield what the second tree of each pair changes in the first; Git is asked as often as for one pair.

    Past `request_paths` or `request_depth` it stops and yields the counts so far, without entries. What is large is
    read apart, so that no more than one of that size is in memory.
    """
    folders, found, entries = Folders(git), list[Change](), 0
    _foresee(folders, set(pairs), limits)
    for pair in pairs:
        found.append(_compared(folders, pair, limits))
        entries += len(found[-1].entries)
        if entries > _MANY:
            yield from _with_contents(git, found)
            folders, found, entries = Folders(git), [], 0
    yield from _with_contents(git, found)


def paths(git: Git, old: str | None, new: str) -> tuple[str, ...]:
    """Return the path of every file in which two trees differ, renames as two; for trees whose sizes were judged."""
    folders, found = Folders(git), list[str]()
    level: list[tuple[Pair, str]] = [((old, new), "")]
    while level:
        folders.load({oid for pair, _ in level for oid in pair if oid})
        below = list[tuple[Pair, str]]()
        for pair, above in level:
            for name, before, after in _differences(folders, pair):
                inner = (_folder(before), _folder(after))
                found += [above + name] if (before and not inner[0]) or (after and not inner[1]) else []
                below += [(inner, f"{above}{name}/")] if any(inner) else []
        level = below
    return tuple(sorted(found))


def places(git: Git, tree: str, wanted: Sequence[str]) -> dict[str, Node]:
    """Return what a tree has at these paths; one that is not there is left out."""
    folders, found = Folders(git), dict[str, Node]()
    level = {path: (tree, path) for path in wanted}
    while level:
        folders.load({oid for oid, _ in level.values()})
        below = {}
        for path, (folder, rest) in level.items():
            name, _, inner = rest.partition("/")
            node = folders[folder].get(name)
            if node is not None and not inner:
                found[path] = node
            elif node is not None and node.mode == TREE:
                below[path] = (node.oid, inner)
        level = below
    return found


def _compared(folders: Folders, pair: Pair, limits: Mapping[str, int]) -> Change:
    paths, depth = _measure(folders, pair, limits)
    if paths > limits["request_paths"] or depth > limits["request_depth"]:
        return Change((), paths, depth, 0)
    twins: list[tuple[str, str]] = []
    entries = tuple(_entries(folders, pair, "", twins))
    return Change(entries, paths, depth, 0, tuple(twins))


class Folders:
    """Tree objects by oid, each read once."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._known: dict[str, Folder] = {}

    def load(self, oids: set[str]) -> None:
        """Read those that are not known yet, all in one process."""
        missing = sorted(oids - self._known.keys())
        found = objects.contents(self._git, missing)
        self._known.update((name, _parse(found[name].content, len(found[name].oid) // 2)) for name in missing)

    def __getitem__(self, oid: str | None) -> Folder:
        return self._known[oid] if oid else {}


def _parse(content: bytes, width: int) -> Folder:
    found, at = {}, 0
    while at < len(content):
        space = content.index(b" ", at)
        end = content.index(b"\0", space)
        name = content[space + 1 : end].decode("utf-8", "surrogateescape")
        mode = content[at:space].decode("ascii", "replace").lstrip("0")
        at = end + 1 + width
        sound = name not in found and name and "/" not in name
        found[name] = Node(mode if sound else MALFORMED, content[end + 1 : at].hex())
    return found


def _foresee(folders: Folders, level: set[Pair], limits: Mapping[str, int]) -> None:
    """Read the folders of all pairs level by level, unless they are many: those are read pair by pair."""
    for _ in range(limits["request_depth"] + 1):
        if not level or len(level) > _MANY:
            return
        folders.load({oid for pair in level for oid in pair if oid})
        below = (
            (_folder(before), _folder(after)) for pair in level for _, before, after in _differences(folders, pair)
        )
        level = {inner for inner in below if any(inner)}


def _measure(folders: Folders, pair: Pair, limits: Mapping[str, int]) -> tuple[int, int]:
    level: Counter[Pair] = Counter({pair: 1})
    paths = depth = 0
    while level and paths <= limits["request_paths"] and depth <= limits["request_depth"]:
        folders.load({oid for parents in level for oid in parents if oid})
        below: Counter[Pair] = Counter()
        for parents, times in level.items():
            for _, before, after in _differences(folders, parents):
                inner = (_folder(before), _folder(after))
                paths += times if after and not all(inner) else 0
                if any(inner):
                    below[inner] += times
        depth += 1 if below else 0
        level = below
    return paths, depth


def _differences(folders: Folders, pair: Pair) -> Iterator[tuple[str, Node | None, Node | None]]:
    old, new = folders[pair[0]], folders[pair[1]]
    for name, after in new.items():
        before = old.get(name)
        if before != after:
            yield name, before, after
    for name in old.keys() - new.keys():
        yield name, old[name], None


def _folder(node: Node | None) -> str | None:
    return node.oid if node and node.mode == TREE else None


def _entries(folders: Folders, pair: Pair, above: str, twins: list[tuple[str, str]]) -> Iterator[Entry]:
    twins += [(above + new, above + other) for new, other in _twins(folders[pair[0]], folders[pair[1]])]
    for name, before, after in sorted(_differences(folders, pair)):
        inner = (_folder(before), _folder(after))
        if after and not inner[1]:
            yield Entry(above + name, after.mode, after.oid)
        elif before and not inner[0]:
            yield Entry(above + name, "", before.oid)
        if any(inner):
            yield from _entries(folders, inner, f"{above}{name}/", twins)


def _twins(old: Folder, new: Folder) -> Iterator[tuple[str, str]]:
    """Yield new names that a file system without case, or one that composes letters, cannot tell from another."""
    added = new.keys() - old.keys()
    if not added:
        return
    same: dict[str, list[str]] = {}
    for name in new:
        same.setdefault(_flat(name), []).append(name)
    for names in same.values():
        for name in names if len(names) > 1 else ():
            if name in added:
                yield name, next(other for other in names if other != name)


def _flat(name: str) -> str:
    if name.isascii():
        return name.lower()
    import unicodedata  # noqa: PLC0415 - only names beyond ASCII pay for it

    return unicodedata.normalize("NFC", name).casefold()


def _with_contents(git: Git, changes: Sequence[Change]) -> Iterator[Change]:
    """Add each blob's size, and the content of links and of what may be an LFS pointer."""
    blobs = [entry for change in changes for entry in change.entries if entry.mode not in ("", SUBMODULE)]
    size = {oid: found.size for oid, found in objects.sizes(git, (entry.oid for entry in blobs)).items()}
    wanted = (e.oid for e in blobs if size.get(e.oid, 0) < (_LONGEST_LINK if e.mode == LINK else _SMALL))
    read = objects.contents(git, wanted)
    return (_filled(change, size, read) for change in changes)


def _filled(change: Change, size: Mapping[str, int], read: Mapping[str, objects.Object]) -> Change:
    entries = tuple(
        entry._replace(size=size.get(entry.oid, 0), text=_text(read.get(entry.oid))) if entry.mode else entry
        for entry in change.entries
    )
    return change._replace(entries=entries, size=sum(entry.size for entry in entries))


def _text(found: objects.Object | None) -> str | None:
    return found.content.decode("utf-8", "surrogateescape") if found else None
