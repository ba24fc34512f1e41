"""Turns TOML's tables into the values of `schema`, and goes on after a mistake so that all are found at once.

msgspec's own conversion stops at the first mistake; its description of the schema is what drives this walk.
"""

import shlex
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import msgspec.inspect as kinds
from msgspec import Struct

from gatekeeper.config.problems import MISSING, Found, did_you_mean, dotted, either, spelled
from gatekeeper.config.units import seconds, size, spell_seconds, spell_size

_WRONG = object()
_AMOUNTS: dict[str, tuple[Callable[[str], float | None], Callable[[Any], str], str]] = {
    "duration": (seconds, spell_seconds, 'a time such as "90s", "15m", "1h30m" or "14d"'),
    "size": (size, spell_size, 'a size such as "64K", "512M" or "2G"'),
}

_Table = TypeVar("_Table", bound=Struct)


def convert(raw: dict[str, object], into: type[_Table]) -> tuple[_Table, list[Found]]:
    """Return what `raw` says and what is wrong with it; what is wrong has its default, so that rules can go on."""
    kind = _described(into)
    walk = _Walk(kind)
    return walk.table(raw, kind, ""), walk.found


@cache
def _described(table: type[Struct]) -> kinds.StructType:
    """Return msgspec's description of a schema: it takes longer than a conversion, and never changes."""
    kind = kinds.type_info(table)
    if not isinstance(kind, kinds.StructType):
        raise TypeError(table)
    return kind


class _Walk:
    """One conversion; `found` grows on the way."""

    def __init__(self, root: kinds.StructType) -> None:
        self.found: list[Found] = []
        self._root = root

    def value(self, raw: object, kind: kinds.Type, key: str) -> Any:  # noqa: PLR0911
        """Return the value, or `_WRONG` with what is wrong in `found`."""
        match kind:
            case kinds.Metadata(type=inner, extra={"written": written}):
                return self._written(raw, inner, str(written), key)
            case kinds.Metadata(type=inner):
                return self.value(raw, inner, key)
            case kinds.UnionType(types=(inner, kinds.NoneType())):
                return self.value(raw, inner, key)
            case kinds.StructType() if isinstance(raw, dict):
                return self.table(raw, kind, key)
            case kinds.DictType(value_type=inner) if isinstance(raw, dict):
                return self._named(raw, inner, key)
            case kinds.VarTupleType() if isinstance(raw, list):
                return self._list(raw, kind, key)
        return self._scalar(raw, kind, key)

    def table(self, raw: dict[str, object], kind: kinds.StructType, key: str) -> Any:
        """Return the section; each wrong or missing key has its default, or an empty value where it has none."""
        fields = {field.name: field for field in kind.fields}
        for name, value in raw.items():
            if name not in fields:
                self._unknown(name, value, fields, key)
        values: dict[str, object] = {}
        for name, field in fields.items():
            if name in raw:
                values[name] = self.value(raw[name], field.type, dotted(key, name))
            elif field.required:
                self._report(dotted(key, name), MISSING, f"It is missing. It must be {_allowed(field.type)}.")
                values[name] = _WRONG
            if field.required and values[name] is _WRONG:
                values[name] = _empty(field.type)
        return kind.cls(**{name: value for name, value in values.items() if value is not _WRONG})

    def _named(self, raw: dict[str, object], inner: kinds.Type, key: str) -> dict[str, Any]:
        values = {name: self.value(item, inner, dotted(key, name)) for name, item in raw.items()}
        return {name: value for name, value in values.items() if value is not _WRONG}

    def _list(self, raw: list[object], kind: kinds.VarTupleType, key: str) -> Any:
        if kind.min_length and not raw:
            return self._report(key, raw, "It is empty. It must name at least one.")
        values = (self.value(item, kind.item_type, f"{key}[{at}]") for at, item in enumerate(raw))
        return tuple(value for value in values if value is not _WRONG)

    def _written(self, raw: object, inner: kinds.Type, written: str, key: str) -> Any:
        """Read what the file may write in another way than the value is kept."""
        if written in _AMOUNTS:
            return self._amount(raw, inner, written, key)
        if written == "one or a list" and not isinstance(raw, list):
            return self.value([raw], inner, key)
        if written == "url or a table" and isinstance(raw, str):
            return self.value({"url": raw}, inner, key)
        if written == "url or a table" and not isinstance(raw, dict):
            return self._report(key, raw, "It must be an address in quotes, or a table with `url`.")
        return self.value(raw, inner, key)

    def _amount(self, raw: object, kind: kinds.Type, written: str, key: str) -> Any:
        parse, spell, example = _AMOUNTS[written]
        amount = parse(raw) if isinstance(raw, str) else None
        if amount is None:
            return self._report(key, raw, f"It must be {example}, in quotes.")
        return self._within(raw, amount, kind, key, spell)

    def _scalar(self, raw: object, kind: kinds.Type, key: str) -> Any:
        match kind:
            case kinds.LiteralType(values=values) if raw in values:
                return raw
            case kinds.BoolType() if isinstance(raw, bool):
                return raw
            case kinds.IntType() if isinstance(raw, int) and not isinstance(raw, bool):
                return self._within(raw, raw, kind, key, str)
            case kinds.StrType() if isinstance(raw, str):
                return raw if "\0" not in raw else self._report(key, raw, "It holds a NUL character.")
        return self._report(key, raw, f"It must be {_allowed(kind)}.{_advice(raw, kind)}")

    def _within(self, raw: object, amount: Any, kind: Any, key: str, spell: Callable[[Any], str]) -> Any:
        if kind.ge is not None and amount < kind.ge:
            return self._report(key, raw, f"It must be at least {spell(kind.ge)}.")
        if kind.le is not None and amount > kind.le:
            return self._report(key, raw, f"It must be at most {spell(kind.le)}.")
        return amount

    def _unknown(self, name: str, raw: object, known: dict[str, kinds.Field], key: str) -> None:
        what = "option" if key else "section"
        near = did_you_mean(name, known) or _belongs(name, self._root) or f" Known: {', '.join(known)}."
        self._report(dotted(key, name), raw, f"There is no such {what}.{near}")

    def _report(self, key: str, raw: object, message: str) -> object:
        self.found.append((key, raw, message))
        return _WRONG


