"""Which surfaces a change touches. Shared with the hooks: standard library only, and cheap to import.

`rules` names each surface's paths, as `Config.surface_paths` gives them. A path is matched on whole components,
never as a prefix of characters: `sites/shop` does not hold `sites/shop-admin`.
"""

from collections.abc import Iterable, Mapping, Sequence

ROOT = "root"
"""The surface of whatever no other surface holds."""

_WHOLE_TREE = "."


def surfaces_of(paths: Iterable[str], rules: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the names of the surfaces that hold `paths`, sorted; two surfaces of one path are both named."""
    by_path = index(rules)
    return tuple(sorted({name for path in paths for name in holders(path, by_path)}))


def holders(path: str, by_path: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the surfaces of the longest path that is `path` or a folder above it; `root` when there is none."""
    above = path
    while above:
        if above in by_path:
            return by_path[above]
        above = above.rpartition("/")[0]
    return by_path.get(_WHOLE_TREE, (ROOT,))


def index(rules: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Turn `rules` round, once for many calls of `holders`: each path with the surfaces that have it."""
    by_path: dict[str, tuple[str, ...]] = {}
    for name in sorted(rules):
        for path in rules[name]:
            by_path[path] = (*by_path.get(path, ()), name)
    return by_path
