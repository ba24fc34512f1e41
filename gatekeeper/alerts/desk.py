"""Tells people: takes note of what a look found, and delivers what is due. Nothing here may end a heartbeat."""

import zoneinfo
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from gatekeeper import messages
from gatekeeper.alerts import addresses, post, words
from gatekeeper.alerts.addresses import Address, Addresses
from gatekeeper.alerts.book import Book, Failing, Note, Page
from gatekeeper.alerts.words import Place
from gatekeeper.config.schema import Gate as Settings
from gatekeeper.home import Home
from gatekeeper.policy import alerting
from gatekeeper.policy.alerting import Cause, Channel, Level, Message, Sight

Clock = Callable[[], float]
_OWN = frozenset({"alerts", "channel"})
"""What the desk itself judges: its file, and whether addresses take what they are sent."""
_WHY_AT_MOST = 200


class Desk:
    """One Librarian's desk. `note` is quick and local; `deliver` may take as long as `post.send`."""

    def __init__(self, home: Home, clock: Clock, patience: float = post.PATIENCE) -> None:
        self.home, self.clock, self.patience = home, clock, patience
        self.book = Book(home)

    def note(self, sight: Sight, settings: Settings, *, beat: bool) -> None:
        """Take note of what was found; `beat` says that it was a whole heartbeat, of which pings tell."""
        now, known = self.clock(), self.addresses(settings)
        with self.book.open() as draft:
            causes = alerting.look(draft.page.causes, self._with_own(sight, known, draft.page), now)
            told = now if beat and known.pings else draft.page.beat
            draft.page = replace(draft.page, causes=causes, beat=told)

    def deliver(self, settings: Settings, version: str | None) -> None:
        """Send what is due, then what the others must hear of an address that failed."""
        known, place = self.addresses(settings), Place(self.home, version)
        failed = self._round(known.people, known, place, settings)
        left = tuple(one for one in known.people if one.id not in failed)
        if failed and left:
            self._round(left, known, place, settings)
        self._ping(known)

    def addresses(self, settings: Settings) -> Addresses:
        """Return who is to be told, and what is wrong with the file that says so."""
        return addresses.load(self.home.path / settings.alerts_file, settings.alerts_file)

    def note_trial(self, said: Mapping[str, str | None], people: Iterable[Address]) -> None:
        """Take note of how a test went: an address that works again is not failing any more."""
        with self.book.open() as draft:
            draft.page = replace(draft.page, failing=_failing(draft.page.failing, said, people, self.clock()))

    def _round(self, to: Sequence[Address], known: Addresses, place: Place, settings: Settings) -> frozenset[str]:
        """Send each of these addresses what it is to hear now; return those that did not take it."""
        now = self.clock()
        with self.book.open() as draft:
            due = alerting.plan(draft.page.causes, _channels(known, to), now=now, minute=_minute(now, settings))
        by_id = {one.id: one for one in to}
        said = post.send([words.letter(one, by_id[one.channel], place) for one in due], patience=self.patience)
        if not due:
            return frozenset()
        with self.book.open() as draft:
            draft.page = _after(draft.page, due, said, to, self.clock())
            seen = self._with_own(Sight(judged=frozenset({"channel"})), known, draft.page)
            draft.page = replace(draft.page, causes=alerting.look(draft.page.causes, seen, self.clock()))
        return frozenset(id_ for id_, wrong in said.items() if wrong is not None)

    def _ping(self, known: Addresses) -> None:
        """Tell of the last whole heartbeat, once; a ping that fails is not repeated before the next."""
        with self.book.open() as draft:
            beat = draft.page.beat
            fresh = beat is not None and beat != draft.page.pinged
            draft.page = replace(draft.page, pinged=beat)
        if fresh and known.pings:
            said = post.send([post.Letter(one) for one in known.pings], patience=self.patience)
            with self.book.open() as draft:
                draft.page = replace(draft.page, failing=_failing(draft.page.failing, said, known.pings, self.clock()))

    def _with_own(self, sight: Sight, known: Addresses, page: Page) -> Sight:
        """Add what is wrong with the alerts themselves."""
        present = {one.id for one in known.all}
        dead = [_dead(id_, one) for id_, one in page.failing.items() if id_ in present]
        wrong = [_mistake(problem) for problem in known.problems]
        return replace(sight, causes=(*sight.causes, *dead, *wrong), judged=sight.judged | _OWN)


def _channels(known: Addresses, to: Iterable[Address]) -> tuple[Channel, ...]:
    wanted = {one.id for one in to}
    return tuple(channel for channel in known.channels if channel.id in wanted)


def _after(
    page: Page, due: Iterable[Message], said: Mapping[str, str | None], to: Iterable[Address], now: float
) -> Page:
    causes = page.causes
    for message in due:
        if said[message.channel] is None:
            causes = alerting.delivered(causes, message, now)
    failing = _failing(page.failing, said, to, now)
    if all(said.values()) and failing.keys() == page.failing.keys():  # it is recorded once that nobody can be told
        return replace(page, failing=failing)
    return replace(page, causes=causes, failing=failing).noting(_note(tuple(due), said, now))


def _note(due: Sequence[Message], said: Mapping[str, str | None], now: float) -> Note:
    """Return what the audit log keeps: which causes, to how many; no address."""
    told: dict[tuple[str, str], dict[str, Any]] = {}
    for message in due:
        groups = (("new", message.new), ("reminder", message.reminders), ("resolved", message.resolved))
        for news, group in groups:
            for known in group:
                cause = known.cause
                entry = {"news": news, "code": cause.code, "id": cause.id, "cause": cause.key, "reached": 0}
                found = told.setdefault((news, cause.key), entry)
                found["reached"] += said[message.channel] is None
    reached = sum(wrong is None for wrong in said.values())
    named = ", ".join(" ".join(filter(None, (one["news"], one["code"], one["id"]))) for one in told.values())
    data = {"causes": list(told.values()), "addresses": len(said), "reached": reached}
    return Note("alerted", f"{named}; {reached} of {len(said)} addresses reached", now, data)


def _failing(
    before: Mapping[str, Failing], said: Mapping[str, str | None], people: Iterable[Address], now: float
) -> dict[str, Failing]:
    """Return which addresses do not work, as of what was just tried."""
    labels = {one.id: one.label for one in people}
    after = dict(before)
    for id_, wrong in said.items():
        if wrong is None:
            after.pop(id_, None)
        else:
            since = before[id_].since if id_ in before else now
            after[id_] = Failing(labels[id_], since, wrong[:_WHY_AT_MOST])
    return after


def _dead(id_: str, one: Failing) -> Cause:
    text = messages.reason("GATE-504", what=f"the alert address {one.label}", problem=one.why)
    return Cause(f"channel/{id_}/GATE-504", "GATE-504", f"{text} Try it: gatekeeper alert test", Level.WARNING)


def _mistake(problem: str) -> Cause:
    return Cause(f"alerts/{problem}/GATE-501", "GATE-501", problem, Level.WARNING)


def _minute(now: float, settings: Settings) -> int:
    local = datetime.fromtimestamp(now, zoneinfo.ZoneInfo(settings.timezone))
    return local.hour * 60 + local.minute
