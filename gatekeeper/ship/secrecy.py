"""Masks secrets in text that comes from elsewhere: what checks and migrations print, what sites and pm2 say.

Checks are never given a secret; a site is, and so is its migration. What they say must not carry it into a log.
"""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from msgspec import Struct

from gatekeeper.config.schema import Config
from gatekeeper.errors import GateError
from gatekeeper.home import Home
from gatekeeper.ship import runs

MASK = "[secret]"
_SHORTEST = 6
"""Shorter ones are too likely to stand in any text by chance, and too weak to be worth it."""


class Mask(Struct, frozen=True):
    """Every secret that is known, in each form in which it may be written."""

    words: frozenset[str]

    def __call__(self, text: str) -> str:
        """Return `text` with each of them replaced, the longest that fits."""
        said = [word for word in self.words if word in text]  # an expression of all of them takes 5 ms to be made
        forms = "|".join(re.escape(word) for word in sorted(said, key=len, reverse=True))
        return re.sub(forms, MASK, text) if forms else text


def known(home: Home, config: Config) -> Mask:
    """Read what is secret at this moment; what sites.toml says in the open is not."""
    told = home.sites_toml.read_text("utf-8", "replace") if home.sites_toml.exists() else ""
    values = {value for value in _values(home, config) if len(value) >= _SHORTEST and value not in told}
    forms = ((value, json.dumps(value)[1:-1], quote(value, safe="")) for value in values)
    return Mask(frozenset(form for each in forms for form in each))


def _values(home: Home, config: Config) -> Iterator[str]:
    for site in config.sites.values():
        with suppress(GateError):  # an env file that cannot be read is told of where it is needed
            yield from runs.secrets(home.path / site.env_file).values() if site.env_file else ()
    for plan in (runs.load(home.live_plan), runs.load(home.next_plan)):
        yield from (value for run in (plan.runs if plan else ()) for value in run.env.values())
    yield from _in_addresses(_lines(home.path / config.gate.alerts_file) if config.gate.alerts_file else ())
    yield from (line for line in _lines(home.key) if not line.startswith("-----"))


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return []


def _in_addresses(lines: Iterable[str]) -> Iterator[str]:
    """Yield each address, and what in it may be a token: all but the name of a host, a scheme and an option."""
    for word in (word for line in lines if not line.startswith("#") for word in line.split() if "://" in word):
        yield word
        try:
            parts = urlsplit(word)
        except ValueError:
            continue
        credentials, _, host = parts.netloc.rpartition("@")
        yield from credentials.split(":", 1)
        yield from () if "." in host else (host,)
        yield from (unquote(part) for part in parts.path.split("/"))
        yield from (pair.partition("=")[2] for pair in parts.query.split("&"))
