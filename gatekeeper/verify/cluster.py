"""Has checks run by the workers of a Dask scheduler. One that dies, hangs or lies costs a try elsewhere, no verdict.

Of what a worker says only how the job went is believed: what it ran, on what and with which tools is compared with
what was asked. When there is no worker to ask any more it says so; what then, is the caller's to decide.
"""

import select
import time
from collections.abc import Iterator, Mapping
from secrets import token_hex

from msgspec import Struct

from gatekeeper.config import extras
from gatekeeper.gate import Gate
from gatekeeper.model import Oid, Verdict
from gatekeeper.process import Cancel
from gatekeeper.repo.git import Git
from gatekeeper.verify import parcels, wire
from gatekeeper.verify.courier import Back, Down, Reach
from gatekeeper.verify.jobs import NO_SANDBOX, Work
from gatekeeper.verify.line import Line
from gatekeeper.verify.perform import Said
from gatekeeper.verify.roster import Away, Roster
from gatekeeper.verify.run import Interrupted, orders, verdict
from gatekeeper.verify.wire import Answered, Job, Lacking, Missing, Piece, Question, Refused, Reply, Taken

__all__ = ["Away", "Cluster", "Patience"]

_TRIES = 3
_OTHERS = 0o077


class Patience(Struct, frozen=True):
    """Seconds: for a scheduler to answer, for a worker to come, and beyond a job's own for its answer."""

    scheduler: float = 10.0
    worker: float = 5.0
    margin: float = 60.0


class _Failed(Struct, frozen=True):
    """A worker gave no answer that counts."""

    why: str


_Nothing = _Failed | Interrupted | Away


class _Matter(Struct, frozen=True):
    """A job with all that it takes to ask somebody else for it."""

    gate: Gate
    work: Work
    job: Job
    built: Mapping[str, str]
    cancel: Cancel

    def parcels(self, lacks: frozenset[str], had: tuple[str, ...]) -> Iterator[Piece]:
        """Yield what somebody is to be sent who lacks some of the inputs and had others."""
        home, left = self.gate.home, set(lacks)
        oids = sorted({part.oid for part in self.job.inputs.parts} & lacks)
        if oids:
            with Git(home.repo, apart=self.gate.trial.apart) as git:  # jobs run side by side
                yield from parcels.packed(git, oids, had, home.work)
        for _, key in self.work.mounts:
            if (digest := self.built[key]) in left:
                left.remove(digest)
                yield from parcels.archived(home.builds / key, digest, home.work)


