"""What is remembered of the queue from one heartbeat of a process to the next: merges, and what was judged of them.

Each is a fact about objects by their names, or is kept with all that it rests on. The objects of trial merges lie in a
folder that this alone empties: a merge is never remembered beyond them.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import Struct, field

from gatekeeper.config.schema import DAY, Hold
from gatekeeper.gate import Gate
from gatekeeper.librarian.holds import Holds
from gatekeeper.librarian.rules import Rules
from gatekeeper.model import RELEASE, Oid
from gatekeeper.repo import trial
from gatekeeper.repo.export import remove
from gatekeeper.repo.git import Git
from gatekeeper.repo.merge import Conflict, Merged
from gatekeeper.repo.tree import places

_MOST = 20_000
"""Merges, of some three objects each; then all is forgotten."""
_OLDEST = DAY
"""Seconds. What a merge found in the repository and did not write again could be swept from there after two weeks."""


class Memory(Struct):
    """Merges that were done before on this `release`: (ours, theirs) to what came of it, and the commit made of it."""

    merges: dict[tuple[Oid, Oid], tuple[Merged | Conflict, Oid | None]] = field(default_factory=dict)
    _places: dict[tuple[Oid, tuple[str, ...]], Mapping[str, Oid]] = field(default_factory=dict)
    _holds: Holds | None = None
    _rules: tuple[Oid, Rules] | None = None
    _release: Oid | None = None
    _since: float = 0.0
    _sound: bool = False
    """The last heartbeat came to its end: nothing that it met was missing."""

    @contextmanager
    def during(self, gate: Gate) -> Iterator[None]:
        """Serve one heartbeat. One that fails leaves nothing behind that the next would believe."""
        release = gate.git.resolve(RELEASE)
        if not self._sound or release != self._release or self._full():
            self._forget(gate, release)
        self._sound = False
        trial.let_go(gate.home.repo)
        yield
        self._sound = True

    def holds_on(self, git: Git, named: Sequence[Hold], release: Oid) -> Holds:
        """Return what is known of the holds by these rules on a release."""
        if self._holds is None or (self._holds.release, self._holds.named) != (release, named):
            self._holds = Holds(git, named, release)
        self._holds.git = git
        return self._holds

    def rules_on(self, git: Git, policy: Mapping[str, Any], release: Oid) -> Rules:
        """Return what is known by this policy on a release."""
        if self._rules is None or (self._rules[0], self._rules[1].policy) != (release, policy):
            self._rules = release, Rules(git, policy)
        self._rules[1].git = git
        return self._rules[1]

    def places_in(self, git: Git, tree: Oid, paths: tuple[str, ...]) -> Mapping[str, Oid]:
        """Return mode and oid of what a tree has at these paths."""
        key = tree, paths
        if key not in self._places:
            found = places(git.call, tree, paths)
            self._places[key] = {path: Oid(f"{node.mode:0>6} {node.oid}") for path, node in found.items()}
        return self._places[key]

    def _full(self) -> bool:
        return len(self.merges) > _MOST or time.monotonic() - self._since > _OLDEST

    def _forget(self, gate: Gate, release: Oid | None) -> None:
        if gate.trial.apart is not None:
            remove(gate.trial.apart)
            gate.trial.apart.mkdir(mode=0o700)
        self.merges.clear()
        self._places.clear()
        self._holds = self._rules = None
        self._release, self._since = release, time.monotonic()
