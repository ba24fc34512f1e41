"""Collects what the rules of `policy.admission` judge, in few git calls. Decides nothing, writes nothing.

Shared with the hooks: standard library only. In pre-receive the objects are still in quarantine, so the callable
must hand Git's own GIT_QUARANTINE_PATH, GIT_OBJECT_DIRECTORY and GIT_ALTERNATE_OBJECT_DIRECTORIES on.
"""

from __future__ import annotations

from gatekeeper.policy.pushed import Change, Commit, Facts, Other, TakenOut
from gatekeeper.policy.texts import is_request_id
from gatekeeper.policy.values import TYPE_CHECKING, NamedTuple
from gatekeeper.repo import objects, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from gatekeeper.repo.objects import Git

    Owners = Callable[[Mapping[str, str]], Mapping[str, str]]
    """Given open requests' tips by id, returns the agents of those that it knows, by id."""

RELEASE = "refs/heads/release"
REQUESTS = "refs/heads/request/"
RESULTS = "refs/gate/results/"
_FIELDS = ("%H", "%P", "%T", "%an", "%ae", "%cn", "%ce", "%s", "%(trailers:only,unfold)")
_REF = "%(refname)%00%(objectname)%00%(tree)%00%(trailers:key=Depends-On,valueonly,separator=%2C)%00"
_EMPTY_TREES = (
    "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
)
_NOTHING = Change((), 0, 0, 0)
_AT_ONCE = 1000
"""Names that a command line easily holds."""


class Open(NamedTuple):
    """The refs that a push is judged against: `release` with its tree, and each open request by id."""

    release: str | None
    release_tree: str | None
    tips: dict[str, str]
    depends_on: dict[str, str]


def collect(git: Git, request_id: str, new: str, policy: Mapping[str, Any], owners: Owners | None = None) -> Facts:
    """Return what there is to know about `new` as the tip of a request; raises what `git` raises.

    `owners` is asked for the agents of requests that have no result yet: the spool knows them.
    """
    found, others = collect_all(git, {request_id: new}, policy, owners)
    return next(found)._replace(others=tuple(other for id_, other in others.items() if id_ != request_id))


def alone(git: Git, request_id: str, new: str, policy: Mapping[str, Any], owners: Owners) -> Facts:
    """Return the same but for the others: it costs what the request does, however many are open."""
    found = objects.mixed(git, whole=[RELEASE, RESULTS + request_id], measured=[new, REQUESTS + request_id])
    release, tip = found.get(RELEASE), found.get(REQUESTS + request_id)
    root = release.content.partition(b"\n")[0].decode().removeprefix("tree ") if release else None
    refs = Open(release.oid if release else None, root, {request_id: tip.oid} if tip else {}, {})
    agents = _agents(refs, _states(found), owners)
    known = _at_first_sight(request_id, new, found.get(new), refs, agents)
    return next(_with_histories(git, [known], refs, policy))


def everybody(git: Git, but: str, owners: Owners) -> tuple[Other, ...]:
    """Return every open request but one, in the order of their names."""
    return tuple(other for id_, other in collect_all(git, {}, {}, owners)[1].items() if id_ != but)


def beside(git: Git, ids: Iterable[str], owners: Owners) -> tuple[Other, ...]:
    """Return those of these requests that are open, by their names alone; what one needs is told by its result."""
    wanted = list(dict.fromkeys(ids))
    found = objects.mixed(git, whole=[RESULTS + id_ for id_ in wanted], measured=[REQUESTS + id_ for id_ in wanted])
    states = _states(found)
    tips = {id_: found[REQUESTS + id_].oid for id_ in wanted if REQUESTS + id_ in found}
    needs = {id_: states[id_]["Depends-On"] for id_ in tips if "Depends-On" in states.get(id_, {})}
    refs = Open(None, None, tips, {id_: need for id_, need in needs.items() if states[id_].get("Tip") == tips[id_]})
    agents = _agents(refs, states, owners)
    return tuple(_other(refs, id_, agents, states) for id_ in tips)


def collect_all(
    git: Git, tips: Mapping[str, str], policy: Mapping[str, Any], owners: Owners | None = None
) -> tuple[Iterator[Facts], dict[str, Other]]:
    """Return what there is to know about each tip, in their order, and every open request, by id.

    However many tips there are, Git is asked as often as for one. Their facts name no others: that is the caller's.
    """
    refs = open_requests(git)
    wanted = [RESULTS + id_ for id_ in sorted({*tips, *refs.tips})]
    found = objects.mixed(git, whole=wanted, measured=tips.values())
    measured = {new: found.pop(new, None) for new in set(tips.values())}
    states = _states(found)
    agents = _agents(refs, states, owners)
    known = [_at_first_sight(id_, new, measured[new], refs, agents) for id_, new in tips.items()]
    return _with_histories(git, known, refs, policy), {id_: _other(refs, id_, agents, states) for id_ in refs.tips}


