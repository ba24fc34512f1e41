"""Requests in any number, as their pushes would leave them: objects, refs, and what the hook wrote down before each."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

from gatehouse import Gatehouse

from gatekeeper.gate import Gate
from gatekeeper.librarian import gates, opening
from gatekeeper.librarian.act import act
from gatekeeper.librarian.checking import Checks
from gatekeeper.librarian.hands import Hands
from gatekeeper.librarian.observe import observe
from gatekeeper.librarian.recollection import Recollection
from gatekeeper.policy.step import File, Seal, Snapshot, next_step
from gatekeeper.process import Cancel
from gatekeeper.repo import report


def lay(gate: Gatehouse, name: str, count: int, *, site: str, agents: int = 20) -> list[str]:
    """Open so many requests, each with a page of its own below `site`, by some agents; return their ids in order."""
    ids = [f"{name}-{number}" for number in range(count)]
    base = gate.release
    paths = {id_: f"sites/{site}/{id_}.txt" for id_ in ids}
    script = "".join(_commit(id_, base, paths[id_], f"{name}-{at % agents}") for at, id_ in enumerate(ids))
    argv = ["git", f"--git-dir={gate.home.repo}"]
    subprocess.run([*argv, "fast-import", "--quiet"], input=script.encode(), check=True)
    tips = gate.refs("refs/heads/request/")
    for at, id_ in enumerate(ids):
        agent = {"name": f"{name}-{at % agents}", "assurance": "claimed", "role": "agent"}
        new = tips[f"refs/heads/request/{id_}"]
        report.note(str(gate.home.path), "pushing", agent=agent, id=id_, old="0" * 40, new=new)
    return ids


def _commit(id_: str, base: str, path: str, agent: str) -> str:
    message = f"Say {id_}"
    return (
        f"commit refs/heads/request/{id_}\ncommitter {agent} <{agent}@agents.example> {int(time.time())} +0000\n"
        f"data {len(message)}\n{message}\nfrom {base}\nM 100644 inline {path}\ndata {len(id_)}\n{id_}\n"
    )


@dataclass
class Librarian:
    """A Librarian whose steps are taken one by one, and whose processes are counted."""

    gate: Gate
    hands: Hands
    processes: list[str] = field(default_factory=list)

    def look(self) -> Snapshot:
        """Look at everything once."""
        return observe(self.gate, self.hands.mind)

    def file(self) -> int:
        """Take steps as long as there is something that has just arrived; return the programs that this took."""
        began = ended = len(self.processes)
        while isinstance(step := next_step(seen := self.look()), File | Seal):
            act(self.gate, seen, step, self.hands)
            ended = len(self.processes)
        return ended - began


@contextmanager
def at_work(gate: Gatehouse) -> Iterator[Librarian]:
    """Hold the gate's lock as its Librarian, and count each program that is started."""
    mind, started, popen = Recollection(), list[str](), subprocess.Popen

    def counted(argv: list[str], *args: object, **options: object) -> "subprocess.Popen[bytes]":
        started.append(argv[0])
        return popen(argv, *args, **options)  # type: ignore[call-overload, no-any-return]

    with (
        opening.locked(gate.home) as held,
        gates.opened(gate.home, held) as (opened, _),
        closing(Checks(opened, mind, gate.told.append)) as checks,
        closing(Cancel()) as cancel,
    ):
        opening.apply(opened)
        with patch("gatekeeper.process.subprocess.Popen", counted):
            yield Librarian(opened, Hands(mind, checks, cancel, gate.told.append), started)
