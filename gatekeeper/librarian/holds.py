"""Finds what a person must look at before a request may land: named paths, and work of others that it would undo."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from msgspec import Struct, field

from gatekeeper.config.digest import digest
from gatekeeper.config.schema import Hold
from gatekeeper.model import Oid, Request
from gatekeeper.policy.patterns import matches
from gatekeeper.repo import tree
from gatekeeper.repo.git import Git
from gatekeeper.repo.merge import Conflict, merge

_LOOK_BACK = 200
"""Landings that are looked through for work that a request would set back."""
_MOVED = "the merge changes it, the request itself does not"
_ODD_MERGE = "a merge inside the request drops or changes it, though nothing was in conflict there"


class Held(Struct, frozen=True):
    """Paths with the reason for each, and a digest of them as they would be: what an approval is bound to."""

    why: Mapping[str, str]
    content: str


class Holds(Struct):
    """Judges merges onto one `release`; remembers what it found out."""

    git: Git
    named: Sequence[Hold]
    release: Oid
    fresh: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Commits that `release` does not hold, with their parents; of what is not among them Git is asked."""
    _own: dict[Oid, frozenset[str]] = field(default_factory=dict)
    _merges: dict[Oid, frozenset[str]] = field(default_factory=dict)
    _judged: dict[tuple[Oid, str, Oid, Oid], Held] = field(default_factory=dict)
    _landed: dict[tuple[str, Oid], list[tuple[str, str]]] | None = None

    def judge(self, request: Request, before: Oid, after: Oid) -> Held:
        """Return what is held of a merge of `request` that turns tree `before` into `after`."""
        key = (request.tip, request.agent.name, before, after)
        if key not in self._judged:
            self._judged[key] = self._judge(request, before, after)
        return self._judged[key]

    def own_paths(self, request: Request) -> frozenset[str]:
        """Return the paths that a request changes by itself."""
        return _known(self._own, request.tip, partial(self._changed_by, request.tip))

    def _judge(self, request: Request, before: Oid, after: Oid) -> Held:
        changed = tree.paths(self.git.call, before, after)
        why = {path: hold.reason for path in changed for hold in self.named if matches(path, hold.paths)}
        why |= dict.fromkeys(set(changed) - self.own_paths(request), _MOVED)
        odd = _known(self._merges, request.tip, partial(self._odd_paths, request.tip))
        why |= dict.fromkeys(odd & set(changed), _ODD_MERGE)
        why |= self._set_back(request, changed, after)
        if not why:
            return Held({}, "")
        entries = self.git.entries(after, *sorted(why))
        return Held(why, digest([request.tip, sorted(why), sorted((e.path, e.mode, e.oid) for e in entries)]))

    def _changed_by(self, tip: Oid) -> frozenset[str]:
        base = self._root(tip)
        if base is None:
            base = self.git.run("merge-base", self.release, tip, allowed=(0, 1)).text
        return frozenset(tree.paths(self.git.call, f"{base}^{{tree}}" if base else None, f"{tip}^{{tree}}"))

    def _root(self, tip: Oid) -> str | None:
        """Return the commit of `release` that a line of single commits stands on ("": on none), None for other tips.

        It is the merge base: whatever both hold is behind it.
        """
        at: str = tip
        while at in self.fresh:
            parents = self.fresh[at]
            if len(parents) > 1:
                return None
            at = parents[0] if parents else ""
        return at if at != tip else None

    def _odd_paths(self, tip: Oid) -> frozenset[str]:
        """Return where a merge commit of the request differs from its recomputation, but for real conflicts."""
        if self._root(tip) is not None:
            return frozenset()
        listed = self.git.text("rev-list", "--min-parents=2", "--max-parents=2", "--parents", tip, f"^{self.release}")
        return frozenset(path for line in listed.splitlines() for path in self._odd_in(*map(Oid, line.split())))

    def _odd_in(self, commit: Oid, ours: Oid, theirs: Oid) -> Iterable[str]:
        redone = merge(self.git, ours, theirs, unrelated=True)
        conflicts = redone.paths if isinstance(redone, Conflict) else ()
        return set(self.git.changed_paths(redone.tree, self.git.tree_of(commit))) - set(conflicts)

    def _set_back(self, request: Request, changed: Sequence[str], after: Oid) -> dict[str, str]:
        """Return the paths that would be again what they were before another agent's request landed."""
        if self._landed is None:
            self._landed = self._landings()
        suspects = {path for path, _ in self._landed} & set(changed)
        if not suspects:
            return {}
        present = {entry.path: entry.oid for entry in self.git.entries(after, *sorted(suspects), deep=True)}
        found = {}
        for path in suspects:
            for id_, agent in self._landed.get((path, present.get(path, _GONE)), []):
                if agent != request.agent.name:
                    found[path] = f"it would be again what it was before request {id_} of {agent} landed"
                    break
        return found

    def _landings(self) -> dict[tuple[str, Oid], list[tuple[str, str]]]:
        """Return who landed a change of a path away from a content, newest first."""
        trailers = "".join(f"%(trailers:key={key},valueonly,separator=)%x1f" for key in ("Request", "Agent"))
        form = f"--format=%x1e{trailers}"
        bounds = ("--first-parent", "--diff-merges=first-parent", "-n", str(_LOOK_BACK), self.release)
        told = self.git.run("log", form, "--raw", "-z", "--no-abbrev", "--no-renames", *bounds).output
        found: dict[tuple[str, Oid], list[tuple[str, str]]] = {}
        for part in told.decode("utf-8", "surrogateescape").split("\x1e")[1:]:
            id_, agent, rest = part.split("\x1f", 2)
            words = iter(rest.split("\0"))
            for word in words:
                if word.lstrip("\n").startswith(":"):
                    path, old = next(words), Oid(word.split(" ")[2])
                    found.setdefault((path, old), []).extend([(id_, agent)] if id_ else [])
        return found


_GONE = Oid("0" * 40)
"""What raw diffs call a path that is not there."""


def _known(memory: dict[Oid, frozenset[str]], key: Oid, find: partial[frozenset[str]]) -> frozenset[str]:
    if key not in memory:
        memory[key] = find()
    return memory[key]
