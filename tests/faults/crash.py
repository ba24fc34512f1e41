"""Runs a scenario with a fault at a named step, starts the gate again, and says how it ended."""

import itertools
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import gatehouse
from gatehouse import PM2, ROOT, Clone, Gatehouse, build

from faults.whole import assert_whole
from gatekeeper.errors import Exit
from gatekeeper.model import State

VICTIM = Path(__file__).with_name("victim.py")
SITES = ("one", "two", "three")
_HEAD = """[gate]
heartbeat = "15m"
max_train = 20
[pm2]
command = ["{pm2}"]
[verify]
sandbox = "none"
toolchain = []
[limits]
open_requests = 1000
free_disk = "1M"
[[checks]]
name = "page"
run = ["sh", "test.sh"]
per_site = true
"""
_SITE = """[sites.{name}]
path = "sites/{name}"
script = "server.js"
wait_ready = true
mode = "{mode}"
env = {{ PORT = "{port}" }}
health = "http://127.0.0.1:{port}/"
health_timeout = "{patience}"
soak = "100ms"
boot_check = false
"""
_LEAVES = "server.close(() => process.exit(0))"
_LINGERS = "server.close(() => setTimeout(() => process.exit(0), 300))"
_numbers = itertools.count(1)

Act = dict[str, Any]


@contextmanager
def faulty_gate(names: Sequence[str] = SITES, *, mode: str = "cluster", patience: str = "5s") -> Iterator[Gatehouse]:
    """Live sites, checks that take no time, and a folder of its own for temporary files.

    The sites are well-behaved: they linger, for pm2 may have handed over one more connection.
    """
    with patch.object(gatehouse, "SERVER", gatehouse.SERVER.replace(_LEAVES, _LINGERS)), build(names) as gate:
        (gate.root / "tmp").mkdir()
        gate.env = {**gate.env, "TMPDIR": str(gate.root / "tmp")}
        gate.toml = plain(gate, mode=mode, patience=patience)
        gate.home.sites_toml.write_text(gate.toml)
        start_again(gate)
        yield gate


def plain(
    gate: Gatehouse, *, mode: str = "cluster", patience: str = "5s", hosts: Mapping[str, str] | None = None
) -> str:
    """Return a sites.toml of sites that are checked in no time; `hosts` says which of them run on another machine."""
    sites = (_SITE.format(name=name, port=port, mode=mode, patience=patience) for name, port in gate.ports.items())
    on = ((hosts or {}).get(name) for name in gate.ports)
    told = (f'{site}host = "{host}"\n' if host else site for site, host in zip(sites, on, strict=True))
    return _HEAD.format(pm2=PM2) + "".join(told)


def strike(gate: Gatehouse, acts: Sequence[Act], *args: str, log: Path | None = None) -> int:
    """Run `gatekeeper ARGS` with these faults and return its status, negative when it was killed."""
    spec = json.dumps({"acts": list(acts), "log": str(log) if log else None})
    argv = [sys.executable, str(VICTIM), spec, "--gate", str(gate.home.path), *args]
    done = subprocess.run(argv, env=dict(gate.env), capture_output=True, text=True, check=False, cwd=ROOT)
    gate.told.append(f"{done.returncode} {done.stdout[-2000:]} {done.stderr[-2000:]}")
    assert done.returncode != Exit.BUG, done.stderr
    return done.returncode


def start_again(gate: Gatehouse) -> None:
    """Do a heartbeat as the next Librarian; a child of the killed one may still hold the lock for a moment."""
    for _ in range(100):
        status = strike(gate, (), "tick")
        if status != Exit.LOCKED:
            assert status in (Exit.DONE, Exit.FAILED), gate.told[-1]
            return
        time.sleep(0.05)
    raise AssertionError("the lock was never let go")


