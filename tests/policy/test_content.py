"""Names, links and modes that may not be deployed, judged by themselves."""

import pytest

from gatekeeper.policy import content
from gatekeeper.policy.pushed import Change, Entry

LIMITS = {"request_paths": 10, "request_depth": 10, "request_bytes": 10}
POLICY = {"limits": LIMITS, "protected": [".github"]}


def judged(path: str, mode: str = "100644", text: str | None = None) -> str | None:
    change = Change((Entry(path, mode, "1" * 40, 1, text),), 1, 1, 1)
    refusal = content.fault(change, POLICY, base=None, request_id="fix-1")
    return None if refusal is None else next(kind for kind in content.KINDS if refusal.values.get(kind))


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        "a/.GIT/x",
        "git~1/x",
        "GIT~1",
        "a/.git ./x",
        "a/.git...",
        "a/.git::$INDEX_ALLOCATION/x",
        "a\\.git\\hooks",
        "a/..",
        "./a",
        "..\\x",
    ],
)
def test_what_passes_for_git(path: str) -> None:
    assert judged(path) == "git"


def test_a_name_with_ignorable_characters() -> None:
    assert judged(".g\u200cit/x") == "character"


@pytest.mark.parametrize(
    "path", [".gitignore", ".gitmodules", "a/.github/x", "git", "x.git", "git~10", "...", "日本 語", "a:b"]
)
def test_what_is_an_ordinary_name(path: str) -> None:
    assert judged(path) is None


@pytest.mark.parametrize(
    ("path", "target", "kind"),
    [
        ("l", "a", None),
        ("l", "./a/b", None),
        ("a/l", "../b", None),
        ("a/b/l", "../../c", None),
        ("a/b/l", "../..", None),
        ("l", "/a", "link"),
        ("l", "..", "link"),
        ("l", "../a", "link"),
        ("a/l", "../../a", "link"),
        ("a/l", "b/../../..", "link"),
        ("a/l", "b/../c", "link"),
        ("l", "./..", "link"),
        ("l", "", "link"),
        ("l", None, "link"),
        ("l", "a\nb", "link"),
        ("l", ".git/hooks", "git"),
        ("a/l", "../.GIT", "git"),
        (".gitattributes", "a", "git_link"),
        ("a/.gitmodules", "b", "git_link"),
        (".GITIGNORE", "b", "git_link"),
    ],
)
def test_links(path: str, target: str | None, kind: str | None) -> None:
    assert judged(path, content.LINK, target) == kind


@pytest.mark.parametrize(("mode", "kind"), [("160000", "submodule"), ("100664", "mode"), ("100755", None), ("", None)])
def test_modes(mode: str, kind: str | None) -> None:
    assert judged("a", mode) == kind


def test_deleting_what_is_forbidden_is_allowed() -> None:
    assert judged("a/.git/x", "") is None


@pytest.mark.parametrize(
    ("path", "refused"), [(".github", True), (".github/x", True), (".githubx", False), ("a/.github", False)]
)
def test_protected_paths_are_matched_whole(path: str, *, refused: bool) -> None:
    change = Change((Entry(path, "", "1" * 40),), 0, 0, 0)
    refusal = content.fault(change, POLICY, base="1" * 40, request_id="fix-1")
    assert (refusal is not None and refusal.code == "GATE-207") is refused


@pytest.mark.parametrize("what", ["paths", "depth", "bytes"])
def test_limits_are_reached_and_not_passed(what: str) -> None:
    sizes = {"paths": 10, "depth": 10, "bytes": 10}
    for extra, code in ((0, None), (1, "GATE-205")):
        size = sizes | {what: 10 + extra}
        change = Change((), size["paths"], size["depth"], size["bytes"])
        refusal = content.fault(change, POLICY, base=None, request_id="fix-1")
        assert (refusal and refusal.code) == code
