"""The JSON that verbs print, as schema.json describes it, and its page: `python -m gatekeeper.schema > …/json.md`.

A verb's definition has its name; `decision` is that of all that decide.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent / "schema.json").read_text("utf-8"))
_HEAD = """\
# JSON

Written from `gatekeeper/schema.json`, a JSON Schema (2020-12) that travels in the package; tests hold what the verbs
print against it, and this page against it.

With `--json` a verb prints one object on standard output, on one line, and nothing else: progress, warnings and errors
go to standard error. An error prints no object; its exit status says which it was. What is not printable is escaped.
Every object has the key `schema`; the number grows when a key changes its meaning. New keys may come at any time.
"""


def definition(name: str) -> dict[str, Any]:
    """Return the whole schema of one verb's output. KeyError for a verb that prints none."""
    return {"$schema": SCHEMA["$schema"], "$defs": SCHEMA["$defs"], **SCHEMA["$defs"][name]}


def verbs() -> tuple[str, ...]:
    """Return the verbs that are described, some with the option that makes their output another."""
    return tuple(name for name, found in SCHEMA["$defs"].items() if "schema" in found.get("properties", {}))


def page() -> str:
    """Return docs/reference/json.md."""
    parts = [name for name in SCHEMA["$defs"] if name not in verbs() and "properties" in SCHEMA["$defs"][name]]
    return "\n".join(
        [_HEAD, *(_section(f"`{name}`", name) for name in verbs()), *(_section(f"A {n}", n) for n in parts)]
    )


def _section(heading: str, name: str) -> str:
    found = SCHEMA["$defs"][name]
    also = "".join(f" It has all the keys of a {one['$ref'].rpartition('/')[2]}." for one in found.get("allOf", ()))
    about = f"{found['description']}.{also}" if "description" in found else also.strip()
    rows = [f"| `{key}` | {kind} | {meaning} |" for key, kind, meaning in _keys(found) if key != "schema"]
    table = ["| Key | Type | |", "|---|---|---|", *rows] if rows else []
    return "\n".join([f"## {heading}", "", *([about, ""] if about else []), *table, ""])


def _keys(found: dict[str, Any], above: str = "") -> Iterator[tuple[str, str, str]]:
    for key, kind in found.get("properties", {}).items():
        yield f"{above}{key}", _type(kind), kind.get("description", "")
        inner = _inner(kind)
        if inner is not None:
            yield from _keys(inner, f"{above}{key}{'[]' if _list(kind) else ''}.")


def _inner(kind: dict[str, Any]) -> dict[str, Any] | None:
    """Return the object that a key holds, or holds a list of, when it is described on the spot."""
    choices = [kind, *kind.get("anyOf", ())]
    choices += [choice["items"] for choice in choices if "items" in choice]
    return next((choice for choice in choices if "properties" in choice), None)


def _list(kind: dict[str, Any]) -> bool:
    return kind.get("type") == "array"


def _type(kind: dict[str, Any]) -> str:
    if "$ref" in kind:
        return str(kind["$ref"].rpartition("/")[2])
    if "anyOf" in kind:
        return " or ".join(_type(one) for one in kind["anyOf"])
    if "enum" in kind:
        return ", ".join(f"`{json.dumps(value)}`" for value in kind["enum"])
    if _list(kind):
        return f"list of {_type(kind['items'])}"
    named = kind.get("type", "object")
    return " or ".join(named) if isinstance(named, list) else str(named)


if __name__ == "__main__":
    sys.stdout.write(page())