class Cluster:
    """The workers that one Librarian asks, over one line that is kept from heartbeat to heartbeat."""

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._line: Line | None = None
        self._for: tuple[Reach, bool] | None = None
        self._opened = 0.0
        self._roster = Roster(self._look, self._patience.worker)
        self._troubles: dict[str, str] = {}
        """Why workers failed: until one answers, or is not there any more when a heartbeat begins."""
        self._away: Away | None = None
        self.sent = 0
        """Bytes of trees and builds that workers were sent."""

    def open(self, gate: Gate) -> None:
        """Have a line to the scheduler of sites.toml; a new one when there is none. Called in the main thread."""
        reach = _reach(gate, self._patience.scheduler)
        wanted = (reach, gate.config.verify.sandbox != NO_SANDBOX) if isinstance(reach, Reach) else None
        there = self._line.crew if self._line is not None else None
        self._troubles = {worker: why for worker, why in self._troubles.items() if worker in (there or {})}
        self._away = reach if isinstance(reach, Away) else None
        if self._line is not None and (wanted != self._for or self._line.down is not None):
            self.close()
        if wanted is not None and self._line is None:
            gate.home.work.mkdir(parents=True, exist_ok=True)
            self._for, self._opened = wanted, time.monotonic()
            self._roster = Roster(self._look, self._patience.worker)
            self._line = Line(wanted[0], boxed=wanted[1], changed=self._roster.notice)

    def close(self) -> None:
        """Give the line up; what runs on workers for us ends there."""
        if self._line is not None:
            self._line.close()
        self._line = None

    def wrong(self, cancel: Cancel) -> Mapping[str, Away]:
        """Return what is wrong, by whom it is about, as far as this heartbeat has seen; awaits a new line."""
        away = self._away or (self._roster.away(cancel) if self._line is not None else None)
        ill = {worker: Away(why) for worker, why in self._troubles.items()}
        return {"scheduler": away, **ill} if away is not None else ill

    def run(
        self,
        gate: Gate,
        work: Work,
        tree: Oid,
        *,
        built: Mapping[str, str],
        toolchain: str,
        cancel: Cancel,
        attempt: int,
    ) -> Verdict | Interrupted | Away:
        """Have a job run by a worker, by another one when that fails, to its verdict.

        `built` maps the keys of the builds that it sees to the digests of what they left.
        """
        inputs, commands = parcels.inputs(gate, work, tree, built), gate.config.verify.toolchain
        job = Job(token_hex(16), work.job.key, commands, toolchain, inputs, orders(gate, work, tree))
        matter, tried = _Matter(gate, work, job, built, cancel), dict[str, str]()
        while len(tried) < _TRIES:
            with self._roster.place(tried, inputs.names, cancel) as worker:
                said = self._ask(matter, worker) if isinstance(worker, str) else worker
            match said:
                case Said():
                    self._troubles.pop(str(worker), None)
                    return verdict(gate, work, said, attempt=attempt, where=f" on {worker}")
                case _Failed(why):
                    tried[str(worker)] = self._troubles[str(worker)] = why
                    self._roster.bench(str(worker))
                case Interrupted():
                    return said
                case Away(why, code):
                    return self._give_up(why, tried, code)
        return self._give_up(f"{_TRIES} workers were asked in vain", tried)

    def _give_up(self, why: str, tried: Mapping[str, str], code: str = "GATE-504") -> Away:
        told = "; ".join((why, *(f"{worker}: {said}" for worker, said in tried.items())))
        self._away = Away(told.rstrip("."), code)
        return self._away

    def _look(self) -> Mapping[str, int] | Away | None:
        """Return who is there; a line that was just opened is given its time."""
        line = self._line
        if line is None:
            return self._away or Away("there is no line to it")
        if line.down is not None:
            return Away(line.down)
        if line.crew is None and time.monotonic() - self._opened > 2 * self._patience.scheduler:
            return Away("it does not answer")
        return line.crew

    def _ask(self, matter: _Matter, worker: str) -> Said | _Nothing:
        """Give a worker what it lacks, and the job; once more when it has lost something since."""
        job = matter.job
        for _ in range(2):
            wrong = self._supply(matter, worker)
            if wrong is not None:
                return wrong
            patience = job.orders.longest + self._patience.margin
            reply = self._put(worker, job, patience, matter.cancel, room=job.orders.output)
            if not isinstance(reply, Missing):
                return reply if isinstance(reply, _Nothing) else self._judged(job, reply)
            self._roster.known[worker].has.clear()
        return _Failed("It does not keep what it is sent.")

    def _supply(self, matter: _Matter, worker: str) -> _Nothing | None:
        """Send what is missing there, once however many jobs want it; None when all is there."""
        known, names = self._roster.known[worker], matter.job.inputs.names
        patience, cancel = self._patience.margin, matter.cancel
        with known.supplying:
            if names <= known.has.keys():
                return None
            asked = self._put(worker, Lacking(tuple(sorted(names))), patience, cancel)
            if not isinstance(asked, Missing):
                return asked if isinstance(asked, _Nothing) else _Failed(_refusal(asked))
            for piece in matter.parcels(frozenset(asked.names) & names, tuple(known.has)):
                taken = self._put(worker, piece, patience, cancel)
                if not isinstance(taken, Taken):
                    return taken if isinstance(taken, _Nothing) else _Failed(_refusal(taken))
                self.sent += len(piece.data)
            known.has.update(dict.fromkeys(names))
        return None

    def _put(
        self, worker: str, ask: Lacking | Piece | Job, patience: float, cancel: Cancel, *, room: int = 0
    ) -> Reply | _Nothing:
        """Put one question and wait for the reply, at most `patience` seconds."""
        if self._line is None:
            return Away("there is no line to it")
        with self._line.asking(worker, wire.encode(Question(ask))) as pending:
            heard = select.select([pending.bell, cancel], [], [], patience)[0]
            said = pending.said
        if cancel.thrown:
            return Interrupted()
        match said if heard else None:
            case Down(why):
                return Away(why)
            case Back(_, data):
                return _read(data, room + wire.ROOM)
            case None:
                return _Failed(f"It did not answer within {patience:.0f} seconds.")
            case lost:
                return _Failed(lost.why)

    def _judged(self, job: Job, reply: Reply) -> Said | _Failed:
        """Return what the job said, when it is the answer to this question and to no other."""
        if not isinstance(reply, Answered):
            return _Failed(_refusal(reply))
        if (reply.once, reply.key) != (job.once, job.key):
            return _Failed("It answered another question than it was asked.")
        if reply.names != job.inputs.names:
            return _Failed("It answered about another tree than it was asked about.")
        if reply.toolchain != job.toolchain:
            return _Failed("It answered with other tools than the gate's.")
        ran, longest = reply.said.ran, job.orders.longest + self._patience.margin
        possible = 0 <= ran.seconds <= longest and 0 <= ran.status <= 255 and not ran.cancelled
        agrees = job.orders.start is not None or ran.ok != bool(reply.said.wrong)
        return reply.said if possible and agrees else _Failed("It answered what cannot be.")


def _read(data: bytes, at_most: int) -> Reply | _Failed:
    try:
        return wire.reply(data, at_most=at_most)
    except ValueError as problem:
        return _Failed(f"It answered what is no answer: {problem}.")


def _refusal(reply: Reply) -> str:
    return reply.why if isinstance(reply, Refused) else "It answered another question than it was asked."


def _reach(gate: Gate, patience: float) -> Reach | Away | None:
    """Return how the scheduler is reached, why it cannot be, or None when checks run here."""
    verify = gate.config.verify
    if verify.executor == "local":
        return None
    if (wrong := extras.cluster()) is not None:
        return Away(wrong, "GATE-501")
    told = {"ca": verify.tls_ca, "cert": verify.tls_cert, "key": verify.tls_key}
    files = {name: gate.home.path / path for name, path in told.items() if path is not None}
    try:
        modes = {name: path.stat().st_mode for name, path in files.items()}
    except OSError as problem:
        return Away(f"{problem.filename} cannot be read: {problem.strerror}", "GATE-501")
    if modes.get("key", 0) & _OTHERS:
        return Away(f"others may read {files['key']}: chmod 0600 {files['key']}", "GATE-501")
    return Reach(verify.executor, patience, **{name: str(path) for name, path in files.items()})
