"""Puts a message into words, and into JSON for programs. What agents wrote can neither break a line nor call people."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from gatekeeper import messages
from gatekeeper.alerts.addresses import Address
from gatekeeper.alerts.post import Letter
from gatekeeper.home import Home
from gatekeeper.policy.alerting import Known, Message, choices
from gatekeeper.policy.answer import brief, typed

_NEWS = ("new", "reminder", "resolved")
_SPELLED_OUT = 12
"""Causes that a message describes; of the others it says how many there are."""
_HARMLESS = str.maketrans({"@": "\uff20", "<": "\u2039", ">": "\u203a"})
"""Chat rooms read @name and <!name> as a call to people: signs that only look alike take their place."""


class Place(Struct, frozen=True):
    """Which gate speaks, and the version that its sites were last brought to."""

    home: Home
    version: str | None

    @property
    def name(self) -> str:
        """The gate's folder and the machine, by their names."""
        return f"{self.home.path.name} on {os.uname().nodename}"


def letter(message: Message, address: Address, place: Place) -> Letter:
    """Return what this address is sent."""
    told = tuple(_causes(message, place))
    title = messages.render("alert/title", gate=place.name, first=told[0], more=len(told) - 1)
    more = max(0, len(told) - _SPELLED_OUT)
    body = messages.render("alert/message", causes=told[:_SPELLED_OUT], more=more, version=place.version)
    level = message.level.name.lower()
    return Letter(address, title.strip(), body.strip() + "\n", level, _json(place, title.strip(), level, told))


def trial(address: Address, place: Place) -> Letter:
    """Return the message of `gatekeeper alert test`."""
    title = messages.render("alert/test-title", gate=place.name).strip()
    body = messages.render("alert/test", gate=place.name).strip()
    return Letter(address, title, f"{body}\n", "info", _json(place, title, "info", ()))


def _causes(message: Message, place: Place) -> Iterator[dict[str, Any]]:
    for news, found in zip(_NEWS, (message.new, message.reminders, message.resolved), strict=True):
        yield from (_cause(news, known, place) for known in found)


def _cause(news: str, known: Known, place: Place) -> dict[str, Any]:
    cause = known.cause
    said = {"text": cause.text, "agent": cause.agent, "intent": cause.intent, "fate": known.fate}
    return {
        "news": news,
        "scope": cause.scope,
        "code": cause.code,
        "about": messages.title(cause.code),
        "id": cause.id,
        "runbook": (messages.runbook(cause.code) or (None,))[0],
        "since": datetime.fromtimestamp(int(known.seen), UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commands": [typed(("gatekeeper", "--gate", str(place.home.path), *argv)) for argv in choices(cause)],
        **{name: brief(text).translate(_HARMLESS) for name, text in said.items()},
    }


def _json(place: Place, title: str, level: str, told: tuple[dict[str, Any], ...]) -> str:
    head = {"schema": 1, "gate": str(place.home.path), "host": os.uname().nodename, "version": place.version}
    return json.dumps({**head, "title": title, "level": level, "causes": told}) + "\n"
