"""Writes docs/reference/sites.toml.md from the schema: `python -m gatekeeper.config.reference > <that file>`."""

import ast
import inspect
import sys
from itertools import pairwise
from typing import Any

import msgspec.inspect as kinds

from gatekeeper.config import schema
from gatekeeper.config.written import written

_HEAD = """\
# sites.toml

Written from `gatekeeper/config/schema.py`; a test fails when the two differ. The annotated example is
[sites.toml](../../sites.toml). `gatekeeper config check` tells every problem of a file at once, by key and value,
and `gatekeeper config show` prints it with every default.

- Times are texts such as `"90s"`, `"1.6s"`, `"15m"`, `"1h30m"` or `"14d"`; sizes such as `"64K"`, `"512M"` or `"2G"`.
- Paths are relative and in their shortest form: those of a site below its `path`, others below the tree or the gate.
- The names of sites, surfaces and hosts are 1 to 64 of `a-z`, `0-9` and `-`, and do not start with `-`.
- An option without a default must be given; one whose default is "none" is off until it is given.
"""
_HEADINGS = {"builds": "[[builds]]", "checks": "[[checks]]", "hold": "[[hold]]"}
_NAMED = ("hosts", "sites", "surfaces", "agents")
_PLAIN = {kinds.StrType: "text", kinds.IntType: "whole number", kinds.BoolType: "true or false"}


def page() -> str:
    """Return the reference page. Raises KeyError for an option that has no line of help in the schema."""
    sections = [
        _section(_heading(field.name), _struct(field.type)) for field in _struct(kinds.type_info(schema.Config)).fields
    ]
    health = _section("health of a site, as a table", _struct(kinds.type_info(schema.Health)))
    return "\n".join([_HEAD, *sections, health])


def helps(section: type) -> dict[str, str]:
    """Return the line of help under each option of a section; an option without one is not in it."""
    body = ast.parse(inspect.getsource(section)).body[0]
    found: dict[str, str] = {}
    lines = body.body if isinstance(body, ast.ClassDef) else []
    for option, below in pairwise(lines):
        match option, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found


def _heading(name: str) -> str:
    return f"`{_HEADINGS.get(name) or (f'[{name}.NAME]' if name in _NAMED else f'[{name}]')}`"


def _section(heading: str, kind: kinds.StructType) -> str:
    known = helps(kind.cls)
    rows = [
        f"| `{field.name}` | {_type(field.type)} | {_default(field)} | {known[field.name]} |" for field in kind.fields
    ]
    head = ["| Option | Type | Default | Meaning |", "|---|---|---|---|"]
    return "\n".join([f"## {heading}", "", inspect.getdoc(kind.cls) or "", "", *head, *rows, ""])


def _struct(kind: kinds.Type) -> kinds.StructType:
    """Return the table that a section is, has a list of, or has by name."""
    match kind:
        case kinds.StructType():
            return kind
        case kinds.VarTupleType(item_type=inner) | kinds.DictType(value_type=inner):
            return _struct(inner)
    raise TypeError(kind)


def _type(kind: kinds.Type) -> str:  # noqa: PLR0911
    match kind:
        case kinds.Metadata(extra={"written": "duration" | "size" as written_as}):
            return "time" if written_as == "duration" else "size"
        case kinds.Metadata(extra={"written": "url or a table"}):
            return "address or table"
        case kinds.Metadata(type=inner) | kinds.UnionType(types=(inner, kinds.NoneType())):
            return _type(inner)
        case kinds.LiteralType(values=values):
            return ", ".join(f'`"{value}"`' for value in values)
        case kinds.VarTupleType(item_type=inner):
            return f"list of {_many(_type(inner))}"
        case kinds.DictType():
            return "table of texts"
    return _PLAIN[type(kind)]


def _many(what: str) -> str:
    head, of, rest = what.partition(" of ")
    return f"{head}s{of}{rest}"


def _default(field: kinds.Field) -> str:
    if field.required:
        return ""
    value: Any = {} if isinstance(field.type, kinds.DictType) else field.default
    return "none" if value in (None, (), {}) else f"`{written(value, field.type)}`"


if __name__ == "__main__":
    sys.stdout.write(page())
