"""What a terminal would obey is escaped, in text and in JSON, and what people write in is not."""

import json

import pytest

from gatekeeper.commands.plain import as_json, plain

NASTY = "a\x1b[2Jb\x9b31mc\u202ed\u200be\u2028f\rg\x07"


def test_text_keeps_its_lines_and_nothing_else_that_is_not_seen() -> None:
    assert plain(f"Grüße 日本\n{NASTY}\n") == "Grüße 日本\na\\x1b[2Jb\\x9b31mc\\u202ed\\u200be\\u2028f\\x0dg\\x07\n"


@pytest.mark.parametrize("found", [{"intent": NASTY}, {"log": ["Grüße 日本", NASTY]}, {"far": "\U000e0001"}])
def test_json_says_the_same_and_shows_nothing_that_is_obeyed(found: dict[str, object]) -> None:
    text = as_json(found)
    assert text.isprintable()
    assert json.loads(text) == found
    assert "\\u00fc" not in text, "what can be read stays readable"
