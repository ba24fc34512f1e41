"""Renders the files of www/ and writes those that changed. What agents wrote is text in each of them."""

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from gatekeeper import messages
from gatekeeper.assets import folder
from gatekeeper.page import metrics
from gatekeeper.page.picture import Picture, outlook
from gatekeeper.repo.export import write_file

_ROWS = 50
"""Requests of each kind that the page lists; of the others it says how many there are."""
_CHAR = 6.6
"""The width of a sign on the badge, in pixels; `textLength` makes it so whatever the font."""
_FILLS = {"good": "#1a7f4b", "care": "#8a5a00", "bad": "#b3261e"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def rendered(seen: Picture) -> dict[str, str]:
    """Return every file by its name."""
    return {
        "index.html": _index(seen),
        "status.json": json.dumps({"schema": 1, "gate": seen.gate, **seen.status}) + "\n",
        "feed.atom": _page("feed.atom", seen, uuid=_uuid) + "\n",
        "badge.svg": _badge(seen),
        "metrics.prom": metrics.text(seen),
        "CHANGELOG.md": seen.changelog,
    }


def write(www: Path, files: Mapping[str, str]) -> None:
    """Write the files that have another content than before, each whole or not at all; OSError leaves the rest old."""
    if not www.is_dir():
        www.mkdir(parents=True)
        www.chmod(0o755)
    for name, text in files.items():
        if _content(www / name) != text.encode():
            write_file(www / name, text.encode())


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _page(name: str, seen: Picture, **more: object) -> Markup:
    first = outlook(seen)
    common = {"seen": seen, "status": seen.status, "outlook": first, "fill": _FILLS[first.tone]}
    text = messages.page(f"page/{name}", **common, title=messages.title, runbook=messages.runbook, day=_day, **more)
    return Markup(text)  # noqa: S704 - every value in it was escaped


def _index(seen: Picture) -> str:
    style, script = (_asset(name) for name in ("page.css", "page.js"))
    hashes = {"style": _digest(style), "script": _digest(script)}
    headline = _page("headline", seen).strip()
    return _page("index.html", seen, headline=headline, rows=_ROWS, style=style, script=script, hashes=hashes) + "\n"


def _badge(seen: Picture) -> str:
    right = _page("badge-words", seen).strip()
    widths = {"left": 5 * _CHAR + 12, "right": len(right.unescape()) * _CHAR + 12}
    return _page("badge.svg", seen, right=right, widths=widths) + "\n"


def _asset(name: str) -> Markup:
    return Markup((folder("templates") / "page" / name).read_text("utf-8"))  # noqa: S704 - ours, as it is


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _day(at: str) -> str:
    """Return an instant in words that are no locale's."""
    return f"{int(at[8:10])} {_MONTHS[int(at[5:7]) - 1]} {at[11:16]} UTC"


def _uuid(name: str) -> str:
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, name)}"
