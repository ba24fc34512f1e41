"""Every code has its words; what they need is written here, as the callers must know it."""

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from gatekeeper import messages
from gatekeeper.assets import folder
from gatekeeper.errors import GateError

REASONS = {
    "401": ({"files": [{"path": "a.js", "lines": [(3, 3), (7, 9), (12, 11)]}, {"path": "b.png", "lines": []}], "more": 0, "other": "fix-1", "agent": "codex-2"}, "in conflict with request fix-1 (agent codex-2) in a.js (line 3, lines 7-9, before line 12), b.png."),  # noqa: E501
    "402": ({"check": "unit", "site": "shop", "release": False, "settings": False, "others": ["fix-1"], "excerpt": "3 failed"}, 'check "unit" failed for shop, behind fix-1: 3 failed'),  # noqa: E501
    "403": ({"check": "unit", "site": "", "release": True, "settings": False, "seconds": 300}, 'check "unit" on `release` itself did not end within 300 seconds, twice.'),  # noqa: E501
    "404": ({"site": "shop", "version": "v1.4.2", "problem": "no answer", "back": "v1.4.1"}, "site shop was not healthy on v1.4.2: no answer. Every site is back on v1.4.1; `release` is as it was."),  # noqa: E501
    "405": ({"by": "kim", "message": "not now"}, "kim rejected it: not now"),
    "406": ({"files": ["m/1.sql"], "reason": "schema migration"}, "held for a person's approval, because of m/1.sql: schema migration."),  # noqa: E501
    "407": ({"by": "codex-1"}, "codex-1 withdrew it."),
    "408": ({"frozen": "", "opens": "07:00"}, "the gate ships only in its windows; the next one opens at 07:00."),
    "409": ({"other": "fix-1", "agent": None}, "it waits for request fix-1, which goes first."),
    "410": ({"state": "blocked", "days": 14}, "it was blocked for 14 days and has expired."),
    "501": ({"problem": "x"}, "the configuration is invalid: x"),
    "502": ({"what": "refs/heads/release", "problem": "moved"}, "refs/heads/release is not as the gate left it: moved. Nothing is shipped until a person has looked."),  # noqa: E501
    "503": ({"problem": "full"}, "the disk does not take what the gate must write: full. Nothing was changed."),
    "504": ({"what": "pm2", "problem": "x"}, "pm2 cannot be reached: x."),
    "505": ({"problem": "x"}, "the sandbox cannot be used: x. Nothing is verified without it."),
    "506": ({"id": "fix-1", "minutes": 90, "state": "queued"}, "request fix-1 has not moved for 90 minutes: queued."),
}  # fmt: skip


@pytest.mark.parametrize("code", REASONS)
def test_a_reason_of_the_librarian(code: str) -> None:
    values, sentence = REASONS[code]
    assert isinstance(values, dict)
    assert messages.reason(f"GATE-{code}", **values) == sentence
    assert messages.render(f"reasons/GATE-{code}", **values).strip() == sentence


def test_every_page_has_its_words_and_every_word_its_page() -> None:
    pages = {path.stem for path in (folder("templates") / "explain").glob("*.md")}
    assert {path.stem for path in (folder("templates") / "reasons").glob("*.j2")} == pages


@pytest.mark.parametrize("code", sorted(REASONS))
def test_a_missing_value_is_an_error(code: str) -> None:
    with pytest.raises(UndefinedError):
        messages.reason(f"GATE-{code}")


def test_values_are_escaped_and_never_run() -> None:
    said = messages.reason("GATE-405", by="{{ 7*7 }}\u202e", message="a\nb {% include '/etc/passwd' %}")
    assert said == "{{ 7*7 }}\\u202e rejected it: a\\x0ab {% include '/etc/passwd' %}"


def test_the_hooks_get_every_template_that_they_need() -> None:
    names = set(messages.compiled())
    assert {"push/filed", "push/overlap", "push/withdrawn", "reasons/GATE-503"} <= names
    assert {name[-3:] for name in names if name.startswith("reasons/GATE-2")} == {str(n) for n in range(201, 212)}
    assert not [name for name in names if re.search(r"GATE-4", name)]


@pytest.mark.parametrize(
    "source",
    [
        "{{ a.b }}",
        "{{ a | join }}",
        "{{ a() }}",
        "{% set a = 1 %}",
        "{% if a and b %}x{% endif %}",
        "{% include 'x' %}",
    ],
)
def test_a_template_that_is_too_clever_for_the_hooks(source: str) -> None:
    with pytest.raises(ValueError, match="the hooks cannot render"):
        messages.compile_text(source)


@pytest.mark.parametrize("code", ["GATE-999", "../GATE-101", "GATE-101.md", "", "explain/GATE-101"])
def test_what_has_no_page(code: str) -> None:
    assert messages.explain(code) is None


def test_a_page() -> None:
    page = messages.explain("GATE-202")
    assert page is not None
    assert page.startswith("# GATE-202")


def test_an_installation_without_a_folder() -> None:
    with pytest.raises(GateError, match="has no `nowhere`"):
        folder("nowhere")


def test_a_checkout_has_its_folders_beside_the_package() -> None:
    assert folder("hooks") == Path(__file__).parents[1] / "hooks"
