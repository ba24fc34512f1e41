"""Whom to tell what, and when. Pure: what is seen, what was told before and the time in; what to say now out.

A cause is told once to each address, at once or after its delay; it is reminded of once, after a day, and its end is
told once, to those who heard of it. Times are seconds since 1970; a clock that steps back makes nothing told twice.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum

from msgspec import Struct, field
from msgspec.structs import replace

from gatekeeper.model import Argv
from gatekeeper.policy.settling import settle

DAY = 86_400.0
EVENT = "event"
"""The scope of what happened once and cannot be over."""
_UNTOLD_STAYS = 7 * DAY


class Level(IntEnum):
    """How much a cause matters: a request waits for a person (WARNING), or the gate or a site is in trouble (ERROR)."""

    INFO = 1
    WARNING = 2
    ERROR = 3


class Cause(Struct, frozen=True):
    """Something that needs a person. Whatever has the same key, `SCOPE/SUBJECT/CODE`, is the same cause."""

    key: str
    code: str
    text: str
    level: Level = Level.ERROR
    id: str | None = None
    agent: str = ""
    intent: str = ""
    tip: str = ""
    since: float | None = None
    """When it began, if that is known; else it begins when it is first seen."""
    delay: float = 0.0
    """How long its agent has to repair it before a person is told."""

    @property
    def scope(self) -> str:
        """What it is about: a look that judged this scope and does not find the cause has seen its end."""
        return self.key.partition("/")[0]


class Sight(Struct, frozen=True):
    """What one look found; `fates` says what became of requests that no cause names any more."""

    causes: tuple[Cause, ...] = ()
    judged: frozenset[str] = frozenset()
    fates: Mapping[str, str] = field(default_factory=dict)


class Known(Struct, frozen=True):
    """A cause, and what was told of it: `told` and `reminded` hold ids of addresses, `told` with the time."""

    cause: Cause
    seen: float
    told: dict[str, float] = field(default_factory=dict)
    reminded: tuple[str, ...] = ()
    over: float | None = None
    fate: str = ""

    @property
    def due(self) -> float:
        """The instant from which on a person is told."""
        began = self.seen if self.cause.since is None else min(self.seen, self.cause.since)
        return began + self.cause.delay


class Quiet(Struct, frozen=True):
    """Hours in which nothing is sent, in minutes after midnight; one that ends before it starts runs past midnight."""

    start: int
    end: int

    def holds(self, minute: int) -> bool:
        """Return whether that minute of the day is quiet."""
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


class Channel(Struct, frozen=True):
    """One address: what its lines let through. A line's level is the least that it takes."""

    id: str
    lines: tuple[tuple[Level, Quiet | None], ...]

    def takes(self, level: Level, minute: int) -> bool:
        """Return whether some line lets a cause of this level through at that minute of the day."""
        return any(least <= level and not (quiet and quiet.holds(minute)) for least, quiet in self.lines)


class Message(Struct, frozen=True):
    """What one address is to hear now."""

    channel: str
    new: tuple[Known, ...] = ()
    reminders: tuple[Known, ...] = ()
    resolved: tuple[Known, ...] = ()

    @property
    def level(self) -> Level:
        """The gravest of what is open in it; INFO for good news alone."""
        return max((known.cause.level for known in (*self.new, *self.reminders)), default=Level.INFO)


Causes = dict[str, Known]


def look(before: Mapping[str, Known], sight: Sight, now: float) -> Causes:
    """Return what is known after a look. What is over stays until those who heard of it have heard its end."""
    past = {key: _not_in_future(known, now) for key, known in before.items()}
    after: Causes = {}
    for key, known in past.items():
        ended = known.over is None and known.cause.scope in sight.judged
        kept = replace(known, over=now, fate=_fate(known, sight)) if ended else known
        if _worth_keeping(kept, now):
            after[key] = kept
    for cause in sight.causes:
        first = past.get(cause.key)
        after[cause.key] = Known(cause, now) if first is None else replace(first, cause=cause, over=None, fate="")
    return after