@dataclass(frozen=True)
class Scenario:
    """What is asked of the gate, what happens on the way, and how it must have ended once it is at rest."""

    name: str
    arrange: Callable[[Gatehouse, str], None]
    settled: Callable[[Gatehouse, str], None]
    command: tuple[str, ...] = ("tick",)
    """Its words are filled in: {key}, and {root}, the folder of the gate's own files."""
    acts: Callable[[Gatehouse, str], list[Act]] = field(default=lambda _gate, _key: [])

    def passes(self, gate: Gatehouse) -> list[tuple[str, int]]:
        """Run it undisturbed and return every step that it reaches, in order, with the times it was reached."""
        log, key = gate.root / "steps", f"q{next(_numbers)}"
        log.unlink(missing_ok=True)
        self.arrange(gate, key)
        strike(gate, self.acts(gate, key), *self._words(gate, key), log=log)
        self._check(gate, key)
        seen = Counter[str]()
        return [(step, _count(seen, step)) for step in log.read_text().splitlines()]

    def survives(self, gate: Gatehouse, step: str, nth: int, what: str = "kill") -> float:
        """Run it with a fault at that step, start again, check everything.

        Return the seconds from the kill to rest, as the next Librarian reached it; 0 when the step was not reached.
        """
        key = f"q{next(_numbers)}"
        self.arrange(gate, key)
        act = {"at": step, "nth": nth, "do": what}
        status = strike(gate, [*self.acts(gate, key), act], *self._words(gate, key))
        killed = time.monotonic()
        start_again(gate)
        rest = time.monotonic() - killed
        self._check(gate, key)
        return rest if status < 0 else 0.0

    def _words(self, gate: Gatehouse, key: str) -> Iterator[str]:
        return (word.format(key=key, root=gate.root) for word in self.command)

    def _check(self, gate: Gatehouse, key: str) -> None:
        assert_whole(gate)
        self.settled(gate, key)


def _count(seen: Counter[str], step: str) -> int:
    seen[step] += 1
    return seen[step]


def _page(site: str, text: str) -> dict[str, str]:
    return {f"sites/{site}/page.txt": f"{text}\n"}


def _good(gate: Gatehouse, key: str) -> None:
    gate.clone().request(key, _page("one", key))


def _is(state: State, code: str | None = None) -> Callable[[Gatehouse, str], None]:
    def settled(gate: Gatehouse, key: str) -> None:
        result = gate.result(key)
        assert (result.state, result.reason and result.reason.code) == (state, code), result
        assert (key in gate.open()) == (not state.final)
        if state is State.SHIPPED:
            assert gate.ask("one")["text"] == key

    return settled


def _bad(gate: Gatehouse, key: str) -> None:
    clear(gate)
    gate.clone().request(key, _page("two", f"ALWAYS 500 {key}"))


def clear(gate: Gatehouse) -> None:
    """Withdraw what an earlier run left blocked, each as its own agent: nobody else may."""
    for id_ in gate.open():
        owner = gate.result(id_).agent.name if gate.refs(f"refs/gate/results/{id_}") else "agent-one"
        gate.clone(owner).push(f":request/{id_}")


def _train(gate: Gatehouse, key: str) -> None:
    for site in SITES:
        gate.clone(f"agent-{site}").request(f"{key}-{site}", _page(site, key))


def _train_landed(gate: Gatehouse, key: str) -> None:
    results = [gate.result(f"{key}-{site}") for site in SITES]
    assert {result.state for result in results} == {State.SHIPPED}, results
    assert {answer["text"] for answer in gate.answers().values()} == {key}


def _before_rollback(gate: Gatehouse, key: str) -> None:
    gate.clone().request(key, _page("three", key))
    start_again(gate)
    assert gate.ask("three")["text"] == key, gate.told[-2:]


