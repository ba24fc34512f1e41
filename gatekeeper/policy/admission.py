"""The rules of the door on a request (GATE-2xx) and on who pushes it (3xx). Pure: facts in, an answer out.

Shared with the hooks: standard library only, cheap to import. The Librarian asks the same questions again.
"""

from __future__ import annotations

from gatekeeper.policy import content, repair, wishes
from gatekeeper.policy.pushed import Claim, Refusal
from gatekeeper.policy.surfaces import ROOT, holders, index, surfaces_of
from gatekeeper.policy.texts import hidden, nearest, nearest_id
from gatekeeper.policy.values import TYPE_CHECKING
from gatekeeper.policy.wishes import Wish

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from gatekeeper.policy.pushed import Change, Facts, Other

LIBRARIAN = "librarian"
LIBRARIAN_EMAIL = "librarian@gatekeeper.invalid"
"""Nobody's commits may carry the Librarian's name or address, in whatever case: `release` is read by people."""
LONGEST_NAME = 64
DOORS = ("kernel", "key")
"""How a door knows who knocks; everything else is a claim."""
_BLOCKED = "blocked"
_NOBODY = {"name": "", "meant": "", "reserved": False, "known": False, "doorless": False, "gone": False}


def identify(name: str, policy: Mapping[str, Any], push: tuple[str, ...] = ()) -> Claim | Refusal:
    """Return who pushes when only `name` is known, or why nobody may under it (GATE-301).

    `push` is the command that is given back with the name that was probably meant.
    """
    agents = policy["agents"]
    return named(name, agents) or _stranger(name, agents, push)


def by_door(told: Mapping[str, Any] | None, policy: Mapping[str, Any]) -> Claim | Refusal:
    """Return whom a door of the enforced set-up names; where none did, nobody else's word counts (GATE-301)."""
    said = told if told is not None and told.get("v") == 1 else {}
    name, assurance = str(said.get("agent", "")), str(said.get("assurance"))
    agents = policy["agents"]
    if name in agents and assurance in DOORS:
        return Claim(name, assurance, agents[name]["role"])
    values = {**_NOBODY, "name": name[:80], "known": True, "doorless": not name}
    return Refusal("GATE-301", values, (), "never", "agent")


def named(name: str, agents: Mapping[str, Any], assurance: str = "claimed") -> Claim | None:
    """Return the agent of exactly this name; without any in `sites.toml`, whoever has a name that can be shown."""
    if name in agents:
        return Claim(name, assurance, agents[name]["role"])
    valid = 0 < len(name) <= LONGEST_NAME and hidden(name) is None and name.lower() != LIBRARIAN
    return Claim(name, assurance) if valid and not agents else None


def _stranger(name: str, agents: Mapping[str, Any], push: tuple[str, ...]) -> Refusal:
    meant = nearest(name, agents)
    steps = (("env", f"GATE_AGENT={meant}", *push),) if meant and push else ()
    values = {
        **_NOBODY,
        "name": name[:80],
        "meant": meant or "",
        "reserved": name.lower() == LIBRARIAN,
        "known": bool(agents),
    }
    return Refusal("GATE-301", values, steps, "after_fix" if steps else "never", "agent", tuple(sorted(agents)) or None)


def judge(facts: Facts, policy: Mapping[str, Any], who: Claim, *, sure: bool = True) -> Wish | Refusal:
    """Return what the request asks for, or the first rule that it breaks.

    From the outside in: who, the history, the content, the trailers, what they allow, the queue. `sure` is False
    when the name is only the tip's committer and `sites.toml` lists no agents: then it tells no two people apart.
    """
    refusal = reserved(facts) or owned(facts.owner, who, facts.id, facts.new, sure=sure, others=facts.others)
    refusal = refusal or _tip(facts, policy) or _history(facts)
    refusal = refusal or content.fault(facts.change, policy, base=facts.base, request_id=facts.id)
    if refusal is not None:
        return refusal
    wish = wishes.read(facts, policy)
    if isinstance(wish, Refusal):
        return wish
    return (
        outside(facts.change, policy, wish.surfaces, facts)
        or _not_allowed(facts.change, policy, who, wish.surfaces)
        or _too_many(facts, policy, who)
        or _cycle(facts, wish)
        or wish
    )


