"""Asks the door's own questions again of open requests: of what each changes by itself, and of what its merge does.

Which paths a merge changes beyond the request's own is not asked here: `holds` finds those, and a person decides.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from gatekeeper import messages
from gatekeeper.config.digest import digest
from gatekeeper.model import Oid, Reason, Request, RequestId
from gatekeeper.policy import admission
from gatekeeper.policy.pushed import Claim, Facts, Refusal
from gatekeeper.repo import facts, tree
from gatekeeper.repo.git import Git

_PARTS = ("agents", "surfaces", "limits", "protected")


class Rules(Struct):
    """The rules over one `release`; remembers what it found out."""

    git: Git
    policy: Mapping[str, Any]
    """What the doors judge by now; `taken_out` as it is at this moment."""
    _facts: dict[tuple[RequestId, Oid], Facts] = field(default_factory=dict)
    _alone: dict[tuple[RequestId, Oid], Refusal | None] = field(default_factory=dict)
    _merged: dict[tuple[RequestId, Oid, Oid, Oid], Refusal | None] = field(default_factory=dict)

    def learn(self, requests: Sequence[Request]) -> None:
        """Read the facts of these requests, those that are not known yet, by the same few git processes."""
        tips: dict[str, str] = {one.id: one.tip for one in requests if (one.id, one.tip) not in self._facts}
        if tips:
            found, _ = facts.collect_all(self.git.call, tips, self.policy)
            self._facts |= {(RequestId(known.id), Oid(known.new)): known for known in found}

    def fault(self, request: Request, before: Oid, after: Oid) -> Refusal | None:
        """Return why no person may let a merge of `request` land that turns tree `before` into `after`."""
        return self._fault_alone(request) or self._fault_merged(request, before, after)

    def barred(self, request: Request) -> Refusal | None:
        """Return why its agent may not ask for this any more (GATE-301, GATE-303): a person can say otherwise."""
        who = Claim(request.agent.name, request.agent.assurance, request.agent.role)
        return admission.barred(self._known(request), self.policy, who)

    def _known(self, request: Request) -> Facts:
        self.learn((request,))
        return self._facts[request.id, request.tip]

    def _fault_alone(self, request: Request) -> Refusal | None:
        key = (request.id, request.tip)
        if key not in self._alone:
            self._alone[key] = admission.judge_again(self._known(request), self.policy)
        return self._alone[key]

    def _fault_merged(self, request: Request, before: Oid, after: Oid) -> Refusal | None:
        key = (request.id, request.tip, before, after)
        if key not in self._merged:
            change = tree.compare(self.git.call, before, after, self.policy["limits"])
            self._merged[key] = admission.judge_merged(change, self.policy, request.id)
        return self._merged[key]


def in_words(refusal: Refusal) -> Reason:
    """Return what a refusal tells a person, with the commands that help."""
    return Reason(refusal.code, messages.reason(refusal.code, **refusal.values), refusal.next)


def in_force(policy: Mapping[str, Any]) -> str:
    """Return a digest of the rules: a block by one of them lapses when they change."""
    return digest([policy[part] for part in _PARTS])
