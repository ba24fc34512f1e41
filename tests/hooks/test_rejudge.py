"""The Librarian asks the same questions with its own git, and hears the same answers."""

import json
import os
from contextlib import closing

from gatekeeper.config.schema import Gate
from gatekeeper.policy import admission
from gatekeeper.policy.pushed import Claim
from gatekeeper.policy.wishes import Wish
from gatekeeper.repo import childgit, facts
from gatekeeper.repo.git import Git
from hooks.doorway import Clone, Door


def test_both_see_the_same(door: Door, clone: Clone) -> None:
    clone.commit("Fix it\n\nBump: minor", {"sites/shop/cart.js": "2\n", "sites/web/l": "x"})
    clone.push("HEAD:request/fix-1")
    clone.fresh()
    tip = clone.commit("Other", {"sites/api/cart.js": "2\n"})
    clone.push("HEAD:request/fix-2")
    policy = json.loads((door.home / "var" / "policy.json").read_text())
    with Git(door.home / "repo.git") as git:
        seen = facts.collect(git.call, "fix-2", tip, policy)
    with closing(childgit.runner(str(door.home / "repo.git"), os.environ)) as hook:
        assert seen == facts.collect(hook, "fix-2", tip, policy)
    assert [other.id for other in seen.others] == ["fix-1"]
    wish = admission.judge(seen, policy, Claim("codex-1"))
    assert isinstance(wish, Wish)
    assert wish.ask().surfaces == ("api",)


def test_the_placeholder_is_no_request(door: Door, clone: Clone) -> None:
    release = door.repo.git("rev-parse", "release")
    door.repo.git("update-ref", "refs/heads/request/_", release)
    clone.commit()
    assert clone.push("HEAD:request/fix-1").machine["position"] == 1


def test_the_first_request_of_an_empty_gate(door: Door, clone: Clone) -> None:
    """While the tree of `release` is empty, a history of its own is welcome (GATE-206 is not yet)."""
    door.set(gate=Gate(protected=()))
    empty = door.repo.git("hash-object", "-w", "-t", "tree", "--stdin")
    root = door.repo.git("commit-tree", empty, "-m", "Start")
    door.repo.git("update-ref", "-d", "refs/tags/v1.4.1")
    door.repo.git("update-ref", "refs/heads/release", root)
    answer = clone.push("HEAD:request/fix-1")
    assert answer.lines[2].startswith("  surface  admin, api, blog, docs, root, shop, web     base none     next")
