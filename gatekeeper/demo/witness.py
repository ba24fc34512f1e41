"""Asks every site all the time what it serves, as visitors would: what the demo tells about a ship, it saw itself.

A version counts by the folder that the answering process runs in; what a site says of itself may be an old name.
"""

import http.client
import json
import re
import threading
import time
from collections.abc import Mapping
from contextlib import closing

from msgspec import Struct, field

from gatekeeper.sites import procfs

NO_ANSWER = "no answer"
_RELEASE = re.compile(r"/live/releases/(v[^/]+)-[0-9a-f]{12}[./]")
_PAUSE = 0.01
_PATIENCE = 3.0


class Spell(Struct):
    """A stretch of time in which a site always answered the same: a version, or no answer."""

    said: str
    began: float
    ended: float
    answers: int = 1


class Witness(Struct):
    """Asks from its start until `close`, a thread a site; `ports` are those of the sites' health addresses."""

    ports: Mapping[str, int]
    seen: dict[str, list[Spell]] = field(default_factory=dict)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin to ask."""
        for site, port in self.ports.items():
            self.seen[site] = []
            thread = threading.Thread(target=self._watch, args=(site, port), daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Stop asking; what was seen stays."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def all_on(self, version: str, *, within: float) -> float | None:
        """Wait until every site answers with `version`; return when the last one first did, None when time ran out."""
        with self._news:
            there = self._news.wait_for(lambda: self._all_on(version), timeout=within)
            return max(_first(spells, version) for spells in self.seen.values()) if there else None

    def _all_on(self, version: str) -> bool:
        return all(spells and spells[-1].said == version for spells in self.seen.values())

    def since(self, moment: float) -> dict[str, list[Spell]]:
        """Return what each site said from a moment on; the first spell may have begun before it."""
        with self._news:
            return {site: [spell for spell in spells if spell.ended >= moment] for site, spells in self.seen.items()}

    def _watch(self, site: str, port: int) -> None:
        while not self._over.wait(_PAUSE):
            said, now = ask(port), time.monotonic()
            with self._news:
                spells = self.seen[site]
                if spells and spells[-1].said == said:
                    spells[-1].ended, spells[-1].answers = now, spells[-1].answers + 1
                else:
                    spells.append(Spell(said, now, now))
                    self._news.notify_all()


def ask(port: int) -> str:
    """Return the version that a site reports, or that there was no answer."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)) as line:
            line.request("GET", "/health")
            told = json.loads(line.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return NO_ANSWER
    release = _RELEASE.search(procfs.cwd(told["pid"]) or "")
    return release[1] if release else str(told["version"])


def summed_up(spells: list[Spell], usual: str) -> str:
    """Say what a site served besides `usual`: for how long, how many answers, and how many got none."""
    others = dict.fromkeys(spell.said for spell in spells if spell.said not in (usual, NO_ANSWER))
    parts = [_stretch([spell for spell in spells if spell.said == said]) for said in others]
    unanswered = sum(spell.answers for spell in spells if spell.said == NO_ANSWER)
    mostly = f"{usual} before and after" if parts else f"{usual} all the time"
    return f"{'; '.join([*parts, mostly])}; {unanswered} of {sum(spell.answers for spell in spells)} without an answer"


def _stretch(spells: list[Spell]) -> str:
    answers = sum(spell.answers for spell in spells)
    return f"{spells[0].said} for {spells[-1].ended - spells[0].began:.1f} s ({answers} answers)"


def _first(spells: list[Spell], version: str) -> float:
    return next(spell.began for spell in spells if spell.said == version)
