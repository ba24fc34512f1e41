"""The storm: SIGKILL at random moments, of the Librarian, of pm2, of sites, of pushes, over ships under load."""

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from gatehouse import ROOT, Clone, Gatehouse

from faults.crash import SITES, VICTIM, clear, start_again
from faults.whole import assert_whole
from gatekeeper.model import State
from gatekeeper.sites import procfs

_AGENTS = ("agent-a", "agent-b", "agent-c")
_TARGETS = ("librarian",) * 7 + ("pm2", "site", "push")


@dataclass
class Tally:
    """What the storm did and what became of it."""

    kills: Counter[str] = field(default_factory=Counter)
    filed: dict[str, str] = field(default_factory=dict)
    """Each id that a push was accepted for, and the tip."""
    recoveries: list[float] = field(default_factory=list)

    def lines(self, gate: Gatehouse) -> list[str]:
        """Say how it ended; a lost request is one of whose tip neither a result nor the log knows what became."""
        gone = {record.data["id"] for record in gate.records("withdrawn")}
        known = gate.refs("refs/gate/results/")
        results = {id_: gate.result(id_) for id_ in self.filed if f"refs/gate/results/{id_}" in known}
        ended = {id_: str(result.state) for id_, result in results.items() if result.tip == self.filed[id_]}
        ended |= {id_: "withdrawn" for id_ in self.filed if id_ in gone and id_ not in ended}
        states = ", ".join(f"{state} {count}" for state, count in sorted(Counter(ended.values()).items()))
        slow = statistics.median(self.recoveries), max(self.recoveries)
        return [
            f"kills {self.kills.total()}: {', '.join(f'{what} {count}' for what, count in sorted(self.kills.items()))}",
            f"requests filed {len(self.filed)}: {states}; lost {len(self.filed) - len(ended)}",
            f"versions shipped {len(gate.git('tag', '--list', 'v*').split())}, records {len(gate.records())}",
            f"recovery, from the kill to rest: median {slow[0]:.2f} s, worst {slow[1]:.2f} s",
        ]


class Storm:
    """One storm over one gate; everything that it does follows from its seed, but for the machine's own timing."""

    def __init__(self, gate: Gatehouse, seed: int) -> None:
        self.gate, self.seed = gate, seed
        self.random = random.Random(seed)  # noqa: S311 - a storm, not a secret
        self.tally = Tally()
        self._number = 0
        for agent in _AGENTS:
            gate.clone(agent)
        self._usual = self._ship_undisturbed()

    def rage(self, kills: int) -> Iterator[str]:
        """Blow until so many were killed, a line a blow; AssertionError, with the seed, when it is not whole."""
        number = 0
        while self.tally.kills.total() < kills:
            began = time.monotonic()
            self.blow(number)
            number += 1
            yield f"blow {number}: {dict(self.tally.kills)}, {time.monotonic() - began:.1f} s"

    def _ship_undisturbed(self) -> float:
        """Return how long a heartbeat with a ship takes here and now: kills fall into that time."""
        self._push(self.gate.clone(_AGENTS[0]))
        began = time.monotonic()
        start_again(self.gate)
        return time.monotonic() - began

    def blow(self, number: int) -> None:
        """Push, start the Librarian, kill something at some moment, start again, and look at everything."""
        for agent in self.random.sample(_AGENTS, self.random.randint(1, 3)):
            self._push(self.gate.clone(agent))
        target, moment = self.random.choice(_TARGETS), self._usual * self.random.uniform(0.1, 0.9)
        librarian = self._librarian()
        pushing = threading.Thread(target=self._push_and_kill, args=(moment,)) if target == "push" else None
        if pushing:
            pushing.start()
        with suppress(subprocess.TimeoutExpired):
            librarian.wait(moment)
        self._kill(target, librarian)
        if pushing:
            pushing.join()
        librarian.wait()
        self._recover(number, target, moment)

    def _recover(self, number: int, target: str, moment: float) -> None:
        began = time.monotonic()
        start_again(self.gate)
        self.tally.recoveries.append(time.monotonic() - began)
        self._go_on()
        try:
            assert_whole(self.gate)
        except AssertionError as problem:
            told = "\n".join(self.gate.told[-2:])
            raise AssertionError(
                f"seed {self.seed}, blow {number}, {target} at {moment:.2f} s\n{problem}\n{told}"
            ) from None

    def _librarian(self) -> "subprocess.Popen[bytes]":
        argv = [sys.executable, str(VICTIM), json.dumps({}), "--gate", str(self.gate.home.path), "tick"]
        return subprocess.Popen(
            argv, env=dict(self.gate.env), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _kill(self, target: str, librarian: "subprocess.Popen[bytes]") -> None:
        victims = {"librarian": [librarian.pid], "pm2": self._daemon(), "site": self._site(), "push": []}[target]
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.tally.kills[target] += 1

    def _daemon(self) -> list[int]:
        return [int((self.gate.home.var / "pm2" / "pm2.pid").read_text())]

    def _site(self) -> list[int]:
        daemon = self._daemon()[0]
        return sorted(pid for pid, parent in procfs.parents().items() if parent == daemon)[:1]

    def _push(self, clone: Clone) -> None:
        self._number += 1
        id_, site = f"s{self._number}", self.random.choice(SITES)
        mood = self.random.choices(("", "ALWAYS 500 ", "BROKEN "), (85, 7, 8))[0]
        clone.fresh()
        self.tally.filed[id_] = clone.again(id_, {f"sites/{site}/page.txt": f"{mood}{id_}\n"})
        if self.random.random() < 0.1:
            clone.push(f":request/{id_}")

    def _push_and_kill(self, moment: float) -> None:
        """Kill a push, and with it the hook, somewhere on its way; whether it was taken, only the refs tell."""
        clone = self.gate.clone("agent-p")
        self._number += 1
        tip, id_ = clone.commit({"sites/one/list.txt": f"{self._number}\n"}), f"s{self._number}"
        argv = ["git", "push", "-q", "origin", f"HEAD:request/{id_}"]
        push = subprocess.Popen(
            argv, cwd=clone.folder, env=dict(clone.env), start_new_session=True, stderr=subprocess.DEVNULL
        )
        with suppress(subprocess.TimeoutExpired):
            push.wait(moment / 20)
        with suppress(ProcessLookupError):
            os.killpg(push.pid, signal.SIGKILL)
            self.tally.kills["push"] += 1
        push.wait()
        if id_ in self.gate.open():
            self.tally.filed[id_] = tip

    def _go_on(self) -> None:
        """What the gate holds after two interruptions, a person tries again."""
        for id_ in sorted(self.gate.open()):
            if self.gate.result(id_).state is State.HELD:
                self.gate.cli("retry", id_, ok=True)
        if len(self.gate.open()) > 8:
            clear(self.gate)
            start_again(self.gate)