def _rolled_back(gate: Gatehouse, key: str) -> None:
    """Either nobody was asked yet, or the decision is carried out, whole."""
    decided = [r for r in gate.records() if r.data.get("message") == f"no {key}" or r.data.get("rollback_to")]
    taken_out = decided and key in decided[0].data.get("takes_out", ())
    assert gate.result(key).state is (State.ROLLED_BACK if taken_out else State.SHIPPED)
    assert (gate.ask("three")["text"] == key) == (not taken_out)


def _withdraw(gate: Gatehouse, key: str) -> list[Act]:
    push = 'git -C "$0" push -q origin ":request/$1" && touch "$2"'
    argv = ["env", "GATE_AGENT=agent-one", "sh", "-c", push, str(gate.clone().folder), key, str(_wish(gate, key))]
    return [{"at": "after write: check log", "do": argv}]


def _wish(gate: Gatehouse, key: str) -> Path:
    return gate.root / f"wished-{key}"


def _withdrawn(gate: Gatehouse, key: str) -> None:
    """Whoever was killed before the push had withdrawn it ships it."""
    wished = _wish(gate, key).exists()
    _is(State.WITHDRAWN if wished else State.SHIPPED, "GATE-407" if wished else None)(gate, key)


def _conflict(gate: Gatehouse, key: str) -> None:
    """Block a request, then push what resolves it."""
    second = _in_conflict(gate, key)
    second.git("fetch", "-q", "origin", "release")
    second.run("git", "merge", "-q", "FETCH_HEAD", ok=False)
    second.again(key, _page("one", key), "Resolve the conflict")


def _in_conflict(gate: Gatehouse, key: str) -> Clone:
    clear(gate)
    first, second = gate.clone("agent-one"), gate.clone("agent-two")
    second.fresh()
    first.request(f"{key}-a", _page("one", f"{key} first"))
    start_again(gate)
    second.again(key, _page("one", f"{key} second"))
    start_again(gate)
    assert gate.code(key) == "GATE-401"
    return second


def _mended(gate: Gatehouse, key: str) -> None:
    """Block a request, and mend it in the clone that `resolve` makes."""
    _in_conflict(gate, key)
    folder = gate.root / f"mend-{key}"
    assert strike(gate, (), "resolve", key, "--into", str(folder)) == 0, gate.told[-1]
    person = Clone(folder, "kim", gate.clone("agent-one").env)
    (folder / "sites" / "one" / "page.txt").write_text(f"{key}\n")
    person.git("add", "-A")
    person.git("commit", "-q", "--no-edit")


def _handed_back(gate: Gatehouse, key: str) -> None:
    """Whoever was killed before the decision was written down left the request as it was."""
    shutil.rmtree(gate.root / f"mend-{key}")
    asked = any(record.data.get("resolves") and record.data["id"] == key for record in gate.records("filed"))
    _is(State.SHIPPED if asked else State.BLOCKED, None if asked else "GATE-401")(gate, key)
    assert gate.result(key).agent.name == "agent-two"


def _reverted(gate: Gatehouse, key: str) -> None:
    """Either nobody was asked yet, or what was shipped is taken out, whole."""
    asked = f"refs/gate/results/revert-{key}" in gate.refs("refs/gate/results/")
    assert not asked or gate.result(f"revert-{key}").state is State.SHIPPED
    assert (gate.ask("three")["text"] == key) == (not asked)
    assert gate.result(key).state is State.SHIPPED


_ABORT = """import sys, time
from pathlib import Path
from gatekeeper.librarian.door import ourselves
from gatekeeper.model import Decision
from gatekeeper.repo import spool
from gatekeeper.repo.ledger import utc
spool.decide(Path(sys.argv[1]), Decision(spool.new_key(), "abort", ourselves(), utc(time.time()), sys.argv[2]))
"""


def _abort(gate: Gatehouse, key: str) -> list[Act]:
    """A person writes it down while the new release is live and not published yet."""
    return [{"at": "after switch: current", "do": [sys.executable, "-c", _ABORT, str(gate.home.spool), f"no {key}"]}]