def judge_again(facts: Facts, policy: Mapping[str, Any]) -> Refusal | None:
    """Judge by the rules as they are now what an open request changes by itself (GATE-2xx).

    What its tip says cannot have become wrong, but for the surfaces; and the Librarian's own commits are let through.
    """
    refusal = _history(facts) or content.fault(facts.change, policy, base=facts.base, request_id=facts.id)
    if refusal is not None:
        return refusal
    surfaces = wishes.surfaces(facts, policy)
    return surfaces if isinstance(surfaces, Refusal) else outside(facts.change, policy, surfaces, facts)


def judge_merged(change: Change, policy: Mapping[str, Any], request_id: str) -> Refusal | None:
    """Judge what a merge really changes: what may not ship may not come to be by merging either."""
    return content.fault(change, policy, base=None, request_id=request_id)


def barred(facts: Facts, policy: Mapping[str, Any], who: Claim) -> Refusal | None:
    """Return why the agent of an open request could not file it today: not listed any more, or not for this surface.

    An operator's own request is nobody else's to bar.
    """
    if who.role == "operator":
        return None
    if named(who.name, policy["agents"]) is None:
        return Refusal("GATE-301", {**_NOBODY, "name": who.name[:80], "gone": True}, (), "never", "agent")
    surfaces = wishes.surfaces(facts, policy)
    return None if isinstance(surfaces, Refusal) else _not_allowed(facts.change, policy, who, surfaces)


def owned(
    owner: str | None, who: Claim, request_id: str, new: str, *, sure: bool, others: Sequence[Other] = ()
) -> Refusal | None:
    """Refuse another agent's request (GATE-302): an id belongs to its first agent for good."""
    if owner is None or owner == who.name or who.role == "operator" or not sure:
        return None
    steps = (repair.push_as(new, _free_id(request_id, {other.id for other in others})),) if new.strip("0") else ()
    values = {"id": request_id, "owner": owner, "name": who.name}
    return Refusal("GATE-302", values, steps, "after_fix" if steps else "never", field="agent")


def _free_id(request_id: str, taken: Collection[str]) -> str:
    return next((each for each in like(request_id) if each not in taken), nearest_id(f"{request_id[:50]}-mine"))


def like(request_id: str) -> tuple[str, ...]:
    """Return the ids that are offered in place of one that is another's, in their order."""
    return tuple(nearest_id(f"{request_id[:58]}-{n}") for n in range(2, 50))


def reserved(facts: Facts) -> Refusal | None:
    """Refuse commits that carry the Librarian's name or address (GATE-301), as author or committer."""
    claims = [commit for commit in facts.commits if _claims_to_be_librarian(commit.author, commit.author_email)]
    claims += [commit for commit in facts.commits if _claims_to_be_librarian(commit.committer, commit.committer_email)]
    if not claims:
        return None
    amend = ("git", "commit", "--amend", "--allow-empty", "--no-edit", "--reset-author")
    tip_only = all(commit.oid == facts.new for commit in claims)
    steps = (amend, repair.push_again(facts.id)) if tip_only else ()
    values = {**_NOBODY, "name": "Librarian", "reserved": True}
    return Refusal("GATE-301", values, steps, "after_fix" if steps else "never", field="agent")


def _claims_to_be_librarian(name: str, email: str) -> bool:
    return name.strip().lower() == LIBRARIAN or email.strip().lower() == LIBRARIAN_EMAIL


def _tip(facts: Facts, policy: Mapping[str, Any]) -> Refusal | None:
    if facts.kind != "commit":
        return content.forbidden("kind", facts.kind)
    limit = policy["limits"]["message_bytes"]
    if facts.message_bytes > limit:
        return content.too_large("bytes of commit message", facts.message_bytes, limit, "limits.message_bytes")
    return None


