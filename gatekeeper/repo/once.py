"""What an object says, read once in the life of this process: what its name stands for never changes."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from gatekeeper.errors import GateError
from gatekeeper.model import Oid
from gatekeeper.repo import objects
from gatekeeper.repo.git import Git

_T = TypeVar("_T")
_MOST = 20_000
"""Objects that are remembered, about a kilobyte each; then all are forgotten."""


class Once(Generic[_T]):
    """Objects of one kind, decoded. An object that is not there is asked for again: it may come."""

    def __init__(self, kind: str, decode: Callable[[bytes], _T]) -> None:
        self._kind, self._decode, self._known = kind, decode, dict[Oid, _T]()

    def one(self, git: Git, oid: Oid) -> _T:
        """Return what an object says; GateError when there is none of the kind by that name."""
        found = self.those(git, (oid,))
        if oid not in found:
            raise GateError(f"There is no {self._kind} {oid} in {git.folder}.", code="GATE-502")
        return found[oid]

    def those(self, git: Git, oids: Iterable[Oid]) -> dict[Oid, _T]:
        """Return what each object says that is there and of the kind; all that are new are read together."""
        wanted = tuple(oids)
        read = objects.contents(git.call, (oid for oid in wanted if oid not in self._known))
        new = {Oid(name): self._decode(one.content) for name, one in read.items() if one.kind == self._kind}
        found = {oid: self._known[oid] for oid in wanted if oid in self._known} | new
        if len(self._known) + len(new) > _MOST:
            self._known.clear()
        self._known |= new
        return found
