import pytest

from gatekeeper.policy.why import gist

NODE = """node:internal/modules/cjs/loader:1147
  throw err;
  ^

Error: Cannot find module '../../lib'
Require stack:
- /srv/gate/live/current/sites/api/app.js
    at Module._resolveFilename (node:internal/modules/cjs/loader:1144:15)
Node.js v20.20.2
It ended with status 1 before it answered."""
PYTHON = "Traceback (most recent call last):\n  File 'a.py', line 1\nValueError: 3 is no colour\n"


@pytest.mark.parametrize(
    ("output", "begins"),
    [
        (NODE, "Error: Cannot find module '../../lib' Require stack: - /srv"),
        (PYTHON, "ValueError: 3 is no colour"),
        ("TypeError: one\nfurther\nassert.AssertionError [ERR]: two\nend", "assert.AssertionError [ERR]: two end"),
        ("not ok 1\n  expected 2\n", "not ok 1 expected 2"),
        ("", ""),
    ],
)
def test_what_is_wrong_comes_first(output: str, begins: str) -> None:
    assert gist(output).startswith(begins)


def test_it_is_bounded_and_says_where_it_was_cut() -> None:
    assert gist("x " * 1000).startswith("… ")
    assert gist("Error: " + "x " * 1000).endswith(" …")
    assert max(len(gist(text * 1000)) for text in ("x ", "Error: ")) <= 402
