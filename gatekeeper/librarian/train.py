"""Merges the queue in the bare repository, one request on the other, and says where each stands. Moves no ref."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from gatekeeper import messages
from gatekeeper.config.digest import digest
from gatekeeper.config.schema import Config
from gatekeeper.librarian.holds import Holds
from gatekeeper.librarian.memory import Memory
from gatekeeper.librarian.rules import Rules, in_force, in_words
from gatekeeper.model import Oid, Reason, Release, Request, RequestId, Result, Stage, State
from gatekeeper.policy import admission, order, repair
from gatekeeper.policy.pushed import Refusal
from gatekeeper.policy.step import Standing
from gatekeeper.repo import drafts, trial
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import EMPTY_TREE
from gatekeeper.repo.merge import Conflict, Merged, hunks, merge

_SHOWN = 5
_AHEAD = 4
"""Trains that are looked ahead: requests behind a long queue of another surface need not wait for it."""
_LOOKED_AT = 100
"""Requests that are judged at least; what stands further behind a line that is full keeps its state until then."""
_LOOKED_BACK = 500


class Formed(Struct, frozen=True):
    """Who merges, in the queue's order, and where every open request stands."""

    queue: tuple[Request, ...]
    standings: tuple[Standing, ...]


class Yard(Struct):
    """Forms one train. `resting` are requests whose block or hold still counts, `closed` ids that ended as shipped."""

    git: Git
    config: Config
    policy: Mapping[str, Any]
    release: Release
    memory: Memory
    now: float
    approvals: dict[RequestId, str | None] = field(default_factory=dict)
    alone: list[Request] = field(default_factory=list)
    """Requests that only try: nobody is merged on them."""
    fresh: Mapping[str, list[str]] = field(default_factory=dict)
    """Commits of open requests that `release` does not hold, with their parents."""

    @property
    def holds(self) -> Holds:
        """What is known of the holds on the present release."""
        found = self.memory.holds_on(self.git, self.config.hold, self.release.commit)
        found.fresh = self.fresh
        return found

    @property
    def rules(self) -> Rules:
        """What is known of the door's rules on the present release."""
        return self.memory.rules_on(self.git, self.policy, self.release.commit)

    def form(
        self, results: Sequence[Result], resting: Mapping[RequestId, Standing], first: Sequence[RequestId]
    ) -> Formed:
        """Merge what can be merged, in the queue's order, as far as the planner looks ahead."""
        requests = self._implied([order.as_request(r) for r in results if r.id not in resting], results)
        known = {result.id: result for result in results}
        self.approvals = {result.id: result.approval for result in results}
        stages = [Stage(None, self.release.commit, self.release.tree)]
        standings: dict[RequestId, Standing] = dict(resting)
        ordered = order.order(requests, first=first)
        for place, request in enumerate(ordered):
            if place >= _LOOKED_AT and len(stages) > self._ahead:
                standings[request.id] = as_it_is(known[request.id])
                continue
            if place % _LOOKED_AT == 0:
                self.rules.learn([each for each in ordered[place : place + _LOOKED_AT] if each.tip in self.fresh])
            standing = self._waits(request, requests, standings, known) or self._take(
                request, known[request.id], stages
            )
            standings[request.id] = standing
        queue = [stage.request for stage in stages if stage.request is not None] + self.alone
        return Formed(tuple(queue), tuple(standings.values()))

    def line(self, requests: Sequence[Request]) -> tuple[Stage, ...]:
        """Merge some of the queue on `release`; who does not merge without the others, or is held then, is left out."""
        stages = [Stage(None, self.release.commit, self.release.tree)]
        for request in requests:
            outcome, commit = self._merge(stages[-1].commit, request)
            if isinstance(outcome, Conflict) or commit is None or outcome.tree == stages[-1].tree:
                continue
            before = stages[-1].tree
            if self.rules.fault(request, before, outcome.tree) is not None:
                continue
            content, _ = self._to_approve(request, before, outcome.tree)
            if content in ("", self.approvals.get(request.id)):
                stages.append(Stage(request, commit, outcome.tree))
        return tuple(stages)

    @property
    def _ahead(self) -> int:
        return self.config.gate.max_train * _AHEAD

    def _implied(self, requests: Sequence[Request], results: Sequence[Result]) -> list[Request]:
        """A request that holds another open one's commits depends on it, blocked or not, said or not."""
        tips = {result.tip: result.id for result in results}
        self.fresh = self._own(tips)
        found = []
        for request in requests:
            other = None if request.ask.depends_on is not None else self._holds(request.tip, tips)
            found.append(request if other is None else replace(request, ask=replace(request.ask, depends_on=other)))
        return found

    def _own(self, tips: Iterable[Oid]) -> dict[str, list[str]]:
        """Return every commit of the open requests that `release` does not hold, with its parents."""
        wanted = "".join(f"{name}\n" for name in (*tips, f"^{self.release.commit}"))
        lines = self.git.text("rev-list", "--parents", "--stdin", stdin=wanted.encode()).splitlines()
        return {oid: parents for oid, *parents in (line.split() for line in lines)}

    def _holds(self, tip: Oid, tips: Mapping[Oid, RequestId]) -> RequestId | None:
        """Return the nearest other open request whose tip this one holds, along first parents first."""
        todo, met = list(reversed(self.fresh.get(tip, []))), set[str]()
        while todo:
            oid = todo.pop()
            if oid in met or oid not in self.fresh:
                continue
            if Oid(oid) in tips:
                return tips[Oid(oid)]
            met.add(oid)
            todo += reversed(self.fresh[oid])
        return None

    def _waits(
        self,
        request: Request,
        requests: Sequence[Request],
        standings: Mapping[RequestId, Standing],
        known: Mapping[RequestId, Result],
    ) -> Standing | None:
        """A request waits for the one it depends on unless that is ahead of it in the train, or has landed.

        Of a circle one is blocked; the others wait for it.
        """
        need = request.ask.depends_on
        if need is None or (need in standings and standings[need].state is State.QUEUED and not standings[need].reason):
            return None
        if need not in known and need in self._landed(need):
            return None
        circle = order.cycle(requests, request.id)
        if circle and not any(id_ in standings and standings[id_].state is State.BLOCKED for id_ in circle):
            rests_on = {f"request {id_}": known[id_].tip for id_ in circle}
            return Standing(known[request.id], State.BLOCKED, in_words(admission.in_a_circle(circle)), rests_on)
        text = messages.reason("GATE-409", id=request.id, other=need, agent=None)
        return Standing(known[request.id], State.QUEUED, Reason("GATE-409", text.strip()))

    def _landed(self, need: RequestId) -> frozenset[RequestId]:
        pattern = f"^Request: {need}$"
        found = self.git.text("log", "-1", "--format=%H", f"--grep={pattern}", "--first-parent", self.release.commit)
        return frozenset({need}) if found else frozenset()

    def _take(self, request: Request, result: Result, stages: list[Stage]) -> Standing:
        """Merge one request on the last stage, if it goes on it, and say where it stands."""
        if request.tip not in self.fresh and self.release.tree != EMPTY_TREE:
            return Standing(result, State.SHIPPED)
        last = stages[-1]
        outcome, commit = self._merge(last.commit, request)
        if isinstance(outcome, Conflict):
            return self._conflict(request, result, outcome, stages)
        if outcome.tree == last.tree:
            text = messages.reason("GATE-208", id=request.id)
            return Standing(result, State.BLOCKED, Reason("GATE-208", text.strip(), (repair.push_again(request.id),)))
        refused = self._refused(request, result, outcome.tree, stages)
        if refused is not None:
            return refused
        held = self._held(request, result, last.tree, outcome.tree)
        if held is not None:
            return held
        assert commit is not None  # noqa: S101 - a merge without a conflict has one
        if request.ask.try_only:
            self.alone.append(request)
        elif len(stages) <= self._ahead:
            stages.append(Stage(request, commit, outcome.tree))
        return Standing(result, State.QUEUED)

    def _merge(self, onto: Oid, request: Request) -> tuple[Merged | Conflict, Oid | None]:
        known = self.memory.merges.get((onto, request.tip))
        if known is None:
            outcome = merge(self.git, onto, request.tip, unrelated=self.release.tree == EMPTY_TREE)
            known = (outcome, self._trial(onto, request, outcome) if isinstance(outcome, Merged) else None)
            self.memory.merges[onto, request.tip] = known
        return known

    def _trial(self, onto: Oid, request: Request, outcome: Merged) -> Oid:
        """Write a commit for the next merge to stand on; the same inputs give the same object."""
        found = drafts.draft(tree=outcome.tree, parents=(onto, request.tip), message="trial\n", at=0)
        trial.write(self.git, found)
        return found.oid

    def _conflict(self, request: Request, result: Result, found: Conflict, stages: Sequence[Stage]) -> Standing:
        on_release, _ = self._merge(self.release.commit, request)
        if isinstance(on_release, Conflict):
            return self._blocked(request, result, on_release)
        ahead = [stage.request for stage in stages[1:] if stage.request is not None]
        other = next((r for r in reversed(ahead) if self.holds.own_paths(r) & set(found.paths)), ahead[-1])
        return self._behind(request, result, other)

    def _behind(self, request: Request, result: Result, other: Request) -> Standing:
        """It waits for what becomes of one ahead in the train."""
        text = messages.reason("GATE-409", id=request.id, other=other.id, agent=other.agent.name)
        return Standing(result, State.QUEUED, Reason("GATE-409", text.strip()))

    def _refused(self, request: Request, result: Result, after: Oid, stages: Sequence[Stage]) -> Standing | None:
        """Block what breaks a rule of the door on `release`, and let wait what does so only behind another."""
        refusal = self.rules.fault(request, stages[-1].tree, after)
        if refusal is None:
            return None
        ahead = stages[-1].request
        if ahead is not None:
            alone, _ = self._merge(self.release.commit, request)
            if isinstance(alone, Merged) and self.rules.fault(request, self.release.tree, alone.tree) is None:
                return self._behind(request, result, ahead)
        rests_on = {"release": self.release.commit, "rules": in_force(self.policy)}
        return Standing(result, State.BLOCKED, in_words(refusal), rests_on)

    def _blocked(self, request: Request, result: Result, found: Conflict) -> Standing:
        other, agent = self._other_side(request, found.paths)
        shown = [{"path": path, "lines": hunks(self.git, found, path)[:_SHOWN]} for path in found.paths[:_SHOWN]]
        text = messages.reason(
            "GATE-401", id=request.id, files=shown, more=len(found.paths) - len(shown), other=other, agent=agent
        )
        steps = repair.mend(request.id)
        rests_on = {"release": self.release.commit}
        return Standing(result, State.BLOCKED, Reason("GATE-401", " ".join(text.split()), steps), rests_on)

    def _other_side(self, request: Request, paths: Sequence[str]) -> tuple[str | None, str | None]:
        """Name the request, and its agent, whose landing last touched these paths.

        Git is not asked for the paths: it would pass a merge over that is as its second parent in them.
        """
        told = "%x01%(trailers:key=Request,valueonly,separator=)%x02%(trailers:key=Agent,valueonly,separator=)%x02"
        args = ("log", "-n", str(_LOOKED_BACK), "--first-parent", "-m", "--name-only", "--no-renames", "-z")
        said = self.git.run(*args, f"--format={told}", self.release.commit, f"^{request.tip}").output
        for landing in said.decode("utf-8", "surrogateescape").split("\x01")[1:]:
            other, agent, touched = landing.split("\x02", 2)
            if other and set(touched.lstrip("\0\n").split("\0")) & set(paths):
                return other, agent
        return None, None

    def _held(self, request: Request, result: Result, before: Oid, after: Oid) -> Standing | None:
        content, barred = self._to_approve(request, before, after)
        if content in ("", result.approval):
            return None
        said = [in_words(barred)] if barred else []
        said += self._said_of(request, before, after)
        reason = Reason(said[0].code, " ".join(one.text for one in said))
        return Standing(result, State.HELD, reason, {"held": content})

    def _to_approve(self, request: Request, before: Oid, after: Oid) -> tuple[str, Refusal | None]:
        """Return what an approval must be bound to ("": nothing needs one), and why its agent may not ask any more."""
        held, barred = self.holds.judge(request, before, after).content, self.rules.barred(request)
        return (digest([held, request.tip, barred.code, barred.values]), barred) if barred else (held, None)

    def _said_of(self, request: Request, before: Oid, after: Oid) -> list[Reason]:
        held = self.holds.judge(request, before, after)
        paths = sorted(held.why)
        why = "; ".join(sorted(set(held.why.values())))
        text = messages.reason("GATE-406", id=request.id, files=paths[:_SHOWN], reason=why)
        return [Reason("GATE-406", " ".join(text.split()))] if paths else []


def as_it_is(result: Result) -> Standing:
    """Return the standing that moves nothing."""
    return Standing(result, result.state, result.reason, result.rests_on)
