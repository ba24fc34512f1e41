"""Surfaces: matched whole, the longest path wins, and nothing is without one."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.policy import surfaces
from gatekeeper.policy.surfaces import holders, index, surfaces_of

RULES = {
    "shop": ("sites/shop",),
    "shop-admin": ("sites/shop-admin",),
    "kiosk": ("sites/shop",),
    "cart": ("sites/shop/cart",),
    "shared": ("lib", "package.json"),
}


@pytest.mark.parametrize(
    ("paths", "touched"),
    [
        (["sites/shop-admin/server.js"], ("shop-admin",)),
        (["sites/shop/server.js"], ("kiosk", "shop")),
        (["sites/shop/cart/index.js"], ("cart",)),
        (["sites/shop/cart.js"], ("kiosk", "shop")),
        (["sites/shop"], ("kiosk", "shop")),
        (["lib/a/b/c.js", "package.json"], ("shared",)),
        (["package.json.bak"], ("root",)),
        (["library/x"], ("root",)),
        (["sites/sho"], ("root",)),
        (["README.md", "lib/x"], ("root", "shared")),
        ([], ()),
    ],
)
def test_a_path_belongs_to_the_longest_whole_match(paths: list[str], touched: tuple[str, ...]) -> None:
    assert surfaces_of(paths, RULES) == touched


def test_a_site_that_is_the_whole_tree_leaves_no_root() -> None:
    rules = {"app": (".",), "docs": ("docs",)}
    assert surfaces_of(["a", "b/c"], rules) == ("app",)
    assert surfaces_of(["docs/x"], rules) == ("docs",)


def test_without_rules_everything_is_root() -> None:
    assert surfaces_of(["anything"], {}) == (surfaces.ROOT,)


@given(st.lists(st.sampled_from(["a", "ab", "a-b", "b"]), min_size=1, max_size=5).map("/".join))
def test_what_holds_a_path_is_a_whole_ancestor_and_no_longer_one_exists(path: str) -> None:
    rules = {"one": ("a",), "two": ("a/b",), "three": ("ab",), "four": ("a-b/a",)}
    ancestors = ["/".join(path.split("/")[:n]) for n in range(len(path.split("/")), 0, -1)]
    expected = next((name for a in ancestors for name, (held,) in rules.items() if held == a), surfaces.ROOT)
    assert holders(path, index(rules)) == (expected,)


def test_a_hook_can_import_it_bare() -> None:
    """Under `python3 -I -S`, without third-party or slow modules of the standard library."""
    program = (
        f"import sys; sys.path.insert(0, {_root()!r})\n"
        "import gatekeeper.policy.surfaces\n"
        "print(*sorted({'dataclasses', 'typing', 'inspect', 're', 'msgspec'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == ""


def _root() -> str:
    return str(surfaces.__file__).removesuffix("/gatekeeper/policy/surfaces.py")
