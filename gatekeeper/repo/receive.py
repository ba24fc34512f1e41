"""pre-receive: judges a push, and fails closed. It prepares what post-receive says when the ref has moved.

Standard library only, started as `python3 -I -S`. It never writes a ref, and prints no agent's text unescaped.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys

from gatekeeper.policy import admission, answer, refs, repair
from gatekeeper.policy.pushed import UNKNOWN, Claim, Refusal
from gatekeeper.policy.values import TYPE_CHECKING
from gatekeeper.repo import around, childgit, facts, filed, report, roll
from gatekeeper.repo.compiled import Unreadable, load
from gatekeeper.repo.posted import answer_key, home_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from gatekeeper.policy.refs import Update
    from gatekeeper.repo.objects import Git
    from gatekeeper.repo.report import Note

_LONGEST_COUNT = 5


def pre_receive() -> int:
    """Judge the push that Git describes on standard input; return 0 to let it through."""
    lines = sys.stdin.buffer.read()
    home, environment = home_of(os.environ), dict(os.environ)
    git = childgit.runner(os.path.realpath(environment.get("GIT_DIR", ".")), environment)
    try:
        policy = load(home)
    except Unreadable as problem:
        _say(_unreadable(str(problem)))
        return 1
    text = Door(home, policy, environment, git).judge(lines)
    _say(text)
    return 1 if text else 0


def _unreadable(problem: str) -> str:
    """Word the one refusal that cannot come from a template: those are in the policy."""
    reason = f"{problem}, so nothing can be judged. Nothing was changed.\nTell your operator: gatekeeper config check"
    return answer.refused(reason, None, Refusal("GATE-501", {}, (), "later"))


class Door:
    """One push at the door of one gate."""

    def __init__(self, home: str, policy: Mapping[str, Any], environment: Mapping[str, str], git: Git) -> None:
        self.home = home
        self.policy = policy
        self.environment = environment
        self.git = git
        self._noted: list[Note] | None = None

    def judge(self, lines: bytes) -> str:
        """Return the whole refusal, or "" once everything that an accepted push needs is durable."""
        if self.policy.get("sealed"):
            return self._sealed()
        pushed = refs.updates(lines)
        update = refs.judge_refs(pushed)
        if isinstance(update, Refusal):
            return self._refuse(update, pushed[0] if pushed else None, self._stranger())
        refusal = refs.options(_options(self.environment), update)
        if refusal is not None:
            return self._refuse(refusal, update, self._stranger())
        return self._withdraw(update) if update.deletes else self._file(update)

    def _sealed(self) -> str:
        """Nobody is left to read a note of it."""
        reason = answer.render(self.policy["templates"]["push/sealed"], {"why": self.policy["sealed"]})
        return answer.refused(reason, None, Refusal("GATE-408", {}, (), "never"))

    def _file(self, update: Update) -> str:
        known = facts.alone(self.git, update.id, update.new, self.policy, self._owners)
        committer = known.commits[0].committer if known.commits else None
        who = admission.reserved(known) or self._who(committer, repair.push_as(update.new, update.id))
        if isinstance(who, Refusal):
            return self._refuse(who, update, self._stranger(committer))
        known, seen = around.look(self.git, roll.load(self.home), self._pushes(), known, who)
        wish = admission.judge(known, self.policy, who, sure=self._sure())
        if isinstance(wish, Refusal):
            return self._refuse(wish, update, who)
        refused = self._note("pushing", update, who, id=update.id, old=update.old, new=update.new)
        if not refused:
            event = "filed" if update.creates else "updated"
            with contextlib.suppress(Exception):  # the words must not cost the request: post-receive has plain ones
                text = filed.accepted(self.git, self.home, known, self.policy, wish, event=event, around=seen)
                report.leave_answer(self.home, answer_key(update.new, update.ref), text)
        return refused

    def _withdraw(self, update: Update) -> str:
        if update.creates:
            nothing = Refusal("GATE-208", {"id": update.id}, retry="never")
            return self._refuse(nothing, update, self._stranger())
        committer = self.git(["log", "-1", "--format=%cn", update.old, "--"], b"").decode("utf-8", "replace").strip()
        who = self._who(committer, ("git", "push", "origin", f":{update.ref}"))
        if isinstance(who, Refusal):
            return self._refuse(who, update, self._stranger(committer))
        owner = facts.owner_of(self.git, update.id, self._owners)
        refusal = admission.owned(owner, who, update.id, update.new, sure=self._sure())
        if refusal is not None:
            return self._refuse(refusal, update, who)
        refused = self._note("withdraw", update, who, id=update.id, old=update.old)
        if not refused:
            with contextlib.suppress(Exception):
                report.leave_answer(
                    self.home, answer_key(update.new, update.ref), filed.withdrawn(self.policy, update.id)
                )
        return refused

    def _claimed(self) -> str | None:
        return self.environment.get("GATE_AGENT")

    def _sure(self) -> bool:
        return self._enforced() or self._claimed() is not None or bool(self.policy["agents"])

    def _enforced(self) -> bool:
        return bool(self.policy.get("mode") == "enforced")

    def _at_door(self) -> Claim | Refusal:
        """Read whom the door names in an environment of its own making; only the enforced set-up goes by it."""
        try:
            told = json.loads(self.environment.get("GATE_DOOR", "null"))
        except ValueError:
            told = None
        return admission.by_door(told if isinstance(told, dict) else None, self.policy)

    def _who(self, committer: str | None, push: tuple[str, ...]) -> Claim | Refusal:
        """Tell who pushes; for a tip that is in `release` it does not matter, as nothing will move."""
        if self._enforced():
            return self._at_door()
        name = self._claimed()
        name = committer if name is None else name
        return Claim(UNKNOWN) if name is None else admission.identify(name, self.policy, push)

    def _stranger(self, committer: str | None = None) -> Claim:
        """Return whom a refusal is noted under when nobody could be identified, or nobody had to be."""
        if self._enforced():
            known = self._at_door()
            return known if isinstance(known, Claim) else Claim(UNKNOWN)
        name = self._claimed() or committer or UNKNOWN
        return admission.named(name, self.policy["agents"]) or Claim(answer.shown(name)[: admission.LONGEST_NAME])

    def _owners(self, tips: Mapping[str, str]) -> Mapping[str, str]:
        return report.owners(self._pushes(), tips)

    def _pushes(self) -> list[Note]:
        """Read once what was noted of pushes before this one."""
        if self._noted is None:
            self._noted = report.pushes(self.home)
        return self._noted

    def _note(self, event: str, update: Update, who: Claim, **fields: str) -> str:
        """Write an event down; return a refusal when the disk does not take it (GATE-503)."""
        try:
            report.note(self.home, event, agent=who._asdict(), **fields)
        except OSError as problem:
            values = {"problem": problem.strerror or str(problem)}
            return self._refuse(Refusal("GATE-503", values, retry="later"), update, who)
        return ""

    def _refuse(self, refusal: Refusal, update: Update | None, who: Claim) -> str:
        more = {"next": bool(refusal.next), "id": update.id if update else ""}
        reason = answer.render(self.policy["templates"][f"reasons/{refusal.code}"], {**more, **refusal.values})
        ref, old, new = (update.ref, update.old, update.new) if update else ("", "", "")
        report.note_refusal(
            self.home,
            agent=who._asdict(),
            ref=answer.brief(ref),
            old=old,
            new=new,
            code=refusal.code,
            text=answer.brief(reason.splitlines()[0]),
        )
        request_id = update.id if update and refs.is_request(update.ref) else None
        return answer.refused(reason, request_id, refusal)


def _options(environment: Mapping[str, str]) -> list[str]:
    """Return the push options; one that is announced but missing counts as an option without a name."""
    count = environment.get("GIT_PUSH_OPTION_COUNT", "0")
    number = int(count) if count.isdigit() and len(count) < _LONGEST_COUNT else 1
    return [environment.get(f"GIT_PUSH_OPTION_{n}", "") for n in range(number)]


def _say(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()
