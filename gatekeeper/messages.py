"""Renders every word that people and agents read, from `templates/`. Agents' text is only ever a value.

Whatever a template prints is escaped on the way out, so that no value can break a line or turn the writing round.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from gatekeeper.assets import file, folder
from gatekeeper.policy.answer import shown

if TYPE_CHECKING:
    from jinja2 import Environment, nodes

_NEXT_SECTION = re.compile(r"^(?:<a id=|##)", re.MULTILINE)
_PUSH = ("push/*.j2", "reasons/GATE-[123]??.j2", "reasons/GATE-503.j2")
"""What the hooks say; these templates may use text, variables, `if` and `for` only."""


def render(name: str, /, **values: object) -> str:
    """Fill `templates/NAME.j2`; an undefined value is an error (jinja2.UndefinedError)."""
    return environment().get_template(f"{name}.j2").render(values)


def page(name: str, /, **values: object) -> str:
    """Fill `templates/NAME.j2` as a page of HTML: every value is text, whatever markup it holds."""
    return _pages().get_template(f"{name}.j2").render(values)


def reason(code: str, /, **values: object) -> str:
    """Return the one sentence of a code, without the hints that a push hears below it."""
    return render(f"reasons/{code}", **{"next": False, **values}).split("\n", 1)[0].strip()


def explain(code: str) -> str | None:
    """Return the page of a code, as Markdown, or None when there is no such code."""
    page = folder("templates") / "explain" / f"{code}.md"
    return page.read_text("utf-8") if code.replace("-", "").isalnum() and page.is_file() else None


def runbook(code: str) -> tuple[str, str] | None:
    """Return where the operator's book tells of a code, and that section; None for a code that no operator meets."""
    book = file("docs/operating.md").read_text("utf-8")
    anchor = code.lower()
    _, mark, rest = book.partition(f'<a id="{anchor}"></a>')
    section = _NEXT_SECTION.split(rest.partition("### ")[2], maxsplit=1)[0].rstrip()
    return (f"docs/operating.md#{anchor}", f"### {section}") if mark else None


def title(code: str) -> str:
    """Return what a code is about, in a few words: the first line of its page."""
    return (explain(code) or "").partition("\n")[0].partition(": ")[2]


@cache
def compiled() -> dict[str, list[Any]]:
    """Return every template of the hooks as `policy.answer.render` takes it; ValueError for one that is too clever."""
    root = folder("templates")
    paths = sorted(path for pattern in _PUSH for path in root.glob(pattern))
    return {path.relative_to(root).with_suffix("").as_posix(): compile_text(path.read_text("utf-8")) for path in paths}


def compile_text(source: str) -> list[Any]:
    """Turn one template's text into nodes: strings, ["var", name], ["if", name, then, else], ["for", ...]."""
    return _nodes(environment().parse(source).body)


@cache
def environment() -> "Environment":
    """Return the one Jinja environment: strict, and escaping control characters in all that it prints."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - who only looks renders nothing

    return Environment(
        loader=FileSystemLoader(folder("templates"), encoding="utf-8"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - this is no HTML; `finalize` escapes what a terminal would obey
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
    )


@cache
def _pages() -> "Environment":
    return environment().overlay(autoescape=True, finalize=_text_or_markup)


def _text_or_markup(value: object) -> object:
    """Leave what a macro of a page made as it is; everything else is text."""
    from markupsafe import Markup  # noqa: PLC0415

    return value if isinstance(value, Markup) else shown(value)


def _nodes(body: "Sequence[nodes.Node]") -> list[Any]:
    return [piece for node in body for piece in _node(node)]


def _node(node: "nodes.Node") -> list[Any]:
    from jinja2 import nodes  # noqa: PLC0415

    match node:
        case nodes.Output():
            return _nodes(node.nodes)
        case nodes.TemplateData():
            return [node.data]
        case nodes.Name():
            return [["var", node.name]]
        case nodes.If(test=nodes.Name() as test, elif_=[]):
            return [["if", test.name, _nodes(node.body), _nodes(node.else_)]]
        case nodes.For(target=nodes.Name() as item, iter=nodes.Name() as items, else_=[], test=None, recursive=False):
            return [["for", item.name, items.name, _nodes(node.body)]]
    raise ValueError(f"line {node.lineno}: the hooks cannot render {type(node).__name__}")