def _at_first_sight(id_: str, new: str, tip: objects.Object | None, refs: Open, agents: Mapping[str, str]) -> Facts:
    return Facts(
        id=id_,
        new=new,
        kind=tip.kind if tip else "missing object",
        message_bytes=tip.size if tip else 0,
        release=refs.release,
        release_empty=refs.release_tree is None or refs.release_tree in _EMPTY_TREES,
        same_tree=False,
        base=None,
        commits=(),
        change=_NOTHING,
        taken_out=None,
        owner=agents.get(id_),
        others=(),
    )


def owner_of(git: Git, request_id: str, owners: Owners) -> str | None:
    """Return the agent that an id belongs to, or None when nobody has written one down."""
    found = objects.mixed(git, whole=[RESULTS + request_id], measured=[REQUESTS + request_id])
    tip = found.get(REQUESTS + request_id)
    refs = Open(None, None, {request_id: tip.oid} if tip else {}, {})
    return _agents(refs, _states(found), owners).get(request_id)


def open_requests(git: Git, *names: str) -> Open:
    """Return `release` and every open request, or those of these names, in one process."""
    wanted = [REQUESTS + name for name in names] or [REQUESTS]
    fields = git(["for-each-ref", f"--format={_REF}", RELEASE, *wanted], b"").decode("utf-8", "surrogateescape")
    release = release_tree = None
    tips, depends_on = {}, {}
    for name, oid, root, needs in _records(fields, 4):
        if name == RELEASE:
            release, release_tree = oid, root
        elif is_request_id(name.removeprefix(REQUESTS)):  # a placeholder keeps a branch `request` out
            tips[name.removeprefix(REQUESTS)] = oid
            depends_on[name.removeprefix(REQUESTS)] = needs.split(",", 1)[0].strip()
    return Open(release, release_tree, tips, depends_on)


def _records(text: str, width: int) -> list[list[str]]:
    """Split NUL-ended fields into records; Git puts a line break behind each record."""
    fields = text.split("\0")[:-1]
    return [
        [fields[at].removeprefix("\n"), *fields[at + 1 : at + width]] for at in range(0, len(fields) - width + 1, width)
    ]


def _states(found: Mapping[str, objects.Object]) -> dict[str, dict[str, str]]:
    """Return the lines of each result among the objects, by id."""
    kept = ((name, one) for name, one in found.items() if name.startswith(RESULTS))
    return {name.removeprefix(RESULTS): _headers(one.content) for name, one in kept}


def _headers(commit: bytes) -> dict[str, str]:
    """Return the `Key: value` lines of a result's message."""
    message = commit.partition(b"\n\n")[2].decode("utf-8", "replace")
    pairs = (line.partition(": ") for line in message.splitlines())
    return {key: value for key, colon, value in pairs if colon}


def _agents(refs: Open, states: Mapping[str, Mapping[str, str]], owners: Owners | None) -> dict[str, str]:
    agents = {id_: state["Agent"] for id_, state in states.items() if "Agent" in state}
    fresh = {id_: tip for id_, tip in refs.tips.items() if id_ not in agents}
    return {**(owners(fresh) if owners and fresh else {}), **agents}


def _other(refs: Open, id_: str, agents: Mapping[str, str], states: Mapping[str, Mapping[str, str]]) -> Other:
    seen = states.get(id_, {})
    current = seen.get("Tip") == refs.tips[id_]
    state = seen.get("State", "queued") if current else "queued"
    return Other(id_, refs.tips[id_], agents.get(id_), state, refs.depends_on.get(id_) or None)


def _readable(facts: Facts, policy: Mapping[str, Any]) -> bool:
    return facts.kind == "commit" and facts.message_bytes <= policy["limits"]["message_bytes"]


def _with_histories(git: Git, known: Sequence[Facts], refs: Open, policy: Mapping[str, Any]) -> Iterator[Facts]:
    tips = [facts.new for facts in known if _readable(facts, policy)]
    bases, commits = _histories(git, refs.release, tips)
    lost = _all_taken_out(git, bases, policy["taken_out"])
    empty = refs.release_tree is None or refs.release_tree in _EMPTY_TREES
    related = {tip for tip in commits if commits[tip] and (bases[tip] or empty)}
    wanted = [facts.new for facts in known if facts.new in related]
    pairs = [(f"{bases[tip][0]}^{{tree}}" if bases[tip] else None, commits[tip][0].tree) for tip in wanted]
    changes = tree.compare_all(git, pairs, policy["limits"])
    for facts in known:
        own = commits.get(facts.new, ())
        yield facts._replace(
            base=next(iter(bases.get(facts.new, ())), None),
            commits=own,
            taken_out=lost.get(facts.new),
            change=next(changes) if facts.new in related else _NOTHING,
            same_tree=bool(own) and own[0].tree == refs.release_tree,
        )


