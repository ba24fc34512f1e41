"""The queue's order: one pure function. Urgency is not an input."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from gatekeeper.model import Request, RequestId, Result


def order(requests: Sequence[Request], *, first: Sequence[RequestId] = ()) -> tuple[Request, ...]:
    """Return the requests in the order in which they are merged.

    Those that the operator put `first` come first, as he listed them. The others take turns between agents: each
    agent's oldest, then each agent's second oldest, and so on; within a turn the one that was filed first. A
    request that depends on another open one comes after it, and that one is moved up to stand before it. A
    dependency that is not among the requests is the caller's to judge.
    """
    turns: dict[str, int] = defaultdict(int)
    ranked = []
    for request in sorted(requests, key=lambda r: r.sequence):
        pinned = first.index(request.id) if request.id in first else len(first)
        ranked.append((pinned, turns[request.agent.name], request.sequence, request))
        turns[request.agent.name] += 1
    ranked.sort(key=lambda entry: entry[:3])
    return _dependencies_first([entry[3] for entry in ranked])


def put_first(results: Iterable[Result]) -> tuple[RequestId, ...]:
    """Return the ids that a person put to the head of the queue, the latest of them first."""
    chosen = sorted((r for r in results if r.ahead), key=lambda r: (r.ahead or "", -r.sequence), reverse=True)
    return tuple(result.id for result in chosen)


def with_needs(ids: Collection[RequestId], requests: Sequence[Request]) -> frozenset[RequestId]:
    """Return those of `ids` that are among the requests, with all that they depend on there."""
    needs = {request.id: request.ask.depends_on for request in requests}
    found: set[RequestId] = set()
    for id_ in ids:
        need: RequestId | None = id_
        while need is not None and need in needs and need not in found:
            found.add(need)
            need = needs[need]
    return frozenset(found)


def cycle(requests: Sequence[Request], start: RequestId) -> tuple[RequestId, ...]:
    """Return the ids of the dependency cycle that `start` is part of, in order, or nothing."""
    needs = {request.id: request.ask.depends_on for request in requests}
    path = [start]
    while (following := needs.get(path[-1])) is not None:
        if following == start:
            return tuple(path)
        if following in path:
            return ()
        path.append(following)
    return ()


def _dependencies_first(requests: list[Request]) -> tuple[Request, ...]:
    known = {request.id: request for request in requests}
    placed: dict[RequestId, Request] = {}
    for request in requests:
        chain = [request]
        while (need := known.get(chain[-1].ask.depends_on or RequestId(""))) is not None and need not in chain:
            chain.append(need)
        for member in reversed(chain):
            placed.setdefault(member.id, member)
    return tuple(placed.values())


def as_request(result: Result) -> Request:
    """Return the open attempt that a result tells of."""
    return Request(
        id=result.id,
        tip=result.tip,
        attempt=result.attempt,
        sequence=result.sequence,
        agent=result.agent,
        ask=result.ask,
        filed_at=result.filed_at,
    )
