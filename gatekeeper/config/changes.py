"""What one configuration changes in another, key by key. Values that look like secrets are named, never shown."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from gatekeeper.config.public import without_secrets
from gatekeeper.config.schema import Config


class Change(Struct, frozen=True):
    """One key, its value before and after as people write them; None where it is not there."""

    key: str
    before: str | None
    after: str | None

    @property
    def line(self) -> str:
        """The change as one line."""
        if self.before is None:
            return f"+ {self.key} = {self.after}"
        return f"- {self.key} = {self.before}" if self.after is None else f"  {self.key}: {self.before} -> {self.after}"


def changes(old: Config, new: Config) -> tuple[Change, ...]:
    """Return every key that differs, in the order of the names."""
    before, after = _flat(old), _flat(new)
    told_before, told_after = _flat(without_secrets(old)), _flat(without_secrets(new))
    differ = (key for key in sorted({*before, *after}) if before.get(key) != after.get(key))
    return tuple(Change(key, told_before.get(key), told_after.get(key)) for key in differ)


def _flat(config: Config) -> dict[str, str]:
    return dict(_pairs("", msgspec.to_builtins(config)))


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from _pairs(f"{name}.{key}" if name else str(key), below)
    elif _tables(value):
        for number, below in enumerate(value):
            yield from _pairs(f"{name}[{below.get('name', number)}]", below)
    elif value is not None:
        yield name, msgspec.json.encode(value).decode()


def _tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, Mapping) for one in value)