def plan(causes: Mapping[str, Known], channels: Iterable[Channel], *, now: float, minute: int) -> tuple[Message, ...]:
    """Return one message for each address that has something to hear; `minute` is that of the operator's day."""
    found = (_message(tuple(causes.values()), channel, now, minute) for channel in channels)
    return tuple(message for message in found if message.new or message.reminders or message.resolved)


def delivered(causes: Mapping[str, Known], message: Message, now: float) -> Causes:
    """Return what is known once a message has arrived; what is over and told to nobody any more is forgotten."""
    after, channel = dict(causes), message.channel
    for known in message.new:
        if (present := after.get(known.cause.key)) is not None:
            after[known.cause.key] = replace(present, told={**present.told, channel: now})
    for known in message.reminders:
        if (present := after.get(known.cause.key)) is not None:
            after[known.cause.key] = replace(present, reminded=(*present.reminded, channel))
    for known in message.resolved:
        _forget(after, known.cause.key, channel)
    return after


def choices(cause: Cause) -> tuple[Argv, ...]:
    """Return what a person can do about it, as arguments of `gatekeeper`; the most careful first."""
    if cause.id is None:
        return _ABOUT_THE_GATE.get(cause.code, (("status",),))
    careful: Argv = ("show", cause.id)
    if cause.code in ("GATE-502", "GATE-506"):
        return (careful, ("status",))
    return (careful, *(way.argv for way in settle(cause.code, cause.id, cause.tip)))


_ABOUT_THE_GATE: dict[str, tuple[Argv, ...]] = {
    "GATE-402": (("status",), ("rollback", "-m", "…")),
    "GATE-403": (("status",), ("rollback", "-m", "…")),
    "GATE-404": (("status",), ("rollback", "-m", "…")),
    "GATE-501": (("config", "check"),),
    "GATE-502": (("status",), ("audit", "verify"), ("repair", "-m", "…")),
    "GATE-503": (("status",), ("doctor",)),
    "GATE-504": (("status",), ("doctor",)),
    "GATE-505": (("doctor",),),
    "GATE-506": (("status",), ("log", "-n", "20")),
}


def _message(causes: tuple[Known, ...], channel: Channel, now: float, minute: int) -> Message:
    heard = tuple(known for known in causes if channel.takes(known.cause.level, minute))
    still = tuple(known for known in heard if known.over is None)
    return Message(
        channel.id,
        new=tuple(known for known in still if channel.id not in known.told and known.due <= now),
        reminders=tuple(known for known in still if _to_be_reminded(known, channel.id, now)),
        resolved=tuple(known for known in heard if known.over is not None and channel.id in known.told),
    )


def _to_be_reminded(known: Known, channel: str, now: float) -> bool:
    told = known.told.get(channel)
    return told is not None and channel not in known.reminded and now - told >= DAY


def _forget(causes: Causes, key: str, channel: str) -> None:
    known = causes.get(key)
    if known is None:
        return
    left = {id_: at for id_, at in known.told.items() if id_ != channel}
    if left or known.over is None:  # one that came back while its end was being told is told anew
        reminded = tuple(id_ for id_ in known.reminded if id_ != channel)
        causes[key] = replace(known, told=left, reminded=reminded)
    else:
        del causes[key]


def _worth_keeping(known: Known, now: float) -> bool:
    if known.over is not None:
        return bool(known.told) and now - known.over < DAY
    if known.cause.scope == EVENT:
        return now - known.seen < (DAY if known.told else _UNTOLD_STAYS)
    return True


def _fate(known: Known, sight: Sight) -> str:
    return sight.fates.get(known.cause.id, "") if known.cause.id else ""


def _not_in_future(known: Known, now: float) -> Known:
    """A clock that was ahead must not put off what is due: what it wrote counts as written now."""
    over = None if known.over is None else min(known.over, now)
    told = {channel: min(at, now) for channel, at in known.told.items()}
    return replace(known, seen=min(known.seen, now), told=told, over=over)
