"""What the doors judge by: sites.toml compiled, the tips that rollbacks took out, and the agents' SSH keys."""

from collections.abc import Iterable, Mapping
from typing import Any

from gatekeeper.config import keys
from gatekeeper.config.policy import compile_policy
from gatekeeper.config.policy import write as write_policy
from gatekeeper.config.schema import Config
from gatekeeper.config.standing import Mode
from gatekeeper.gate import Gate
from gatekeeper.home import Home
from gatekeeper.model import RELEASE, REQUESTS, RESULTS, SEALED, Oid, Ref, Release, RequestId, Result, State
from gatekeeper.repo import frozen, results, roll
from gatekeeper.repo.export import write_file
from gatekeeper.repo.git import Git
from gatekeeper.repo.roll import Roll

_STUCK = (State.BLOCKED, State.HELD)


def tell(gate: Gate) -> None:
    """Put what is known now in force for the next push, without waiting for the next heartbeat."""
    policy = compiled(gate.git, gate.config, mode=gate.ledger.mode, source=gate.policy["source"])
    write(gate.home, gate.git, gate.config, policy)


def compiled(git: Git, config: Config, *, mode: Mode, source: str) -> dict[str, Any]:
    """Return what the doors must know of a configuration and of the gate, but for what rollbacks took out.

    That takes a look at every result, and only who judges a push needs it.
    """
    seal = git.resolve(SEALED)
    sealed = frozen.read(git, seal).reason if seal is not None else ""
    return compile_policy(config, mode=mode, source=source, sealed=sealed)


def write(home: Home, git: Git, config: Config, policy: Mapping[str, Any]) -> None:
    """Put a policy in force, and with it the keys: who is no longer listed is out before the next push."""
    wanted = keys.authorized(config, home).encode()
    if not home.authorized_keys.exists() or home.authorized_keys.read_bytes() != wanted:
        write_file(home.authorized_keys, wanted, mode=0o600)
    write_policy(home.path, {**policy, "taken_out": taken_out(git)})


def call_roll(gate: Gate, refs: Mapping[Ref, Oid], known: Mapping[RequestId, Result], release: Release) -> None:
    """Tell the hooks who has what open. To be done before what was noted of a push is forgotten: one of both knows."""
    tips = {id_: known[id_] for id_ in known if refs.get(Ref(REQUESTS + id_)) == known[id_].tip}
    queued, stuck = dict[str, list[str]](), dict[str, list[str]]()
    for id_ in known:
        if Ref(REQUESTS + id_) in refs:
            result = known[id_]
            waits = id_ in tips and result.state in _STUCK
            (stuck if waits else queued).setdefault(result.agent.name, []).append(id_)
    newest = sorted(tips.values(), key=lambda result: result.sequence)[-roll.NEWEST :]
    version = (release.commit, release.version) if release.version else ("", "")
    told = roll.encode(Roll(queued, stuck, [result.id for result in newest], version))
    path = gate.home.var / roll.FILE
    if not path.exists() or path.read_bytes() != told:
        write_file(path, told)


def taken_out(git: Git, known: Iterable[Result] | None = None) -> tuple[tuple[Oid, Oid], ...]:
    """Return each tip that a rollback took out, with the merge by which it had landed.

    A tip that holds the first without the second is its old branch, and would land without what it once brought;
    one that began from the release which had it only stands on history that is still there. `known` are all results,
    when they were read already.
    """
    found = results.known(git, git.refs(RESULTS)).values() if known is None else known
    gone = {result.tip for result in found if result.state is State.ROLLED_BACK}
    if not gone:
        return ()
    merges = git.text("log", "--first-parent", "--merges", "--format=%H %P", RELEASE).splitlines()
    pairs = ((Oid(tip), Oid(merge)) for merge, _, tip, *_ in (line.split() for line in merges))
    return tuple((tip, merge) for tip, merge in pairs if tip in gone)
