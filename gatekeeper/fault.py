"""Names every step that must survive a kill or a failure, so that tests can stop or break the process just there.

The product never sets `hook`; no variable, flag or file does. Whoever can set it runs code in this process already.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

hook: Callable[[str], None] | None = None
"""Called with "before NAME" and "after NAME"; what it raises is raised by the step."""


@contextmanager
def step(name: str) -> Iterator[None]:
    """Mark a durable step; "after" is not called for one that failed."""
    _reach("before", name)
    yield
    _reach("after", name)


def _reach(when: str, name: str) -> None:
    if hook is not None:
        hook(f"{when} {name}")
