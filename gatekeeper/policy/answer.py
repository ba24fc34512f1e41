"""Puts answers into words: escapes agents' text, fills compiled templates, writes the machine line.

Shared with the hooks: standard library only. `messages.compiled` makes the templates that `render` takes.
"""

from __future__ import annotations

import json

from gatekeeper.policy.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gatekeeper.policy.pushed import Refusal

_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,^~")
_LONGEST = 500


def shown(value: object) -> str:
    """Return `value` on one line: whatever is not printable is escaped, as is a byte that was no UTF-8."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(ord(char)) for char in text)


def _escaped(point: int) -> str:
    if 0xDC80 <= point <= 0xDCFF:
        point -= 0xDC00
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def brief(value: object) -> str:
    """Return `value` as `shown` does, cut to a length that a terminal bears."""
    text = shown(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def render(nodes: Sequence[object], values: Mapping[str, object]) -> str:
    """Fill a compiled template; KeyError for a value that is missing, ValueError for a node that is none."""
    return "".join(_node(node, values) for node in nodes)


def _node(node: object, values: Mapping[str, object]) -> str:
    match node:
        case str():
            return node
        case ["var", str(name)]:
            return shown(values[name])
        case ["if", str(name), list(then), list(otherwise)]:
            return render(then if values[name] else otherwise, values)
        case ["for", str(item), str(name), list(body)]:
            return "".join(render(body, {**values, item: each}) for each in _each(values[name]))
    raise ValueError(f"not a template node: {node!r}")


def _each(value: object) -> Iterable[object]:
    if isinstance(value, (list, tuple)):
        return value
    raise ValueError(f"not a list: {value!r}")


def typed(argv: Sequence[str]) -> str:
    """Return a command as a person types it into a shell."""
    return " ".join(_quoted(word) for word in argv)


def _quoted(word: str) -> str:
    if word and _BARE.issuperset(word):
        return word
    if not any(char in word for char in '"$`\\!'):
        return f'"{word}"'
    return "'" + word.replace("'", "'\\''") + "'"


def machine(event: str, request_id: str | None, **more: object) -> str:
    """Return the last line of every answer: one JSON object on one line of ASCII, the common keys always there."""
    head = {"v": 1, "event": event, "id": request_id, "code": None, "state": None}
    kept = {key: value for key, value in more.items() if key in head or value is not None}
    return "gate: " + json.dumps({**head, **kept}, separators=(",", ":"))


def refused(reason: str, request_id: str | None, refusal: Refusal) -> str:
    """Return a whole refusal: the reason's first line, its hints, what helps, the machine line.

    Of the commands people are shown all but a push that follows others: it repeats theirs.
    """
    first, *hints = reason.splitlines()
    repeats = len(refusal.next) > 1 and refusal.next[0][:2] != ("git", "push")
    lines = [f"error: {refusal.code} {brief(first)}"]
    lines += [f"hint: {brief(hint)}" for hint in hints]
    lines += [f"hint:   {shown(typed(argv))}" for argv in (refusal.next[:-1] if repeats else refusal.next)]
    following = [list(argv) for argv in refusal.next]
    common = {"code": refusal.code, "retry": refusal.retry, "next": following}
    lines.append(machine("refused", request_id, **common, field=refusal.field, allowed=refusal.allowed))
    return "\n".join(lines) + "\n"
