"""Fifty agents push, update and withdraw at once while the Librarian works: each id ends in exactly one outcome."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from gatehouse import ROOT, Clone, Gatehouse

from faults.crash import SITES, VICTIM, start_again
from faults.whole import assert_whole
from gatekeeper.model import State

AGENTS = 50
_ENOUGH = 240.0


@dataclass(frozen=True)
class Agent:
    """Pushes from plumbing alone, so that fifty of them can share a clone."""

    name: str
    clone: Clone
    chance: random.Random

    def story(self, id_: str) -> str | None:
        """File a request, perhaps change one's mind, perhaps withdraw; return the last tip that was accepted."""
        tip = self._push(id_, self._commit(f"{id_} one"))
        if self.chance.random() < 0.4:
            tip = self._push(id_, self._commit(f"{id_} two")) or tip
        if self.chance.random() < 0.2:
            self._send(f":refs/heads/request/{id_}")
        return tip

    def _push(self, id_: str, tip: str) -> str | None:
        return tip if self._send(f"+{tip}:refs/heads/request/{id_}") else None

    def _send(self, refspec: str) -> bool:
        env = {**self.clone.env, "GATE_AGENT": self.name}
        argv = ["git", "push", "-q", "origin", refspec]
        return subprocess.run(argv, cwd=self.clone.folder, env=env, capture_output=True, check=False).returncode == 0

    def _commit(self, text: str) -> str:
        index = self.clone.folder / f".git/index-{self.name}"
        clone = Clone(self.clone.folder, self.name, {**self.clone.env, "GIT_INDEX_FILE": str(index)})
        site = SITES[hash(self.name) % len(SITES)]
        note = Path(self.clone.folder, ".git", f"note-{self.name}")
        note.write_text(text)
        blob = clone.git("hash-object", "-w", str(note))
        clone.git("read-tree", "HEAD")
        clone.git("update-index", "--add", "--cacheinfo", f"100644,{blob},sites/{site}/{self.name}.txt")
        return clone.git("commit-tree", "-p", "HEAD", "-m", f"Say {text}", clone.git("write-tree"))


def test_every_accepted_push_ends_in_one_outcome(struck: Gatehouse, request: pytest.FixtureRequest) -> None:
    seed = request.config.getoption("--seed")
    rounds = 4 if request.config.getoption("--full") else 1
    clone = struck.clone()
    agents = [Agent(f"crowd-{n}", clone, random.Random(seed * 1000 + n)) for n in range(AGENTS)]  # noqa: S311
    librarian = _librarian(struck)
    tips: dict[str, str | None] = {}
    try:
        with ThreadPoolExecutor(AGENTS) as crowd:
            for number in range(rounds):
                ids = [f"{agent.name}-{number}" for agent in agents]
                tips |= dict(zip(ids, crowd.map(Agent.story, agents, ids), strict=True))
        _wait_until_settled(struck)
    finally:
        librarian.send_signal(signal.SIGTERM)
        status = librarian.wait(60)
    assert status == 0
    start_again(struck)
    assert_whole(struck)
    _assert_outcomes(struck, {id_: tip for id_, tip in tips.items() if tip})


def _librarian(gate: Gatehouse) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, str(VICTIM), json.dumps({}), "--gate", str(gate.home.path), "run"]
    log = (gate.root / "librarian.log").open("ab")
    with log:
        return subprocess.Popen(argv, env=dict(gate.env), cwd=ROOT, stdout=log, stderr=log)


def _wait_until_settled(gate: Gatehouse) -> None:
    deadline = time.monotonic() + _ENOUGH
    while gate.open():
        assert time.monotonic() < deadline, f"stuck: {gate.open()} {(gate.root / 'librarian.log').read_text()[-3000:]}"
        time.sleep(0.5)


def _assert_outcomes(gate: Gatehouse, tips: dict[str, str]) -> None:
    assert len(tips) >= AGENTS
    records = gate.records()
    landed = [(one["id"], one["tip"]) for r in records if r.event == "shipped" for one in r.data["requests"]]
    others = [(r.data["id"], r.data["tip"]) for r in records if r.event in ("withdrawn", "landed")]
    outcomes = Counter([*landed, *others])
    assert {pair: outcomes[pair] for pair in tips.items()} == dict.fromkeys(tips.items(), 1)
    results = {id_: gate.result(id_).state for id_ in tips if (id_, tips[id_]) in landed}
    assert set(results.values()) == {State.SHIPPED}
    assert not [r for r in records if r.event == "tampered"]
    assert not list((gate.home.var / "answers").iterdir())