def _allowed(kind: kinds.Type) -> str:  # noqa: PLR0911
    """Describe a type as the end of "It must be …"."""
    match kind:
        case kinds.Metadata(extra={"written": "duration" | "size" as written}):
            return _AMOUNTS[written][2]
        case kinds.Metadata(type=inner):
            return _allowed(inner)
        case kinds.LiteralType(values=values):
            return either(values)
        case kinds.VarTupleType(item_type=kinds.StructType()):
            return "a list of tables, each with its name in double brackets"
        case kinds.VarTupleType(item_type=kinds.VarTupleType()):
            return "a list of lists of texts"
        case kinds.VarTupleType():
            return "a list of texts"
        case kinds.DictType() | kinds.StructType():
            return "a table"
    return {kinds.BoolType: "true or false", kinds.IntType: "a whole number"}.get(type(kind), "a text in quotes")


def _advice(raw: object, kind: kinds.Type) -> str:
    """Return how the same thing is written rightly, where that is plain; else ""."""
    match kind, raw:
        case kinds.LiteralType(values=values), str():
            return did_you_mean(raw, (str(value) for value in values))
        case kinds.StrType(), int() | float():
            return f" Write {spelled(spelled(raw))}."
        case kinds.VarTupleType(item_type=kinds.StrType()), str():
            return f" Write {spelled(_words(raw))}."
    return ""


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return [line]


def _belongs(name: str, root: kinds.StructType) -> str:
    """Say which top-level section has an option of this name; "" when none has."""
    for section in root.fields:
        if isinstance(section.type, kinds.StructType) and name in section.type.cls.__struct_fields__:
            return f" It belongs in [{section.name}]."
    return ""


def _empty(kind: kinds.Type) -> object:
    """Return what stands for a required value that is wrong: it is reported, and never leaves `load`."""
    inner = kind.type if isinstance(kind, kinds.Metadata) else kind
    return () if isinstance(inner, kinds.VarTupleType) else ""
