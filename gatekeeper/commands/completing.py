"""What a shell offers for the word that is typed: ids, versions, sites, codes. A gate that cannot be read offers none.

Called at each press of the tab key: it loads nothing of the package that is slow, and is silent whatever happens.
"""

import tomllib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import click

from gatekeeper import process
from gatekeeper.assets import folder
from gatekeeper.commands.home import chosen
from gatekeeper.home import Home
from gatekeeper.model import REQUESTS, RESULTS, TAGS

_Offer = Callable[[click.Context, click.Parameter, str], list[str]]
_SECONDS = 2.0


def open_requests(context: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """Offer the requests that are open."""
    return _named(context, begun, REQUESTS)


def requests(context: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """Offer the requests that are open, or whose end is known."""
    return _named(context, begun, REQUESTS, RESULTS)


def versions(context: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """Offer the versions, newest first."""
    return _named(context, begun, f"{TAGS}v*")


def sites(context: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """Offer the sites of sites.toml."""
    return _in_sites_toml(context, begun, "sites")


def hosts(context: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """Offer the hosts of sites.toml."""
    return _in_sites_toml(context, begun, "hosts")


def _in_sites_toml(context: click.Context, begun: str, table: str) -> list[str]:
    with suppress(OSError, ValueError, TypeError, AttributeError):
        text = _home(context).sites_toml.read_text("utf-8")
        return _beginning(begun, map(str, tomllib.loads(text).get(table, {})))
    return []


def codes(_context: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """Offer the codes."""
    return _beginning(begun.upper(), sorted(page.stem for page in (folder("templates") / "explain").glob("GATE-*.md")))


def _named(context: click.Context, begun: str, *patterns: str) -> list[str]:
    repo = str(_home(context).repo)
    argv = ("git", f"--git-dir={repo}", "for-each-ref", "--sort=-creatordate", "--format=%(refname)", *patterns)
    with suppress(Exception):
        names = (ref.rpartition("/")[2] for ref in process.run(argv, timeout=_SECONDS).text.splitlines())
        return _beginning(begun, (name for name in names if name != "_"))
    return []


def _beginning(begun: str, names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name.startswith(begun)))


def _home(context: click.Context) -> Home:
    given = context.find_root().params.get("home")
    return Home(Path(chosen(given)).resolve())
