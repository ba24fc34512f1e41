"""Writes a configuration as TOML, every option with its value: what `load` reads back as the same configuration."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec.inspect as kinds
from msgspec import NODEFAULT, Struct

from gatekeeper.config.problems import dotted
from gatekeeper.config.schema import Config
from gatekeeper.config.units import spell_seconds, spell_size

_SPELL: dict[str, Callable[[Any], str]] = {"duration": spell_seconds, "size": spell_size}


def as_toml(config: Config) -> str:
    """Return the whole configuration, defaults included; what is not set has no line."""
    blocks: list[str] = []
    for field in _fields(config):
        value = getattr(config, field.name)
        if isinstance(value, Struct):
            blocks.append(_block(f"[{field.name}]", value))
        elif isinstance(value, Mapping):
            blocks += [_block(f"[{dotted(field.name, name)}]", table) for name, table in value.items()]
        else:
            blocks += [_block(f"[[{field.name}]]", table) for table in value]
    return "\n\n".join(blocks) + "\n"


def written(value: Any, kind: kinds.Type) -> str:
    """Return one value as TOML writes it, times and sizes in their units."""
    match kind:
        case kinds.Metadata(extra={"written": "duration" | "size" as unit}):
            return _quoted(_SPELL[unit](value))
        case kinds.Metadata(type=inner) | kinds.UnionType(types=(inner, kinds.NoneType())):
            return written(value, inner)
        case kinds.VarTupleType(item_type=inner):
            return f"[{', '.join(written(item, inner) for item in value)}]"
        case kinds.DictType(value_type=inner):
            pairs = [f"{dotted('', name)} = {written(item, inner)}" for name, item in value.items()]
            return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
        case kinds.StructType():
            return f"{{ {', '.join(_lines(value, _fields(value)))} }}"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def section(name: str, table: Struct) -> str:
    """Return one section as a person would write it: only what differs from the defaults."""
    return "\n".join([f"[{name}]", *_told(table)])


def _block(head: str, table: Struct) -> str:
    return "\n".join([head, *_lines(table, _fields(table))])


def _lines(table: Struct, fields: Iterable[kinds.Field]) -> Iterator[str]:
    for field in fields:
        value = getattr(table, field.name)
        if value is not None:
            yield f"{field.name} = {written(value, field.type)}"


def _told(table: Struct) -> Iterator[str]:
    """Yield a line for each option that is not at its default; a table of nothing but its address is that address."""
    for field in _fields(table):
        value = getattr(table, field.name)
        if value == field.default or not (value or field.required or field.default is not NODEFAULT):
            continue
        if isinstance(value, Struct):
            inner = list(_told(value))
            short = inner[0].removeprefix("url = ") if len(inner) == 1 and inner[0].startswith("url = ") else None
            yield f"{field.name} = {short or '{ ' + ', '.join(inner) + ' }'}"
        else:
            yield f"{field.name} = {written(value, field.type)}"


def _fields(table: Struct) -> tuple[kinds.Field, ...]:
    kind = kinds.type_info(type(table))
    return kind.fields if isinstance(kind, kinds.StructType) else ()


def _quoted(text: str) -> str:
    """Write a basic string; what cannot be seen is escaped as TOML does it."""
    return "".join(map(_visible, json.dumps(text, ensure_ascii=False)))


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    point = ord(character)
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