def _aborted(gate: Gatehouse, key: str) -> None:
    """Stopped if anybody asked for it; and nothing is lost: after the thaw it ships."""
    if any(record.data["message"] == f"no {key}" for record in gate.records("aborted")):
        assert (gate.result(key).state, gate.code(key)) == (State.QUEUED, "GATE-408")
        assert strike(gate, (), "thaw") == 0
        assert_whole(gate)
    _is(State.SHIPPED)(gate, key)


def _reconfigure(gate: Gatehouse, key: str) -> None:
    """Have one site run with another environment: no new version, and the same protocol."""
    old = f'PORT = "{gate.ports["two"]}"'
    gate.home.sites_toml.write_text(gate.toml.replace(old, f'{old}, EXTRA = "{key}"'))


def _reconfigured(gate: Gatehouse, key: str) -> None:
    assert gate.ask("two")["extra"] == key
    told = [record.data["version"] for record in gate.records("reconfigured")]
    assert told[0] == gate.version


_BUILT = """[[builds]]
name = "bundle"
run = ["sh", "-c", "mkdir -p dist && cp page.txt dist/bundle.txt"]
paths = ["sites/three"]
cwd = "sites/three"
outputs = ["dist"]
"""
_MIGRATES = """data = ["data"]
migrate = ["sh", "-c", "cat migrations/* > data/schema"]
migrate_paths = ["sites/{name}/migrations"]
"""


def building(gate: Gatehouse) -> str:
    """Return the gate's sites.toml with a build for the third site, and migrations of the first two."""
    head, *sites = gate.toml.split("[sites.")
    some = [site + _MIGRATES.format(name=name) for name, site in zip(SITES[:2], sites, strict=False)]
    return "[sites.".join([head + _BUILT, *some, *sites[2:]])


def _build(gate: Gatehouse, key: str) -> None:
    """Have the new sites.toml taken over before, once: each run then builds what it asks for and nothing else."""
    if gate.home.sites_toml.read_text() != building(gate):
        gate.home.sites_toml.write_text(building(gate))
        start_again(gate)
    files = {f"sites/{name}/migrations/1": f"{key}\n" for name in SITES[:2]}
    gate.clone().request(key, {**files, **_page("three", key)})


def _built(gate: Gatehouse, key: str) -> None:
    """What the build left is what is live; each site was migrated before it shipped, in the order of sites.toml."""
    assert gate.result(key).state is State.SHIPPED
    assert (gate.home.current / "sites" / "three" / "dist" / "bundle.txt").read_text() == f"{key}\n"
    kept = [gate.home.data / name / "data" / "schema" for name in SITES[:2]]
    assert [path.read_text() for path in kept] == [f"{key}\n"] * 2
    told = [r.data for r in gate.records()[::-1] if r.event == "migrated" and r.data["version"] == gate.version]
    assert tuple(one["site"] for one in told[-2:]) == SITES[:2]


SCENARIOS = {
    one.name: one
    for one in (
        Scenario("good ship", _good, _is(State.SHIPPED)),
        Scenario("bad ship", _bad, _is(State.BLOCKED, "GATE-404")),
        Scenario("train of three", _train, _train_landed),
        Scenario("rollback", _before_rollback, _rolled_back, ("rollback", "-m", "no")),
        Scenario("withdrawal", _good, _withdrawn, acts=_withdraw),
        Scenario("reconfigured", _reconfigure, _reconfigured),
        Scenario("resolved conflict", _conflict, _is(State.SHIPPED)),
        Scenario("resolve", _mended, _handed_back, ("resolve", "{key}", "--done", "--into", "{root}/mend-{key}")),
        Scenario("revert", _before_rollback, _reverted, ("revert", "{key}", "-m", "no")),
        Scenario("abort", _good, _aborted, acts=_abort),
        Scenario("build and migration", _build, _built),
    )
}
