"""What must hold when an engine elsewhere runs the sites, and for what it follows."""

from collections.abc import Iterator

from gatekeeper.config import words
from gatekeeper.config.problems import MISSING, Found, did_you_mean, dotted
from gatekeeper.config.schema import Config, External

_OF_THIS_MACHINE = ("host", "user", "env_file", "data", "writable", "migrate", "migrate_paths")
"""Options of a site that only whoever runs it could obey."""


def external_rules(config: Config) -> Iterator[Found]:
    """Yield what is wrong with `[external]`, and what of the file could not be obeyed beside it."""
    external = config.external
    if config.gate.ship != "external":
        if external != External():
            yield "external", MISSING, 'It does nothing without ship = "external" in [gate]: add that, or take it out.'
        return
    yield from _question(external)
    yield from words.judged("external.branch", external.branch, words.own_branch)
    yield from _mirrors(config)
    if config.gate.reload != "always":
        yield "gate.reload", config.gate.reload, "No process is kept here when an engine runs the sites. Leave it out."
    for name, site in config.sites.items():
        for option in _OF_THIS_MACHINE:
            if value := getattr(site, option):
                message = 'With ship = "external" the engine runs the site: say it to the engine. Leave it out here.'
                yield f"{dotted('sites', name)}.{option}", value, message


def _question(external: External) -> Iterator[Found]:
    if bool(external.health) == (external.url is not None):
        message = 'How the engine is asked: give health = ["command", …] or url = "https://…", one of the two.'
        yield "external", MISSING, message
    yield from words.judged_command("external.health", external.health)
    yield from words.judged("external.url", external.url, words.address)


def _mirrors(config: Config) -> Iterator[Found]:
    known = config.mirror.urls
    if not known:
        yield "mirror.urls", MISSING, 'With ship = "external" the engine follows a mirror: give at least one.'
    for at, url in enumerate(config.external.mirrors):
        if url not in known:
            hint = did_you_mean(url, known) or f" Known: {', '.join(known)}."
            yield f"external.mirrors[{at}]", url, f"It is none of mirror.urls.{hint}"