def _histories(
    git: Git, release: str | None, tips: Sequence[str]
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[Commit, ...]]]:
    """Return each tip's best common commits with `release`, and its own, the tip first: asked side by side."""
    if not tips:
        return {}, {}
    told, *words = objects.together(git, _log(tips, release), *_ranges(tips, release))
    none: dict[str, tuple[str, ...]] = dict.fromkeys(tips, ())
    return none | _merge_bases(b"".join(words)), _own(told, tips)


def _ranges(tips: Sequence[str], release: str | None) -> Iterator[tuple[list[str], bytes]]:
    """Yield what is asked for merge bases; `rev-parse A...B` also ends with 0 when there is none."""
    for start in range(0, len(tips) if release else 0, _AT_ONCE):
        yield ["rev-parse", *(f"{release}...{tip}" for tip in tips[start : start + _AT_ONCE])], b""


def _merge_bases(said: bytes) -> dict[str, tuple[str, ...]]:
    words = said.decode().split()
    found: dict[str, tuple[str, ...]] = {}
    tip, at = "", 0
    while at < len(words):
        if words[at].startswith("^"):
            found[tip] += (words[at][1:],)
            at += 1
        else:  # the tip, and then `release`
            tip, at = words[at], at + 2
            found[tip] = ()
    return found


def _log(tips: Sequence[str], release: str | None) -> tuple[list[str], bytes]:
    """Return what is asked for the commits of tips that are not in `release`."""
    form = "%x00".join(_FIELDS) + "%x00"
    args = ["log", "--topo-order", "--no-show-signature", "--encoding=UTF-8", f"--format={form}", "--stdin"]
    wanted = [*tips, f"^{release}"] if release else tips
    return args, "".join(f"{name}\n" for name in wanted).encode()


def _own(said: bytes, tips: Sequence[str]) -> dict[str, tuple[Commit, ...]]:
    text = said.decode("utf-8", "surrogateescape")
    found = {
        record[0]: (record[1].split(), _commit([record[0], *record[2:]])) for record in _records(text, len(_FIELDS))
    }
    return {tip: tuple(_reached(found, tip)) for tip in tips}


def _reached(found: Mapping[str, tuple[list[str], Commit]], tip: str) -> Iterator[Commit]:
    """Yield a tip's commits along first parents first."""
    todo, met = [tip], set[str]()
    while todo:
        oid = todo.pop()
        if oid in found and oid not in met:
            met.add(oid)
            yield found[oid][1]
            todo += reversed(found[oid][0])


def _commit(record: list[str]) -> Commit:
    *fields, block = record
    pairs = (line.partition(":") for line in block.splitlines())
    trailers = tuple((key.strip(), value.strip()) for key, colon, value in pairs if colon)
    oid, root, author, author_email, committer, committer_email, subject = fields
    return Commit(oid, root, author, author_email, committer, committer_email, subject, trailers)


def _all_taken_out(
    git: Git, bases: Mapping[str, tuple[str, ...]], pairs: Sequence[Sequence[str]]
) -> dict[str, TakenOut | None]:
    """Ask once for all tips with one and the same merge base: what they hold of `release` is what that holds."""
    if not pairs:
        return {}
    starts = {tip: found[0] if len(found) == 1 else tip for tip, found in bases.items()}
    known = {start: _taken_out(git, start, pairs) for start in set(starts.values())}
    return {tip: known[start] for tip, start in starts.items()}


def _taken_out(git: Git, new: str, pairs: Sequence[Sequence[str]]) -> TakenOut | None:
    """Return the first commit that the tip holds though it lacks the one that says what became of it."""
    wanted = sorted({oid for pair in pairs for oid in pair})
    absent = set(git(["rev-list", *wanted, "--not", new, "--"], b"").decode().split())
    lost = next(((oid, seen) for oid, seen in pairs if oid not in absent and seen in absent), None)
    return TakenOut(lost[0], _branch_point(git, lost[0], lost[1], new)) if lost else None


def _branch_point(git: Git, lost: str, seen: str, new: str) -> str:
    """Return where the branch of `lost` left `release`, or "" when `new` started after it had landed."""
    way = git(["rev-list", "--first-parent", "--ancestry-path", f"{lost}..{seen}", "--"], b"").decode().split()
    landed = way[-1] if way else seen
    if landed not in git(["rev-list", landed, "--not", new, "--"], b"").decode().split():
        return ""
    words = git(["rev-parse", f"{landed}^1...{lost}"], b"").decode().split()
    return next((word[1:] for word in words if word.startswith("^")), "")