def _history(facts: Facts) -> Refusal | None:
    if facts.taken_out is not None:
        lost = facts.taken_out
        steps = (*repair.rebase(onto_base=lost.base), repair.push_again(facts.id))
        return Refusal("GATE-211", {"oid": lost.oid[:12], "again": bool(lost.base)}, steps)
    if facts.base is None and not facts.release_empty:
        steps = (*repair.rebase(root=True), repair.push_again(facts.id))
        return Refusal("GATE-206", {"new": facts.new[:12]}, steps)
    if not facts.commits or facts.same_tree or _changes_nothing(facts.change):
        return Refusal("GATE-208", {"id": facts.id}, retry="never")
    return None


def _changes_nothing(change: Change) -> bool:
    return not change.entries and not change.paths and not change.size


def outside(change: Change, policy: Mapping[str, Any], declared: Sequence[str], facts: Facts) -> Refusal | None:
    """Refuse paths that no declared surface holds (GATE-203), naming who does hold them."""
    by_path = index(policy["surfaces"])
    held = {entry.path: holders(entry.path, by_path) for entry in change.entries}
    strays = [path for path, names in held.items() if not set(names) & set(declared)]
    if not strays:
        return None
    missing = sorted({held[path][0] for path in strays})
    named = [f"{path} (surface {held[path][0]})" for path in strays[: content.NAMED]]
    right = ", ".join((*declared, *missing))
    values = {
        "paths": ", ".join(named),
        "others": max(0, len(strays) - content.NAMED),
        "declared": ", ".join(declared),
        "right": right,
    }
    return Refusal(
        "GATE-203", values, wishes.amended(facts, ("Surface", right)), field="Surface", allowed=tuple(missing)
    )


def _not_allowed(change: Change, policy: Mapping[str, Any], who: Claim, declared: Sequence[str]) -> Refusal | None:
    agent = policy["agents"].get(who.name)
    allowed = tuple(agent["surfaces"]) if agent else ()
    if not allowed:
        return None
    touched = surfaces_of((entry.path for entry in change.entries), policy["surfaces"])
    wrong = sorted({*declared, *touched} - set(allowed))
    if not wrong:
        return None
    values = {"name": who.name, "surfaces": ", ".join(wrong), "allowed": ", ".join(allowed), "root": ROOT in wrong}
    return Refusal("GATE-303", values, (), "never", "Surface", allowed)


def _too_many(facts: Facts, policy: Mapping[str, Any], who: Claim) -> Refusal | None:
    agent = policy["agents"].get(who.name)
    limit = (agent and agent["max_open"]) or policy["limits"]["open_requests"]
    mine = [other.id for other in facts.others if other.agent == who.name and other.state != _BLOCKED]
    if len(mine) < limit:
        return None
    steps = (("request-deploy", "--wait", mine[0]), repair.push_as(facts.new, facts.id))
    values = {"name": who.name, "count": len(mine), "limit": limit, "ids": ", ".join(mine[: content.NAMED])}
    return Refusal("GATE-304", values, steps, "later", field="agent")


def _cycle(facts: Facts, wish: Wish) -> Refusal | None:
    needs = {other.id: other.depends_on for other in facts.others if wish.depends_on}
    chain, following = [facts.id], wish.depends_on
    while following is not None and following not in chain:
        chain.append(following)
        following = needs.get(following)
    return in_a_circle(chain, empty=wishes.is_empty(facts)) if following == facts.id else None


def in_a_circle(chain: Sequence[str], *, empty: bool = True) -> Refusal:
    """Return GATE-209 for the first of these requests, each of which waits for the next, and the last for the first.

    `empty` is whether its tip may have its parent's tree.
    """
    steps = (repair.drop("Depends-On", empty=empty), repair.push_again(chain[0]))
    return wishes.wrong("Depends-On", "cycle", " → ".join((*chain, chain[0])), steps)
