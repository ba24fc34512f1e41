"""Words: nothing an agent wrote can break a line, and both renderers of a template say the same."""

import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from gatekeeper import messages
from gatekeeper.policy import answer
from gatekeeper.policy.pushed import Refusal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü €", "plain ü €"),
        ("a\nb\r\t\x1b[31m", "a\\x0ab\\x0d\\x09\\x1b[31m"),
        ("\u202egpj", "\\u202egpj"),
        ("a\u200bb\u2028c", "a\\u200bb\\u2028c"),
        ("\U000e0041", "\\U000e0041"),
        ("\udcff", "\\xff"),
        ("\ud800", "\\ud800"),
    ],
)
def test_shown(text: str, shown: str) -> None:
    assert answer.shown(text) == shown


@given(st.text())
def test_shown_is_one_printable_line(text: str) -> None:
    assert answer.shown(text).isprintable()


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=("C", "Z"))), min_size=1))
def test_typed_is_what_a_shell_reads_back(argv: list[str]) -> None:
    assert shlex.split(answer.typed(argv)) == argv


def test_brief_is_cut() -> None:
    assert len(answer.brief("x" * 9999)) == 500
    assert answer.brief("x" * 500) == "x" * 500


@given(st.text(), st.one_of(st.none(), st.text()))
def test_the_machine_line_is_one_line_of_ascii_json(intent: str, field: str | None) -> None:
    line = answer.machine("refused", "fix-1", code="GATE-201", retry="never", next=[[intent]], field=field)
    assert line.isascii()
    assert line.isprintable()
    seen = json.loads(line.removeprefix("gate: "))
    assert list(seen)[:7] == ["v", "event", "id", "code", "state", "retry", "next"]
    assert seen["next"] == [[intent]]


def test_a_refusal_shows_each_command_that_people_must_type() -> None:
    amend, push, other = ("git", "commit", "--amend"), ("git", "push", "origin", "a"), ("git", "push", "origin", "b")

    def shown(*steps: tuple[str, ...]) -> list[str]:
        lines = answer.refused("why", "x", Refusal("GATE-209", {}, steps)).splitlines()
        return [line.removeprefix("hint:   ") for line in lines[1:-1]]

    assert shown() == []
    assert shown(push) == ["git push origin a"]
    assert shown(amend, push) == ["git commit --amend"]
    assert shown(push, other) == ["git push origin a", "git push origin b"]


NAMES = st.sampled_from(["a", "b", "c"])
TEXT = st.text(st.characters(exclude_characters="{}%#")).map(lambda text: text.replace("\r", ""))
LISTS = st.lists(st.text(max_size=5), max_size=3)
TEMPLATES = st.recursive(
    TEXT | NAMES.map(lambda name: f"{{{{ {name} }}}}"),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(NAMES, inner, inner).map(lambda t: f"{{% if {t[0]} %}}{t[1]}{{% else %}}{t[2]}{{% endif %}}"),
        st.tuples(NAMES, inner).map(lambda t: f"{{% for {t[0]} in items %}}\n{t[1]}{{% endfor %}}\n"),
    ),
    max_leaves=8,
)
VALUES = st.dictionaries(NAMES, st.one_of(st.text(), st.booleans(), st.none(), st.integers()), max_size=3)


@given(source=TEMPLATES, values=VALUES, items=LISTS)
def test_both_renderers_say_the_same(source: str, values: dict[str, Any], items: list[str]) -> None:
    given_ = {**values, "items": items}
    try:
        wanted = messages.environment().from_string(source).render(given_)
    except UndefinedError:
        with pytest.raises(KeyError):
            answer.render(messages.compile_text(source), given_)
    else:
        assert answer.render(messages.compile_text(source), given_) == wanted


@pytest.mark.parametrize("nodes", [[1], [["var"]], [["if", "a", []]], [["for", "x", "a", []]], [["eval", "a"]], [None]])
def test_a_node_that_is_none(nodes: list[Any]) -> None:
    with pytest.raises(ValueError, match="not a "):
        answer.render(nodes, {"a": "text"})
