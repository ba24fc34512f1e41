"""NamedTuple for what the hooks load: `typing` would cost them 3 ms a start, `collections` comes with json anyway."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414 - exported to the type checker
else:
    from collections import namedtuple

    class _Fields(type):
        """Turns a class body with annotations into a named tuple, as `typing` does."""

        def __new__(cls, name, bases, body):  # noqa: ANN001, ANN204 - mypy never sees this branch
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = tuple(body["__annotations__"])
            defaults = [body.pop(field) for field in fields if field in body]
            plain = namedtuple(name, fields, defaults=defaults, module=body["__module__"])  # noqa: PYI024
            return type(name, (plain,), {**body, "__slots__": ()})

    class NamedTuple(metaclass=_Fields):
        """The base of frozen values; fields with defaults come last."""
