"""A gate with one site that is never started, and its checks asked for one by one, as the Librarian asks for them."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gatehouse import Gatehouse

from gatekeeper.gate import Gate
from gatekeeper.librarian import gates
from gatekeeper.librarian.recollection import Recollection, ground
from gatekeeper.model import Oid, Verdict
from gatekeeper.process import Cancel
from gatekeeper.verify import jobs
from gatekeeper.verify.cluster import Away, Cluster, Patience
from gatekeeper.verify.run import Interrupted

Said = Verdict | Interrupted | Away


def check(name: str, script: str, *, timeout: str = "20s", paths: str = '"sites/web"') -> str:
    """Return the section of a check that runs a line of shell; its quotes are single ones."""
    return f'[[checks]]\nname = "{name}"\nrun = ["sh", "-c", "{script}"]\npaths = [{paths}]\ntimeout = "{timeout}"\n'


def configure(gate: Gatehouse, executor: str, *checks: str, verify: str = "", more: str = "") -> None:
    gate.configure(more, f'[verify]\nexecutor = "{executor}"\n{verify}', check="\n".join(checks))


class Pipes:
    """A folder that checks see read-only, with pipes in it: a check says that it has begun, and waits to be let go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o755)
        for name in ("began", "go", "held"):
            os.mkfifo(folder / name)
            (folder / name).chmod(0o666)

    def await_began(self) -> str:
        """Return what a check wrote, as soon as one has."""
        return (self.folder / "began").read_text()

    def await_end(self) -> str:
        """Return when nobody holds the pipe any more; somebody must have opened it, or will."""
        return (self.folder / "held").read_text()

    def let_go(self) -> None:
        (self.folder / "go").write_text("on\n")


@dataclass
class Asking:
    """Asks one job of a cluster in a thread, so that the test goes on beside it."""

    gate: Gate
    cluster: Cluster
    mind: Recollection = field(default_factory=Recollection)
    cancel: Cancel = field(default_factory=Cancel)

    def ask(self, name: str, *, rev: str = "refs/heads/release") -> Said:
        commit = self.gate.git.resolve(rev)
        assert commit is not None
        tree = self.gate.git.tree_of(commit)
        place = ground(self.gate, tree, self.mind)
        work = next(w for w in jobs.checks(self.gate.config, place, {}, ()) if str(w.job.name) == name)
        tools = self.mind.toolchain
        assert tools is not None
        return self.cluster.run(self.gate, work, Oid(tree), built={}, toolchain=tools, cancel=self.cancel, attempt=1)

    def wrong(self) -> Mapping[str, Away]:
        return self.cluster.wrong(self.cancel)

    @contextmanager
    def beside(self, name: str) -> Iterator[list[Said]]:
        """Yield where the answer will be; it is there when this ends."""
        said: list[Said] = []
        thread = threading.Thread(target=lambda: said.append(self.ask(name)))
        thread.start()
        try:
            yield said
        except BaseException:
            self.cancel.throw()
            raise
        finally:
            thread.join()


@contextmanager
def asking(gate: Gatehouse, *, margin: float = 60.0, worker: float = 0.0) -> Iterator[Asking]:
    """Open the gate and its cluster; `worker` is how long a worker is waited for when none is left."""
    with (
        gates.for_reading(gate.home) as opened,
        closing(Cluster(Patience(worker=worker, margin=margin))) as cluster,
    ):
        cluster.open(opened)
        made = Asking(opened, cluster)
        with closing(made.cancel):
            yield made
